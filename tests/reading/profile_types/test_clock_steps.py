"""Steps of the server's clock in the middle of a trial, found and bounded with the client's clock."""

from __future__ import annotations

import pytest
import traces
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.reading.profile_types.clock_steps import LATE_S, SLACK, SLACK_S, correct

START = 1_800_000_000.0
GAPS = st.lists(st.floats(0.001, 5.0), min_size=3, max_size=12)


def watched(took_s, poll_s=0.2):
    """Return the record of a task that took so long, polled so often."""
    return traces.record(sent_s=10.0, accepted_s=10.02, seen_lo_s=max(took_s - poll_s / 2, 0.0), seen_hi_s=took_s + poll_s / 2)


def stamps_of(gaps):
    """Return the timestamps of events with these gaps."""
    stamps = [START]
    for gap in gaps:
        stamps.append(stamps[-1] + gap)
    return stamps


@given(GAPS, st.data(), st.sampled_from([3600.0, -3600.0, 40.0, -40.0, 86_400.0]))
def test_a_step_is_found_and_the_duration_is_the_clients(gaps, data, step_s):
    """Wherever the clock steps, and in whichever direction, the duration lies between the two polls around the end."""
    stamps = stamps_of(gaps)
    took_s = stamps[-1] - stamps[0]
    place = data.draw(st.integers(1, len(stamps) - 1))
    stepped = [stamp + (step_s if number >= place else 0.0) for number, stamp in enumerate(stamps)]
    found = correct(stepped[:-1], stepped[-1], watched(took_s))
    assert found.ended - found.stamps[0] == pytest.approx(took_s, abs=0.25)
    assert list(found.stamps) == sorted(found.stamps)
    assert found.step_s == pytest.approx(step_s, abs=max(gaps) + 0.3)
    assert f"set {'forward' if step_s > 0 else 'back'} by about" in found.note


@given(GAPS)
def test_without_a_step_timestamps_stay_as_they_are(gaps):
    """A task within the client's bounds is not changed, whatever the gaps between its events."""
    stamps = stamps_of(gaps)
    for record in (watched(stamps[-1] - stamps[0]), traces.record(seen_lo_s=None, seen_hi_s=None)):
        found = correct(stamps[:-1], stamps[-1], record)
        assert (list(found.stamps), found.ended, found.step_s, found.note) == (stamps[:-1], stamps[-1], None, None)


def test_a_step_forward_and_back_is_found():
    """The clock was wrong for a part of the trial: the total is right, and the events in between are moved."""
    stamps = [START, START + 1, START + 3602, START + 3603, START + 4]
    found = correct(stamps, START + 5, watched(5.0))
    assert max(found.stamps) - min(found.stamps) <= 5.2
    assert found.step_s == pytest.approx(3601, abs=1)


@pytest.mark.parametrize("step_s", [-0.9, -0.5, 0.5, 0.9])
def test_a_step_of_less_than_a_second_is_bounded_too(step_s):
    """A short task cannot have an event that late, and no event lies beyond the poll that saw the end."""
    stamps = [START, START + 0.01, START + 0.02, START + 0.05 + step_s, START + 0.08 + step_s]
    found = correct(stamps, START + 0.1 + step_s, watched(0.1, poll_s=0.02))
    assert list(found.stamps) == sorted(found.stamps)
    assert found.ended - found.stamps[0] <= 0.17
    assert found.step_s == pytest.approx(step_s, abs=0.1)


def test_events_that_came_late_are_no_step():
    """An event that is listed after a later one is out of order; the task's duration agrees with the client."""
    stamps = [START, START + 4, START + 1, START + 5]
    assert correct(stamps, START + 6, watched(6.0)).step_s is None


@pytest.mark.parametrize(("excess_s", "steps"), [(SLACK_S / 2, False), (SLACK_S + 0.3, True)])
def test_a_duration_just_beyond_the_poll_that_saw_its_end(excess_s, steps):
    """A task cannot take longer than from its sending to the poll that saw its end; a small slack allows for clock drift."""
    record = traces.record(sent_s=0.0, accepted_s=0.01, seen_lo_s=1.9, seen_hi_s=2.0)
    found = correct([START, START + 1], START + 2 * (1 + SLACK) + excess_s, record)
    assert (found.step_s is not None) is steps


def test_a_duration_shorter_than_the_polls_is_a_step_back():
    """The task still ran at the last poll before its end."""
    record = traces.record(sent_s=0.0, accepted_s=0.01, seen_lo_s=9.0, seen_hi_s=9.5)
    found = correct([START, START + 4.0], START + 4.1, record)
    assert found.ended - START == pytest.approx(9.25, abs=0.3)
    assert correct([START, START + 8.9 - LATE_S], START + 9.0 - LATE_S, record).step_s is None


def test_without_the_clients_times_only_a_step_back_is_corrected():
    """A long gap may be a wait, so it is noted and not changed."""
    nobody = traces.record(seen_lo_s=None, seen_hi_s=None)
    back = correct([START, START + 1, START - 3599, START - 3598], START - 3597, nobody)
    assert back.ended - back.stamps[0] == pytest.approx(3.0)
    forward = correct([START, START + 1, START + 3602], START + 3603, nobody)
    assert (forward.step_s, forward.ended) == (None, START + 3603)
    assert "3601 s lie between two events" in forward.note
