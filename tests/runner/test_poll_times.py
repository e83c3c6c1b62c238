"""What the times of polls promise: never dearer than any other schedule over the durations seen, bounded waits, own history."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.runner import poll_times
from uderia_bench.runner.poll_times import History, growing, schedule


def price(durations, looks, look_s):
    """Return what looking at these times costs: every look at a task that still runs, and every second an end goes unseen."""
    total = 0.0
    for took_s in durations:
        seen_s = min(look for look in looks if look >= took_s)
        total += look_s * sum(1 for look in looks if look <= seen_s) + seen_s - took_s
    return total


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=7),
    st.floats(0.001, 10),
)
def test_no_other_schedule_is_cheaper(durations, look_s):
    """Against all of them: a look elsewhere than at a duration could only be moved back to one."""
    looks = schedule(durations, look_s)
    assert looks[-1] == max(durations)
    assert list(looks) == sorted(looks)
    others = sorted(set(durations))
    cheapest = min(
        price(durations, (*chosen, others[-1]), look_s)
        for size in range(len(others))
        for chosen in combinations(others[:-1], size)
    )
    assert price(durations, looks, look_s) == pytest.approx(cheapest)


def test_a_dear_look_is_taken_late_and_a_cheap_one_often():
    """One look where a second is worth little beside it, one a duration where it costs nothing."""
    assert schedule([1.0, 2.0, 3.0], 100.0) == (3.0,)
    assert schedule([1.0, 2.0, 3.0], 1e-9) == (1.0, 2.0, 3.0)


def test_without_history_waits_double_up_to_a_limit():
    """Each look is at twice the time of the one before, and at most five seconds after it."""
    assert [growing(elapsed_s) for elapsed_s in (0.0, 0.5, 1.0, 4.0, 100.0)] == [
        poll_times.FIRST_S,
        poll_times.FIRST_S,
        1.0,
        4.0,
        5.0,
    ]


def test_a_clock_that_has_moved_does_not_bring_the_first_look_forward():
    """Microseconds pass before anybody asks when to look: the first wait is the first wait, not as long again as nothing."""
    assert growing(1e-5) == poll_times.FIRST_S


def test_behind_the_last_look_waits_grow_slowly():
    """What outlasts all that was seen is a little slower, most often: it is not left for as long again."""
    history = History()
    for _ in range(20):
        history.learn(0.1)
    assert history.wait_s(0.1, poll_times.FIRST_S) == pytest.approx(0.1 * poll_times.BEYOND)


def test_few_durations_or_only_the_first_to_end_are_not_believed():
    """Those that end first are the short ones: with ten running, nine ends say nothing yet."""
    history = History()
    for _ in range(10):
        history.begin()
    for _ in range(9):
        history.learn(0.25)
    assert history.wait_s(0.0, 0.5) == 0.5
    history.learn(0.25)
    assert history.wait_s(0.0, 0.5) == 0.25


def test_scouts_look_sooner():
    """An arm's first trials find out whether its tasks are short."""
    history = History()
    firsts = [history.begin() for _ in range(poll_times.SCOUTS + 1)]
    assert firsts == [poll_times.SCOUT_FIRST_S] * poll_times.SCOUTS + [poll_times.FIRST_S]


@given(st.lists(st.floats(1e-6, 1e6), max_size=700), st.floats(0, 1e6))
def test_every_wait_is_ahead_and_history_costs_little(durations, elapsed_s):
    """Whatever was seen, the next look comes some time after now."""
    history = History()
    for took_s in durations:
        history.learn(took_s)
    assert history.wait_s(elapsed_s, poll_times.FIRST_S) >= poll_times.SHORTEST_S
