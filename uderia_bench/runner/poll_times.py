"""Poll schedule of a running task, from the durations of earlier tasks of its query and its arm. Pure.

Latency comes from server timestamps, so polling adds no error to it. A poll costs the server a copy of
the whole event list (docs/reference/protocol.md, "Polling a task"). A late poll costs a slot, which
stays occupied by a task that has ended.

A schedule covers the durations that are plausible for the task: the mean of those its query took before,
times the ratios between repeats of a query seen on this arm. The durations of the arm are added for a query
that was not asked before, and where repeats often differ by more than a factor of two. Each end at a plausible
duration is seen within a tolerance of ``TOLERANCE`` of the duration plus at most ``TOLERANCE_S``. So are the
ends between two durations of a query that are near each other. If this takes more than ``MOST_POLLS`` on
average, the tolerance grows.

The worst case: no wait is longer than the time elapsed, so a task is seen at the latest after twice its
duration, whatever was learned. Only the first wait may be longer: up to ``PLANNED_FIRST_S``, or half of
the shortest known duration of the query.

The measured delays are in docs/explanation/clock.md, "How late an end is seen".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from math import ceil, log
from statistics import geometric_mean, mean

FIRST_S = 1.0  # first wait where no duration is known; at 6 s, doubling from here makes four polls
PLANNED_FIRST_S = 2.0  # longest first wait of a schedule
SCOUTS = 10  # the first trials of an arm are polled within the tolerance, so that its durations are known soon
SCOUT_FIRST_S = 0.1
GROWTH = 1.0  # longest wait, as a share of the time elapsed
FIRST_SHARE = 0.5  # longest first wait, as a share of the shortest known duration of the query
SHORTEST_S = 0.001  # shortest wait: a poll just before its time would be followed by another
# Longest wait where nothing is known (docs/reference/protocol.md, "Push channels": a slow poll of 5 to 10 s is safe).
LONGEST_S = 5.0
FEWEST = 5  # durations of an arm before they are used
TOLERANCE = 0.1
TOLERANCE_S = 0.3
SHORT_TOLERANCE = 0.25  # of the duration, in place of TOLERANCE_S where tasks are short
USED = 0.85  # share of the tolerance that a schedule uses; lateness and the phase of a trial take the rest
MOST_POLLS = 6.0  # on average; three more requests make a session, send the query and read the session
WIDER = 1.25  # step by which the tolerance grows
KEPT = 256  # newest durations of an arm: its load changes during a run, and so do its durations
KEPT_OF_A_QUERY = 5
POINTS = 24  # quantiles of the arm's durations in a schedule: making one of these takes 0.1 ms
RATIOS = 15  # quantiles of the ratios between repeats
MOST_RATIO = 2.0  # a duration that differs by more from all others of its query is a surprise
MOST_SURPRISES = 0.1  # share of them from which a schedule covers the durations of the arm too
FEWEST_RATIOS = 16
NEAR = 1.5  # plausible durations that differ by more have nothing between them: a query may be short or long
FILL_STEP = 0.02
UNKNOWN_RATIOS = (
    0.7,
    0.8,
    0.85,
    0.92,
    1.0,
    1.08,
    1.15,
    1.25,
    1.4,
)  # between repeats of a query, until enough of them were seen


def growing(elapsed_s: float, first_s: float = FIRST_S) -> float:
    """Return the wait where no duration is known: ``first_s``, then as long as the task has run."""
    return min(max(elapsed_s * GROWTH, first_s), LONGEST_S)


def scouting(elapsed_s: float) -> float:
    """Return the wait of an arm's first trials: within the tolerance, whatever the task takes."""
    return max(SCOUT_FIRST_S, USED * tolerance_s(elapsed_s))


def following(polls: Sequence[float], elapsed_s: float) -> float:
    """Return the wait by a schedule; after its last poll, the wait stays within the tolerance."""
    place = bisect_right(polls, elapsed_s + SHORTEST_S)
    return polls[place] - elapsed_s if place < len(polls) else USED * tolerance_s(elapsed_s)


def tolerance_s(duration_s: float) -> float:
    """Return how late the end of a task of this duration may be seen."""
    return TOLERANCE * duration_s + min(TOLERANCE_S, SHORT_TOLERANCE * duration_s)


