"""The settled trials of a run in numbers, by their place in the plan.

Arrays are made once for the whole plan, so memory stays constant while a run goes on, and a trial that is asked
again is taken out by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from uderia_bench.report.watch import METRICS
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.trial import Outcome, Stage, Trial
from uderia_bench.view.course import Ended

LEVEL = 0.95
_OUTCOMES = tuple(Outcome)
_CODES = {outcome: code for code, outcome in enumerate(_OUTCOMES)}
_UNREAD = -1
_WARMUP = -1
_LATENCY = next(row for row, metric in enumerate(METRICS) if metric.name == "latency_s")

Group = tuple[str, str | None]  # an arm and a class of queries
Counts = npt.NDArray[np.intp]


class Tally:
    """Counts and values of the trials of a plan."""

    def __init__(self, plan: Sequence[Trial]) -> None:
        self.place = {trial.trial_id: at for at, trial in enumerate(plan)}
        keys = [(trial.arm, trial.complexity) if trial.stage is Stage.MEASURED else None for trial in plan]
        self.groups: tuple[Group, ...] = tuple(dict.fromkeys(filter(None, keys)))
        codes = {group: code for code, group in enumerate(self.groups)}
        self._group = np.array([_WARMUP if key is None else codes[key] for key in keys], dtype=np.int32)
        queries = {name: code for code, name in enumerate(dict.fromkeys(trial.query_id for trial in plan))}
        self._query = np.array([queries[trial.query_id] for trial in plan], dtype=np.int32)
        self._attempts = np.zeros(len(plan), dtype=np.int32)
        self._outcome = np.full(len(plan), _UNREAD, dtype=np.int8)
        self._values = np.full((len(METRICS), len(plan)), np.nan)
        self._sent_s, self._ended_s = np.full((2, len(plan)), np.nan)
        self._limited = np.zeros(len(plan), dtype=np.bool_)
        self._issues: dict[str, npt.NDArray[np.bool_]] = {}

    @property
    def rate_limited(self) -> int:
        """How many trials that are read have met a rate limit."""
        return int(np.count_nonzero(self._limited))

    @property
    def planned(self) -> Counts:
        """How many measured trials are planned, by group."""
        return self._by_group(self._group >= 0)

    @property
    def settled(self) -> Counts:
        """How many measured trials have settled, by group."""
        return self._by_group(self._attempts > 0)

    @property
    def answered(self) -> Counts:
        """How many measured trials are read and answered, by group."""
        return self._by_group(self._outcome == _CODES[Outcome.ANSWERED])

    @property
    def settled_count(self) -> int:
        """How many trials have settled, warm-ups included."""
        return int(np.count_nonzero(self._attempts))

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How the trials ended that are read, warm-ups included."""
        counts = np.bincount(self._outcome[self._outcome >= 0], minlength=len(_OUTCOMES))
        return {outcome: int(count) for outcome, count in zip(_OUTCOMES, counts, strict=True) if count}

    def attempts(self, at: int) -> int:
        """Return the attempt at which a trial settled; 0 for one that has not."""
        return int(self._attempts[at])

    def settle(self, at: int, attempts: int) -> None:
        """Count a trial as settled; it is still to be read."""
        self._attempts[at] = attempts

    def read(
        self,
        at: int,
        outcome: Outcome,
        values: Mapping[str, float | None],
        issues: Sequence[str],
        *,
        sent_at: datetime | None,
        done_at: datetime | None,
        throttled: bool,
    ) -> None:
        """Take the content of a settled trial; ``throttled``: the server answered HTTP 429 to it."""
        self._outcome[at] = _CODES[outcome]
        self._limited[at] = throttled or outcome is Outcome.RATE_LIMITED
        self._sent_s[at], self._ended_s[at] = (np.nan if each is None else each.timestamp() for each in (sent_at, done_at))
        self._values[:, at] = [values[metric.name] for metric in METRICS]
        for kind in issues:
            self._issues.setdefault(kind, np.zeros(self._outcome.size, dtype=np.bool_))[at] = True

    def forget(self, at: int) -> None:
        """Take the content of a trial out again."""
        self._outcome[at] = _UNREAD
        self._limited[at] = False
        self._values[:, at] = self._sent_s[at] = self._ended_s[at] = np.nan
        for found in self._issues.values():
            found[at] = False

    def unsettle(self, at: int) -> None:
        """Take a trial out, because it is asked again."""
        self._attempts[at] = 0
        self.forget(at)

    def issues(self) -> dict[str, int]:
        """Return the number of trials with an issue, by its kind."""
        counts = {kind: int(np.count_nonzero(found)) for kind, found in self._issues.items()}
        return {kind: count for kind, count in counts.items() if count}

    def estimates(self, arm: str) -> list[tuple[str, Estimate]]:
        """Return the mean of each metric over an arm's measured answers, with its interval over queries."""
        ours = self._answers(arm)
        found = []
        for metric, values in zip(METRICS, self._values[:, ours], strict=True):
            known = ~np.isnan(values)
            units = np.unique(self._query[ours][known], return_inverse=True)[1]
            missing = int(known.size - np.count_nonzero(known))
            found.append((metric.name, cluster_mean(values[known], units, bounded=False, level=LEVEL, seed=0, missing=missing)))
        return found

    def answers(self, arm: str) -> int:
        """Return the number of an arm's measured answers."""
        return self._answers(arm).size

    def latencies(self, arm: str) -> npt.NDArray[np.float64]:
        """Return the latencies of an arm's measured answers in seconds, ascending."""
        values = self._values[_LATENCY, self._answers(arm)]
        return np.sort(values[~np.isnan(values)])

    def ended(self, arms: Sequence[str]) -> Ended:
        """Return when and how the trials ended that are read, with the places of their arms in ``arms``."""
        known = np.flatnonzero(~np.isnan(self._ended_s))
        places = np.array([*(arms.index(arm) for arm, _ in self.groups), _WARMUP])  # the last one is for group -1
        outcome = self._outcome[known]
        return Ended(
            sent_s=self._sent_s[known],
            ended_s=self._ended_s[known],
            latency_s=self._values[_LATENCY, known],
            arm=places[self._group[known]],
            answered=outcome == _CODES[Outcome.ANSWERED],
            rate_limited=self._limited[known],
            unreachable=outcome == _CODES[Outcome.UNREACHABLE],
        )

    def _answers(self, arm: str) -> npt.NDArray[np.intp]:
        groups = [code for code, (of_arm, _) in enumerate(self.groups) if of_arm == arm]
        return np.flatnonzero((self._outcome == _CODES[Outcome.ANSWERED]) & np.isin(self._group, groups))

    def _by_group(self, chosen: npt.NDArray[np.bool_]) -> Counts:
        groups = self._group[chosen & (self._group >= 0)]
        return np.bincount(groups, minlength=len(self.groups))
