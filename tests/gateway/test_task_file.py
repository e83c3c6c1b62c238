"""What a poll reads of a task: its status from the end of the body, never otherwise than the whole body has it."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uderia_bench.gateway import task_file

WORDS = st.sampled_from(["status", "processing", "complete", "task_id", "x", '","status":"processing"}', "\\", '"', "é"])
TEXT = st.one_of(WORDS, st.text(max_size=8))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
STATUSES = st.sampled_from(["pending", "processing", "cancelling", "complete", "error", "odd word", "wörd", 'a"b', None, 3, {}])


FLAT = st.sampled_from(  # what may stand behind a status: harmless, doubled, doubled in disguise, broken by escapes
    [
        '"task_id":"task-1"',
        '"user_uuid":null',
        '"status":"complete"',
        '"status":"cancelling"',
        r'"st\u0061tus":"complete"',
        r'"a":"\\"',
        r'"a":"x\",\"status\":\"y"',
        r'"a\"":"b"',
        '"a":{"status":"x"}',
        '"a":[]',
    ]
)


@st.composite
def objects(draw):
    """Return JSON text of an object: any members, a status, flat members behind it; white space of any kind."""
    ascii_only = draw(st.booleans())

    def text(value) -> str:
        return json.dumps(value, ensure_ascii=ascii_only)

    before = [f"{text(key)}:{text(value)}" for key, value in draw(st.lists(st.tuples(TEXT, VALUES), max_size=3))]
    status = f'"status":{text(draw(STATUSES))}'
    behind = draw(st.lists(FLAT, max_size=3))
    space = draw(st.sampled_from(["", " ", "\n", "\t "]))
    members = f"{space},{space}".join([*before, status, *behind])
    return f"{{{space}{members}{space}}}{space}".encode("utf-8", "surrogatepass")


@settings(max_examples=300)
@given(objects())
def test_the_end_never_says_otherwise_than_the_whole(body):
    """A status read from the end is the decoded body's."""
    found = task_file.status(body)
    assert found is None or json.loads(body)["status"] == found


@given(VALUES)
def test_any_json_is_answered(value):
    """What is no object, or has no status, is left to the whole body."""
    body = orjson.dumps(value) if not _odd(value) else json.dumps(value).encode()
    found = task_file.status(body)
    assert found is None or json.loads(body)["status"] == found


def _odd(value) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits
        return True
    return False


def body_of(status: str, **members) -> bytes:
    """Return a task as the server sends it, keys sorted."""
    said = {"events": [{"event_data": {"status": "complete"}}], "result": None, "task_id": "task-1", "user_uuid": "u"}
    return orjson.dumps({**said, "status": status, **members}, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize("status", ["pending", "processing", "cancelling", "paused", "complete", "error"])
def test_a_status_is_known_by_the_end_of_its_body(status):
    """As the server writes it, and with a proxy's or another version's white space."""
    body = body_of(status)
    assert task_file.status(body) == status
    assert task_file.status(json.dumps(orjson.loads(body), indent=2).encode() + b"\n") == status


@pytest.mark.parametrize(
    "body",
    [
        body_of("processing")[:-1],  # half an answer
        body_of("processing")[:-40],
        b" " + body_of("processing"),  # not what the server sends: the whole body says
        body_of("processing", zz={"status": "x"}),
        body_of("processing", zz="\\"),
        b'[{"a":1,"status":"processing"}]',
        b'"{,\\"status\\":\\"processing\\"}"',
        b'{"a":1,"status":"processing","b":"status"}',
        b"<html>",
        b"",
    ],
)
def test_whatever_else_is_left_to_the_whole_body(body):
    """Ends, halves, strangers and hostile bodies."""
    assert task_file.status(body) is None


def test_how_long_a_task_took_is_a_difference_of_the_servers_stamps():
    """From its first event to its last change."""
    task = {
        "events": [{"timestamp": "2026-05-04T10:00:00.250000+00:00"}, {"timestamp": "2026-05-04T10:00:05+00:00"}],
        "last_updated": "2026-05-04T10:00:06.500000+00:00",
    }
    assert task_file.took_s(task) == 6.25


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"events": [], "last_updated": "2026-05-04T10:00:06+00:00"},
        {"events": [{"timestamp": "2026-05-04T10:00:06"}], "last_updated": "2026-05-04T10:00:07+00:00"},
        {"events": [{"timestamp": "2026-05-04T10:00:06+00:00"}], "last_updated": "2026-05-04T10:00:05+00:00"},
        {"events": [{"timestamp": 7}], "last_updated": None},
        {"events": ["x"], "last_updated": "soon"},
        {"events": "x", "last_updated": {}},
    ],
)
def test_without_stamps_nothing_is_learned(task):
    """Missing, mixed, backward and odd ones."""
    assert task_file.took_s(task) is None