def schedule(
    durations_s: Iterable[float], *, first_s: float = PLANNED_FIRST_S, most_polls: float = MOST_POLLS, near: float = 1.0
) -> tuple[float, ...]:
    """Return the times of the polls of a task that takes one of ``durations_s``, each equally likely.

    Each of them is seen within its tolerance, or within the least multiple of it that needs at most
    ``most_polls`` on average, from the shortest duration on. So are the ends between two
    durations whose ratio is at most ``near``. No wait is longer than the time elapsed; the first is at most
    ``first_s``.
    """
    times = sorted(durations_s)
    covered = _filled(times, near)
    wider = 1.0
    while True:
        polls = _covering(covered, first_s, wider)
        before = bisect_left(polls, times[0])
        average = mean(bisect_left(polls, time) + 1 - before for time in times)
        if average <= most_polls or wider > times[-1] / times[0]:
            return polls
        wider *= WIDER


def _covering(times: Sequence[float], first_s: float, wider: float) -> tuple[float, ...]:
    """Return the fewest polls that see each of the sorted ``times`` within ``wider`` times its tolerance."""
    polls: list[float] = []
    at_s, place = 0.0, 0
    while place < len(times):
        reach_s = times[place] + wider * USED * tolerance_s(times[place])
        wanted_s = times[bisect_right(times, reach_s) - 1]
        longest_s = at_s * GROWTH if polls else first_s
        at_s = max(min(wanted_s, at_s + longest_s), at_s + SHORTEST_S)
        polls.append(at_s)
        place = bisect_right(times, at_s)
    return tuple(polls)


def _filled(times: Sequence[float], near: float) -> list[float]:
    """Return the sorted times with more between two that are near each other, as a task may end there too."""
    filled: list[float] = []
    for before, after in pairwise(times):
        steps = ceil(log(after / before) / FILL_STEP) if after <= before * near else 1
        filled += [before * (after / before) ** (step / steps) for step in range(steps)] if steps > 1 else [before]
    return [*filled, *times[-1:]]


def quantiles(values: Iterable[float], count: int) -> list[float]:
    """Return all values in order, or ``count`` of their quantiles where there are more."""
    ordered = sorted(values)
    n = len(ordered)
    return ordered if n <= count else [ordered[k * (n - 1) // (count - 1)] for k in range(count)]


def _alike(durations_s: Iterable[float], duration_s: float) -> list[float]:
    """Return the durations that differ from one by at most ``MOST_RATIO``."""
    return [each for each in durations_s if 1 / MOST_RATIO <= each / duration_s <= MOST_RATIO]


class History:
    """The durations of one arm's tasks, by query, and how many of its tasks run now.

    Short tasks end first. So the durations are used only when as many tasks have ended as still run.
    """

    def __init__(self) -> None:
        self.running = 0
        self._begun = 0
        self._seen = 0
        self._durations: deque[float] = deque(maxlen=KEPT)
        self._of_query: dict[str, tuple[float, ...]] = {}  # the newest; a deque would take 0.7 KB for each query
        self._ratios: deque[float | None] = deque(maxlen=KEPT)  # None: unlike all other durations of its query
        self._points: list[float] = []
        self._points_at = 0
        self._schedule: tuple[float, ...] = ()

    def begin(self, query: str) -> Callable[[float], float]:
        """Count one more running task; return the function from its elapsed time to the wait before its next poll."""
        self.running += 1
        self._begun += 1
        if not self._points:
            return scouting if self._begun <= SCOUTS else growing
        if not (known := self._of_query.get(query)):
            return partial(following, self._schedule)
        seen = [ratio for ratio in self._ratios if ratio is not None]
        ratios = quantiles(seen, RATIOS) if len(seen) >= FEWEST_RATIOS else UNKNOWN_RATIOS
        centres = {geometric_mean(_alike(known, each)) for each in known}
        plausible = [centre * ratio + SHORTEST_S for centre in centres for ratio in ratios]
        if len(self._ratios) - len(seen) > MOST_SURPRISES * len(self._ratios):
            plausible += self._points
        return partial(following, schedule(plausible, first_s=max(PLANNED_FIRST_S, FIRST_SHARE * min(known)), near=NEAR))

    def learn(self, query: str, took_s: float) -> None:
        """Add the duration of an ended task, from its first event to its end."""
        took_s = max(took_s, SHORTEST_S)
        if known := self._of_query.get(query, ()):
            alike = _alike(known, took_s)
            self._ratios.append(took_s / geometric_mean(alike) if alike else None)
        self._of_query[query] = (*known, took_s)[-KEPT_OF_A_QUERY:]
        self._durations.append(took_s)
        self._seen += 1
        news = self._seen - self._points_at
        if self._seen >= max(FEWEST, 0 if self._points else self.running) and news * 4 >= len(self._durations):
            self._points, self._points_at = quantiles(self._durations, POINTS), self._seen
            self._schedule = schedule(self._points)
