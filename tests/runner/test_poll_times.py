"""Poll schedules: plausible durations are seen within their tolerance, waits are bounded, and each query has its history."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.runner import poll_times
from uderia_bench.runner.poll_times import History, growing, schedule, scouting, tolerance_s

DURATIONS = st.lists(st.floats(0.01, 1000), min_size=1, max_size=40)


@given(DURATIONS)
def test_every_plausible_duration_is_seen_within_its_tolerance(durations):
    """With any number of polls and a first wait that is long enough, no end is seen later than tolerated."""
    polls = schedule(durations, first_s=1e6, most_polls=1e6)
    for took_s in durations:
        seen_s = min(poll for poll in polls if poll >= took_s)
        assert seen_s - took_s <= tolerance_s(took_s) or seen_s <= took_s * (1 + poll_times.GROWTH)


@given(DURATIONS, st.floats(0.1, 10))
def test_no_wait_of_a_schedule_is_longer_than_the_time_elapsed(durations, first_s):
    """The first wait has its limit; each later one is at most the time elapsed."""
    polls = schedule(durations, first_s=first_s)
    assert polls[0] <= first_s
    assert polls[-1] >= max(durations)
    assert all(before < after <= 2 * before + poll_times.SHORTEST_S for before, after in pairwise(polls))


def test_an_end_between_two_near_durations_is_seen_in_time():
    """Repeats of 9, 10 and 13 s make 11.5 s plausible; repeats of 2 and 20 s do not make 6 s plausible."""
    near, far = schedule([9.0, 10.0, 13.0], near=1.5), schedule([2.0, 20.0], near=1.5)
    assert min(poll for poll in near if poll >= 11.5) - 11.5 <= tolerance_s(11.5)
    assert len(far) < len(schedule([2.0, 4.0, 6.0, 9.0, 13.0, 20.0]))


def test_few_polls_widen_the_tolerance():
    """Durations from 1 s to 100 s need many polls within the tolerance, and fewer where fewer are allowed."""
    durations = [1.1**n for n in range(49)]
    many, few = schedule(durations, most_polls=1e6), schedule(durations, most_polls=6)
    assert len(few) < len(many)


def test_without_history_waits_double_up_to_a_limit():
    """Each poll is at twice the time of the one before, and at most five seconds after it."""
    assert [growing(elapsed_s) for elapsed_s in (0.0, 0.5, 1.0, 4.0, 100.0)] == [
        poll_times.FIRST_S,
        poll_times.FIRST_S,
        1.0,
        4.0,
        5.0,
    ]


def test_a_first_poll_is_not_early():
    """A few microseconds pass before the first wait is computed; it is still the first wait."""
    assert growing(1e-5) == poll_times.FIRST_S


def test_after_the_last_planned_poll_waits_stay_within_the_tolerance():
    """A task that takes longer than every plausible duration is polled as closely as planned ones."""
    history = History()
    for _ in range(20):
        history.learn("q", 0.1)
    wait_s = history.begin("q")
    assert wait_s(10.0) == pytest.approx(poll_times.USED * tolerance_s(10.0))


def test_durations_are_used_once_as_many_tasks_ended_as_run():
    """Short tasks end first: with ten running, nine ends are not enough."""
    history = History()
    for number in range(10):
        history.begin(f"q{number}")
    for number in range(9):
        history.learn(f"q{number}", 0.25)
    assert history.begin("new")(0.0) == poll_times.FIRST_S
    history.running -= 1
    history.learn("q9", 0.25)
    assert history.begin("new")(0.0) == pytest.approx(0.25)


def test_the_first_trials_of_an_arm_are_polled_closely():
    """They find out how long its tasks take."""
    history = History()
    waits = [history.begin("q") for _ in range(poll_times.SCOUTS + 1)]
    assert waits == [scouting] * poll_times.SCOUTS + [growing]


def polls_until(wait_s, took_s):
    """Return how many polls see a task of this duration through, and how late its end is seen."""
    elapsed_s, polls = 0.0, 0
    while elapsed_s < took_s:
        elapsed_s, polls = elapsed_s + wait_s(elapsed_s), polls + 1
    return polls, elapsed_s - took_s


def test_a_query_is_polled_by_its_own_durations():
    """A long query on an arm of short ones needs fewer polls once it was seen, and its end is seen in time."""
    history = History()
    for number in range(40):
        history.learn(f"short{number}", 2.0)
    unknown, _ = polls_until(history.begin("long"), 20.0)
    history.learn("long", 20.0)
    known, late_s = polls_until(history.begin("long"), 20.0)
    assert known < unknown / 2
    assert late_s <= tolerance_s(20.0)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(1e-6, 1e6)), max_size=300), st.floats(0, 1e6))
def test_every_wait_is_positive_and_bounded(durations, elapsed_s):
    """Whatever was seen, the next wait is positive, and no longer than the time elapsed or the longest duration seen."""
    history = History()
    for query, took_s in durations:
        history.learn(query, took_s)
    longest = max((took_s for _, took_s in durations), default=0.0)
    wait_s = history.begin("a")(elapsed_s)
    first_s = max(poll_times.PLANNED_FIRST_S, longest)
    assert 0 < wait_s <= max(elapsed_s, first_s)
