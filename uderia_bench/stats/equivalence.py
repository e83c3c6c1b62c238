"""Equivalence: a difference shown to be smaller than a margin, which is not the same as no difference shown.

Two one-sided tests at alpha each (Schuirmann, *J. Pharmacokin. Biopharm.* 15, 1987): equivalent when the 1 - 2 alpha
interval lies inside the margin, so a 95 % analysis reads the 90 % interval.
"""

from __future__ import annotations

from math import sqrt

from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.student import t_interval


def equivalence_level(confidence: float) -> float:
    """Return the level of the interval that two one-sided tests at ``1 - confidence`` correspond to."""
    return 2 * confidence - 1


def lies_inside(interval: Interval, low: float, high: float) -> bool:
    """Whether the interval exists on both sides and lies strictly inside the margin."""
    return interval.lo is not None and interval.hi is not None and low < interval.lo and interval.hi < high


def within_share(baseline: Floats, candidate: Floats, share: float, *, confidence: float) -> bool:
    """Whether the candidate's mean surely lies within ± ``share`` of the baseline's, which is a mean of the same units.

    A margin that is a share of what was seen is itself uncertain: so each end is tested on the differences from the scaled
    baseline, unit by unit (Sasabuchi's test; Berger & Hsu, *Stat. Sci.* 11, 1996, 4.2). Taking the margin for known declares
    6 to 7 % of true differences of that size equivalent (``tests/calibration``). At least 2 units.
    """
    ends = [t_interval(candidate - (1 + sign * share) * baseline, level=equivalence_level(confidence)) for sign in (-1, 1)]
    low, high = ends[0].lo, ends[1].hi
    return low is not None and high is not None and low > 0 > high


def tost_p(values: Floats, *, low: float, high: float) -> float:
    """Test "the mean lies outside ``low``..``high``": the larger p of two one-sided t tests (2 values or more, with spread)."""
    from scipy.special import stdtr  # noqa: PLC0415 - scipy costs start-up time

    error = float(values.std(ddof=1)) / sqrt(values.size)
    mean = float(values.mean())
    return max(float(stdtr(values.size - 1, -(mean - low) / error)), float(stdtr(values.size - 1, (mean - high) / error)))
