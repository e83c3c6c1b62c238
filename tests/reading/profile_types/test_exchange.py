"""Decoding what came back: the right turn, events once and in order, and nothing that raises."""

from __future__ import annotations

import exchanges
import pytest
import traces

from uderia_bench.reading.profile_types import lenient
from uderia_bench.reading.profile_types.exchange import decode


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (b"<html>502</html>", "the task is not JSON"),
        (b"\xff\xfe", "the task is not JSON"),
        (b"[1]", "the task is list, not an object"),
        (b"null", "the task is NoneType, not an object"),
    ],
)
def test_a_body_that_is_no_object_is_noted(body, note):
    """Whatever the bytes, there is an exchange, empty and with a reason."""
    exchange = decode(traces.record(body))
    assert (exchange.notes, exchange.events, exchange.task) == ((note,), (), {})


def test_events_that_came_twice_count_once_and_disorder_is_sorted():
    """Equal events with equal timestamps are one event, and timestamps decide the order. Both get a note."""
    first, second = exchanges.event("a", 1.0, n=1), exchanges.event("b", 2.0)
    exchange = decode(
        traces.record(exchanges.task([second, first, first, exchanges.event("a", 1.0, n=2), 7, {"event_data": 3}]))
    )
    assert [(event.kind, event.body) for event in exchange.events] == [("a", {"n": 1}), ("a", {"n": 2}), ("b", {})]
    assert exchange.notes == ("2 events could not be read", "1 event came twice", "events were out of order")
    assert exchange.since_start(exchange.events[-1].at) == 1.0


def test_equal_events_without_stamps_are_all_kept():
    """Without a stamp nothing tells a repetition from a second event."""
    bare = {"event_type": "a", "event_data": {}}
    assert len(decode(traces.record({"events": [bare, bare]})).all("a")) == 2


def turns(*numbered):
    """Return a session of turns, each a number and what else it holds."""
    return exchanges.session(*({"turn": number, **more} for number, more in numbered))


def test_the_turn_is_found_by_task_id_first():
    """Two tasks of one session both saved turn 1: the id decides."""
    session = turns((1, {"task_id": "task-0"}), (1, {"task_id": "task-1"}))
    assert decode(traces.record(exchanges.task([]), session)).turn["task_id"] == "task-1"


def test_the_turn_is_found_by_number_where_turns_carry_no_task_id():
    """Conversation turns carry no task id: the result's turn number decides, else the events'."""
    session = turns((1, {}), (2, {}), (3, {}))
    assert decode(traces.record(exchanges.task([exchanges.final_answer(1.0)]), session)).turn["turn"] == 1
    started = exchanges.notification("conversation_agent_start", 0.1, turn_id=2)
    assert decode(traces.record(exchanges.task([started]), session)).turn["turn"] == 2


def test_a_turn_of_another_trial_is_never_taken():
    """A cancelled trial leaves no turn: the last turn of the session, another task's or another number's, is not its own."""
    assert decode(traces.record(exchanges.task([]), turns((1, {"task_id": "task-0"})))).turn == {}
    started = exchanges.notification("conversation_agent_start", 0.1, turn_id=2)
    assert decode(traces.record(exchanges.task([started]), turns((1, {})))).turn == {}


def test_the_last_turn_is_taken_where_nothing_says_otherwise():
    """Sessions of older servers carry neither ids nor results."""
    assert decode(traces.record(None, turns((1, {}), (2, {})))).turn["turn"] == 2


def test_a_turns_own_events_stand_in_for_a_task_that_is_gone():
    """After a server restart the session still holds the agent's events."""
    kept = {"type": "conversation_llm_step", "payload": {"input_tokens": 5}, "timestamp": 1795521204.5}
    exchange = decode(traces.record(None, turns((1, {"conversation_agent_events": [kept]}))))
    assert exchange.first("conversation_llm_step") == {"input_tokens": 5}
    assert exchange.start == 1795521204.5


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (3, 3),
        (3.0, 3),
        (0, 0),
        (True, None),
        (-1, None),
        (3.5, None),
        ("3", None),
        (None, None),
        (float("inf"), None),
        (2**60, None),
    ],
)
def test_a_count_is_a_whole_number_of_things(value, count):
    """Booleans, fractions, texts and absurd sizes are missing, and 0 is not."""
    assert lenient.count(value) == count


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970-01-01T00:00:01.5+00:00", 1.5),
        ("1970-01-01T00:00:01", 1.0),
        (7.5, 7.5),
        ("yesterday", None),
        (True, None),
        ([], None),
    ],
)
def test_a_stamp_is_seconds_whatever_its_form(value, seconds):
    """ISO with or without an offset, or epoch seconds; anything else is missing."""
    assert lenient.stamp(value) == seconds


def test_canonical_text_is_equal_for_equal_values_and_survives_depth():
    """Key order does not matter; what is too deep to write has a text all the same."""
    assert lenient.canonical({"b": 1, "a": [None]}) == lenient.canonical({"a": [None], "b": 1}) == '{"a":[null],"b":1}'
    deep = value = []
    for _ in range(600):
        value.append([])
        value = value[0]
    assert lenient.canonical(deep) == '"(nested too deeply to write)"'
