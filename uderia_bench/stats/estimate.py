"""Values of an estimate: a number with its interval, its n, the count of missing values and its warnings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A centre with an interval at ``level``; an interval that does not exist is None on the side that is missing.

    ``n`` is the number of independent observations (queries where repeats are clustered), ``missing`` how many
    observations it does not speak for. ``method`` names the interval. ``value`` is None only where nothing was observed.
    """

    value: float | None
    lo: float | None
    hi: float | None
    level: float
    n: int
    missing: int = 0
    method: str = ""
    warnings: tuple[str, ...] = ()


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

    ``because`` says, to a reader, why there are none, or why not to lean on them.
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
        return Interval(
            lo=None if self.lo is None else max(self.lo, low),
            hi=None if self.hi is None else min(self.hi, high),
            method=self.method,
            because=self.because,
        )
