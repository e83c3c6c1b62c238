"""Dependence between trials of the same time window.

A provider that is slow for ten minutes slows every trial of those minutes. The arms take turns, so
one turn of one arm is hit and its neighbour is not: the difference between the arms is then shared
by all queries of the two turns. A test that only knows queries counts it once for each query.

Method: the variance of the mean has a part from the units and a part from the windows, and the part
that both contain is subtracted (Cameron, Gelbach & Miller, *J. Bus. Econ. Stat.* 29, 2011, 238-249;
Thompson, *J. Financ. Econ.* 99, 2011, 1-10). Student's t has one degree of freedom less than there
are units or windows, whichever are fewer.

The second test joins the first only where the windows differ from each other at ``DIFFER_BELOW`` (a
preliminary test; Bancroft, *Biometrics* 20, 1964, 427-442). This was simulated on 31 x 3, 100 x 5,
310 x 2 and 100 x 1 trials. With the second test in every run 3 % of true nulls are rejected without
drift, and 8 to 11 % of a power of 80 % is lost. Below .17 at most 4 % of it is lost, and with drift
as AR(1) of sd .10 about 6 to 7 % of true nulls are rejected. Below .25 that is half a point less, but
5 to 6 % of the power is lost. ``tests/calibration`` has the figures of the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from uderia_bench.stats.arrays import ROUNDING, Codes, Floats
from uderia_bench.stats.inference import StudentTest

DIFFER_BELOW = 0.17
FEWEST = 8  # windows: with fewer, their variance has so few degrees of freedom that a test of it has no power


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """The differences of single blocks (a query and repeat on both arms), with the unit and the time window of each.

    ``weights`` are each block's share of the mean: they add up to 1. ``units`` and ``windows`` are
    codes from 0.
    """

    differences: Floats
    weights: Floats
    units: Codes
    windows: Codes

    @property
    def n_windows(self) -> int:
        """The number of windows with a block."""
        return int(np.count_nonzero(np.bincount(self.windows)))


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTest:
    """The two-way t test of the mean, and ``differ_p``: the p of "no window differs from the others"."""

    test: StudentTest
    differ_p: float

    @property
    def needed(self) -> bool:
        """Whether the windows differ enough for the second test to count."""
        return self.differ_p < DIFFER_BELOW


def window_test(blocks: Blocks, value: float) -> WindowTest | None:
    """Test the mean ``value`` with both kinds of dependence; None below ``FEWEST`` windows, and without any spread."""
    if blocks.n_windows < FEWEST:
        return None
    shares = (blocks.differences - float((blocks.weights * blocks.differences).sum())) * blocks.weights
    of_units, units = _variance(shares, blocks.units)
    of_windows, windows = _variance(shares, blocks.windows)
    alone, n = _variance(shares, np.arange(shares.size))
    if windows >= n or units < 2 or alone <= (ROUNDING * float(np.abs(blocks.differences * blocks.weights).max())) ** 2:
        return None
    from scipy.special import fdtrc  # noqa: PLC0415 - scipy costs start-up time

    both = of_units + max(of_windows - alone, 0.0)
    return WindowTest(
        test=StudentTest(value=value, error=sqrt(both), freedom=min(units, windows) - 1, name="two-way t", method="two-way t"),
        differ_p=float(fdtrc(windows - 1, n - windows, of_windows / alone)),
    )


def _variance(shares: Floats, codes: Codes) -> tuple[float, int]:
    """Return the cluster-robust variance of a sum over clusters, and how many clusters there are."""
    sums = np.bincount(codes, weights=shares)
    clusters = int(np.count_nonzero(np.bincount(codes)))
    return float((sums**2).sum()) * clusters / max(clusters - 1, 1), clusters
