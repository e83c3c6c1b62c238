"""The numbers of the arms and the course of a run, computed at most every few seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from uderia_bench.view.course import course
from uderia_bench.view.state import ArmState, CourseState, Number
from uderia_bench.view.tally import Tally

NUMBERS_S = 3.0  # least time between two computations
CURVE = 200  # latencies that draw a distribution
PERCENTILES = (50, 90, 95, 99)


class Numbers:
    """The numbers as they were computed last: ``arms`` in the order of the report, and the ``course``."""

    def __init__(self) -> None:
        self.arms: tuple[ArmState, ...] = ()
        self.course: CourseState | None = None
        self._computed_s = 0.0
        self._are_old = False
        self._were_behind = False

    def owed(self, *, behind: bool, running: bool) -> bool:
        """Whether the numbers are old, or time alone has made the course longer, as while a server is away.

        ``behind``: earlier trials are still to be read.
        """
        since_s = time.monotonic() - self._computed_s
        longer = running and self.course is not None and since_s >= self.course.width_s
        return self._due(behind=behind) and (self._are_old or longer)

    def refresh(
        self,
        tally: Tally,
        names: Sequence[str],
        in_flight: Sequence[datetime],
        *,
        behind: bool,
        running: bool,
        began_at: datetime,
        actions_at: Sequence[datetime],
    ) -> None:
        """Compute the numbers of the arms of these names, unless that was done a moment ago.

        ``in_flight`` are the times when the trials in flight were sent.
        """
        self._are_old = not self._due(behind=behind)
        if self._are_old:
            return
        self._computed_s, self._were_behind = time.monotonic(), behind
        self.arms = tuple(_of_arm(tally, name) for name in names)
        found = course(
            tally.ended(names),
            [sent_at.timestamp() for sent_at in in_flight],
            arms=names,
            began_s=began_at.timestamp(),
            now_s=time.time() if running else None,
        )
        self.course = None if found is None else replace(found, actions_at=tuple(actions_at))

    def _due(self, *, behind: bool) -> bool:
        """Whether to compute the numbers again: after some seconds, and at once when all earlier trials have been read."""
        caught_up = self._were_behind and not behind
        return caught_up or not self.arms or time.monotonic() - self._computed_s >= NUMBERS_S


def _of_arm(tally: Tally, name: str) -> ArmState:
    latencies = tally.latencies(name)
    ranks = np.unique(np.linspace(0, len(latencies) - 1, min(len(latencies), CURVE)).round().astype(int))
    return ArmState(
        arm=name,
        answered=tally.answers(name),
        numbers=tuple(Number(metric=m, value=e.value, lo=e.lo, hi=e.hi, n=e.n) for m, e in tally.estimates(name)),
        latency_percentiles={f"p{rank}": float(np.quantile(latencies, rank / 100)) for rank in PERCENTILES if latencies.size},
        latencies=tuple(latencies[ranks].tolist()) if latencies.size else (),
    )
