"""When a running task is worth a look, from how long it runs and how long its arm's tasks took before. Pure.

Why learn: an answer's latency is on the server's stamps and does not depend on when we look, so a look costs the server, which
sends the whole event list (docs/reference/protocol.md, "Polling a task"), and a late look costs the
slot. How long tasks take is known to the microsecond from the stamps of those that ended, and the
looks that cost least in sum are an optimal inspection schedule over these durations (Barlow, Hunter
and Proschan 1963), found here exactly by dynamic programming.

Measured in virtual time on the durations of the embedded OPTIM arm over the shipped corpus, scaled to a mean L (a twentieth of
them below 0.35 L, a twentieth above 1.9 L): looks a trial, and the mean time from the end to the look that saw it as a share
of L. Looking first after 0.6 s, the first burst is seen sooner where tasks are short, and otherwise only looked at oftener.

=========================================  ===========  ===========  ===========
rule                                       L = 0.5 s    L = 2 s      L = 6 s
=========================================  ===========  ===========  ===========
this one, 500 trials all at once           1.0, 114 %   2.5, 38 %    3.8, 37 %
the same, the first look after 0.6 s       2.1, 42 %    3.1, 35 %    4.5, 39 %
this one, 2,000 trials, 500 in flight      3.0, 61 %    3.6, 21 %    4.5, 19 %
... behind the first 500 of them           3.7, 43 %    4.0, 14 %    4.7, 12 %
this one, 400 trials, 4 in flight          3.9, 12 %    4.0, 11 %    4.0, 11 %
=========================================  ===========  ===========  ===========
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import accumulate

FIRST_S = 1.0  # of an arm nothing is known of; at L = 6 s doubling from here makes four looks, seven requests a trial
SCOUTS = 5  # an arm's first trials look sooner: where its tasks are short, waiting FIRST_S for each would be most of the run
SCOUT_FIRST_S = 0.1
GROWTH = 1.0  # of the time elapsed: each look at twice the time of the one before
BEYOND = 0.25  # of the time elapsed, behind the last look of a schedule
SHORTEST_S = 0.001  # no interval is shorter: a look a hair before its time would be followed by another at it
# no interval is longer (docs/reference/protocol.md, "Push channels": a slow poll of 5 to 10 s is
# the authority)
LONGEST_S = 5.0
FEWEST = 5  # durations before they are believed
LOOK_PRICE = 0.02  # what one look is worth, as a share of the mean duration: 0.03 gave a tenth fewer looks, up to a fifth later
KEPT = 256  # durations, the newest: load changes in a run, and with it how long tasks take
GRID = 32  # quantiles of these that the schedule is made from: its cost is quadratic in them (0.1 ms)


def growing(elapsed_s: float, first_s: float = FIRST_S) -> float:
    """Return the wait before the next look where nothing is known: ``first_s``, then as long as the task has run."""
    return min(max(elapsed_s * GROWTH, first_s), LONGEST_S)


def schedule(durations_s: Iterable[float], look_s: float) -> tuple[float, ...]:
    """Return the looks that cost least on average if the next task takes as long as one of these, each equally likely.

    A look costs ``look_s``, and so does every second that an ended task goes unseen. Exact: each look stands at a duration.
    """
    times = sorted(durations_s)
    n = len(times)
    sums = list(accumulate(times, initial=0.0))
    cost, following = [0.0] * (n + 1), [n] * (n + 1)  # of the tasks from i on, all still running
    for i in reversed(range(n)):
        look = look_s * (n - i)
        cost[i], following[i] = min(
            (look + times[j - 1] * (j - i) - (sums[j] - sums[i]) + cost[j], j) for j in range(i + 1, n + 1)
        )
    looks, i = list[float](), 0
    while i < n:
        i = following[i]
        looks.append(times[i - 1])
    return tuple(looks)


class History:
    """How long one arm's tasks took, and the schedule that follows from it; how many of them run now.

    Those that end first are the short ones: until as many have ended as still run, what was seen says too little.
    """

    def __init__(self) -> None:
        self.running = 0
        self._begun = 0
        self._seen = 0
        self._durations: deque[float] = deque(maxlen=KEPT)
        self._looks: tuple[float, ...] = ()
        self._scheduled_at = 0

    def begin(self) -> float:
        """Count one more that runs; return when to look at it first where nothing is known."""
        self.running += 1
        self._begun += 1
        return SCOUT_FIRST_S if self._begun <= SCOUTS else FIRST_S

    def learn(self, took_s: float) -> None:
        """Take in how long a task took from its first event to its end."""
        self._durations.append(took_s)
        self._seen += 1
        news = self._seen - self._scheduled_at
        if self._seen >= max(FEWEST, 0 if self._looks else self.running) and news * 4 >= len(self._durations):
            times = sorted(self._durations)
            if (n := len(times)) > GRID:
                times = [times[-(-(k + 1) * n // GRID) - 1] for k in range(GRID)]
            self._looks, self._scheduled_at = schedule(times, LOOK_PRICE * sum(times) / len(times)), self._seen

    def wait_s(self, elapsed_s: float, first_s: float) -> float:
        """Return the wait before the next look at a task that has run so long."""
        for look_s in self._looks:
            if look_s - elapsed_s > SHORTEST_S:
                return look_s - elapsed_s
        if self._looks:  # slower than all of them, but known to be of their kind
            return min(max(elapsed_s * BEYOND, SHORTEST_S), LONGEST_S)
        return growing(elapsed_s, first_s)
