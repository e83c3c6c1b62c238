"""Throughput against what is in flight: the Universal Scalability Law, and the knee where more in flight only waits longer.

The law: ``X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))``, with the throughput ``lambda`` of one in flight, ``sigma``
for waiting in line and ``kappa`` for the cost of keeping each other up to date (Gunther, *Guerrilla Capacity Planning*, 2007,
4-5). The knee is where the straight line of the light load, ``lambda N``, meets the most that the server gives: the saturation
point of operational analysis (Denning & Buzen, *ACM Computing Surveys* 10, 1978; Lazowska et al., *Quantitative System
Performance*, 1984, 5); without ``kappa`` it is ``1 / sigma``, the optimal scalability of R's package ``usl``.

Why this and not Kneedle (Satopaa et al., 2011), which looks for the largest distance from a chord: a sweep has a handful of
levels, of which Kneedle can only name one, and on any concave curve it names one. The law uses all of them, its knee lies
between them, and where throughput grows in a straight line it lies at infinity, which is the answer.

Why a linear fit: ``N / X`` is linear in ``1 / lambda``, ``sigma / lambda`` and ``kappa / lambda``, none of them negative. By
Little's law it is the mean time in flight, which is known to about the same share at every level, so the shares are fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from uderia_bench.stats.arrays import Floats

FEWEST_LEVELS = 4  # three parameters and something left to contradict them, as Gunther's own fitting has it


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalabilityLaw:
    """The law, fitted. ``rate_of_one`` is lambda, ``contention`` sigma, ``coherency`` kappa; none is negative."""

    rate_of_one: float
    contention: float
    coherency: float

    def throughput(self, in_flight: float) -> float:
        """Return X at a load of at least 1."""
        more = in_flight - 1
        return self.rate_of_one * in_flight / (1 + self.contention * more + self.coherency * in_flight * more)

    @property
    def ceiling(self) -> float:
        """The most that the server gives at any load; infinite where nothing holds it back."""
        if self.coherency > 0:
            return self.throughput(max(sqrt(max(1 - self.contention, 0.0) / self.coherency), 1.0))
        return self.rate_of_one / self.contention if self.contention > 0 else inf

    @property
    def knee(self) -> float:
        """How many in flight would reach the ceiling if none waited for another; infinite where there is no ceiling."""
        return self.ceiling / self.rate_of_one


def fit(in_flight: Floats, throughput: Floats) -> ScalabilityLaw | None:
    """Fit the law to levels of a load, at least ``FEWEST_LEVELS`` of them, all values positive.

    None where the levels say nothing of a light load: all of them lie where the server is saturated.
    """
    from scipy.optimize import nnls  # noqa: PLC0415 - scipy costs start-up time

    more = in_flight - 1
    time_in_flight = in_flight / throughput
    shares = np.column_stack([np.ones_like(more), more, in_flight * more]) / time_in_flight[:, None]
    (alone, contention, coherency), _ = nnls(shares, np.ones_like(more))
    if alone <= 0:
        return None
    return ScalabilityLaw(
        rate_of_one=float(1 / alone), contention=float(contention / alone), coherency=float(coherency / alone)
    )
