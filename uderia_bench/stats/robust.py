"""A centre that outliers do not move: the trimmed mean with Yuen's interval."""

from __future__ import annotations

from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.inference import StudentTest

TRIMMED = 0.2  # from each end, as Wilcox, *Introduction to Robust Estimation and Hypothesis Testing* (2017), 3.3, recommends
FAR = 5.0  # a value this many robust standard deviations from the median is an outlier
_NORMAL = 1.4826  # the standard deviation of normal values is this many times their median absolute deviation


def trimmed_mean(values: Floats, *, level: float) -> Estimate:
    """Estimate the mean of at least 6 values without the largest and the smallest fifth.

    The interval is Student's with the winsorised variance (Tukey & McLaughlin, *Sankhya A* 25,
    1963; Yuen, *Biometrika* 61, 1974).
    """
    n = values.size
    cut = int(TRIMMED * n)
    left = n - 2 * cut
    ordered = np.sort(values)
    value = float(ordered[cut : n - cut].mean())
    winsorised = ordered.clip(ordered[cut], ordered[n - cut - 1])
    error = sqrt(float(winsorised.var(ddof=1)) * (n - 1) / (left * (left - 1)))
    test = StudentTest(value=value, error=error, freedom=left - 1, method="trimmed mean")
    return test.interval(level).about(value, level=level, n=n)


def has_outliers(values: Floats) -> bool:
    """Whether any value lies ``FAR`` from the median; False where more than half are equal."""
    away = np.abs(values - np.median(values))
    spread = _NORMAL * float(np.median(away))
    return spread > 0 and bool(away.max() > FAR * spread)
