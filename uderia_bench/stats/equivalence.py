"""Equivalence: a difference shown to be smaller than a margin, which is not the same as no difference shown.

Two one-sided tests at alpha each (Schuirmann, *J. Pharmacokin. Biopharm.* 15, 1987): equivalent when the 1 - 2 alpha
interval lies inside the margin, so a 95 % analysis reads the 90 % interval.
"""

from __future__ import annotations

from math import sqrt

from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.estimate import Interval


def equivalence_level(confidence: float) -> float:
    """Return the level of the interval that two one-sided tests at ``1 - confidence`` correspond to."""
    return 2 * confidence - 1


def lies_inside(interval: Interval, low: float, high: float) -> bool:
    """Whether the interval exists on both sides and lies strictly inside the margin."""
    return interval.lo is not None and interval.hi is not None and low < interval.lo and interval.hi < high


def tost_p(values: Floats, *, low: float, high: float) -> float:
    """Test "the mean lies outside ``low``..``high``": the larger p of two one-sided t tests (2 values or more, with spread)."""
    from scipy.special import stdtr  # noqa: PLC0415 - scipy costs start-up time

    error = float(values.std(ddof=1)) / sqrt(values.size)
    mean = float(values.mean())
    return max(float(stdtr(values.size - 1, -(mean - low) / error)), float(stdtr(values.size - 1, (mean - high) / error)))
