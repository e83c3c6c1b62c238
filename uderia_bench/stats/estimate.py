"""Values of an estimate: a number with its interval, its n, the count of missing values and its warnings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A centre with an interval at ``level``; an interval that does not exist is None on the side that is missing.

    ``n`` is the number of independent observations (queries where repeats are clustered), ``missing`` how many
    observations have no value. ``method`` names the interval. ``value`` is None only where nothing was observed.
    """

    value: float | None
    lo: float | None
    hi: float | None
    level: float
    n: int
    missing: int = 0
    method: str = ""
    warnings: tuple[str, ...] = ()

    def mapped(self, scale: Callable[[float], float]) -> Estimate:
        """Put the centre and both ends on another ascending scale, such as from logs to ratios."""
        value, lo, hi = (None if end is None else scale(end) for end in (self.value, self.lo, self.hi))
        return replace(self, value=value, lo=lo, hi=hi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The size of a difference between two arms.

    ``kind`` is ``ratio`` (candidate / baseline) or ``difference`` (candidate - baseline).
    """

    kind: str
    value: float | None
    lo: float | None
    hi: float | None
    level: float
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Two ends and the name of the method that made them; None where the data cannot support an end at the level asked for.

    ``because`` is the reason of a missing or doubtful interval, as a report shows it.
    """

    lo: float | None
    hi: float | None
    method: str
    because: str = ""

    @classmethod
    def none(cls, because: str) -> Interval:
        """Return the interval that does not exist, and why."""
        return cls(lo=None, hi=None, method="none", because=because)

    def within(self, low: float, high: float) -> Interval:
        """Cut the interval off at the ends of the scale."""
        lo, hi = None if self.lo is None else max(self.lo, low), None if self.hi is None else min(self.hi, high)
        return replace(self, lo=lo, hi=hi)

    def about(self, value: float | None, *, level: float, n: int, missing: int = 0) -> Estimate:
        """Return the estimate of ``value`` that has this interval at ``level``."""
        warnings = (self.because,) if self.because else ()
        return Estimate(
            value=value, lo=self.lo, hi=self.hi, level=level, n=n, missing=missing, method=self.method, warnings=warnings
        )
