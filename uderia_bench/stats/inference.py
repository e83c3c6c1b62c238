"""One test of a mean gives its p-value, its interval and its equivalence test.

So the three never disagree. The interval at 95 % holds exactly the means that the test does not
reject at 5 %. Equivalence is two one-sided tests of the same kind (Schuirmann, *J. Pharmacokin.
Biopharm.* 15, 1987). ``difference`` picks the test for a set of differences.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from uderia_bench.stats.estimate import Interval


class MeanTest(Protocol):
    """A test that can be asked about any supposed mean."""

    @property
    def name(self) -> str:
        """The name of the test, as a report prints it."""

    def tails(self, mean: float) -> tuple[float, float]:
        """Return the one-sided p of "the true mean is at most ``mean``" and of "it is at least ``mean``".

        The first is small where the data lie above, the second where they lie below.
        """

    def interval(self, level: float) -> Interval:
        """Return the means that the two-sided test does not reject at ``1 - level``."""


def two_sided_p(test: MeanTest, mean: float = 0.0) -> float:
    """Return the two-sided p of "the true mean is ``mean``": twice the smaller one-sided p."""
    return min(1.0, 2 * min(test.tails(mean)))


def equivalence_p(test: MeanTest, low: float, high: float) -> float:
    """Return the p of "the true mean lies outside ``low``..``high``": the larger of two one-sided p-values."""
    return max(test.tails(low)[0], test.tails(high)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentTest:
    """Student's t test of a mean with a known standard error and degrees of freedom."""

    value: float
    error: float
    freedom: float
    name: str = "paired t"
    method: str = "t"

    def tails(self, mean: float) -> tuple[float, float]:
        """See ``MeanTest``."""
        from scipy.special import stdtr  # noqa: PLC0415 - scipy costs start-up time

        above = self.value - mean
        if self.error == 0:
            return (0.5, 0.5) if above == 0 else (float(above < 0), float(above > 0))
        return float(stdtr(self.freedom, -above / self.error)), float(stdtr(self.freedom, above / self.error))

    def interval(self, level: float) -> Interval:
        """See ``MeanTest``."""
        from scipy.special import stdtrit  # noqa: PLC0415 - scipy costs start-up time

        half = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return Interval(lo=self.value - half, hi=self.value + half, method=self.method)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictestTest:
    """Several tests of the same mean: the largest p counts, so the interval is the union of theirs.

    All of their intervals hold the estimate, so the union has no gap.
    """

    tests: tuple[MeanTest, ...]

    @property
    def name(self) -> str:
        """See ``MeanTest``."""
        return ", ".join(test.name for test in self.tests)

    def tails(self, mean: float) -> tuple[float, float]:
        """See ``MeanTest``."""
        above, below = zip(*(test.tails(mean) for test in self.tests), strict=True)
        return max(above), max(below)

    def interval(self, level: float) -> Interval:
        """See ``MeanTest``. A test without an interval leaves none."""
        found = [test.interval(level) for test in self.tests]
        for one in found:
            if one.lo is None or one.hi is None:
                return one
        widest = max(found, key=lambda one: (one.hi or 0.0) - (one.lo or 0.0))
        return replace(
            widest,
            lo=min(inf if one.lo is None else one.lo for one in found),
            hi=max(-inf if one.hi is None else one.hi for one in found),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WithNote:
    """A test whose interval carries a note, or, with ``bare``, is withheld for the reason given. ``ends`` are the scale's."""

    test: MeanTest
    because: str = ""
    bare: bool = False
    ends: tuple[float, float] = (-inf, inf)

    @property
    def name(self) -> str:
        """See ``MeanTest``."""
        return self.test.name

    def tails(self, mean: float) -> tuple[float, float]:
        """See ``MeanTest``."""
        return self.test.tails(mean)

    def interval(self, level: float) -> Interval:
        """See ``MeanTest``."""
        if self.bare:
            return Interval.none(self.because)
        found = self.test.interval(level).within(*self.ends)
        return replace(found, because=self.because or found.because)
