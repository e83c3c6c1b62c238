"""Throughput against trials in flight: the Universal Scalability Law, and its knee.

The law is ``X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))``. ``lambda`` is the throughput of
one in flight, ``sigma`` the cost of waiting in line, and ``kappa`` the cost of keeping each other up to
date (Gunther, *Guerrilla Capacity Planning*, 2007, 4-5). The knee is where the straight line of the
light load, ``lambda N``, meets the highest throughput of the server. That is the saturation point of
operational analysis (Denning & Buzen, *ACM Computing Surveys* 10, 1978; Lazowska et al., *Quantitative
System Performance*, 1984, 5). Without ``kappa`` it is ``1 / sigma``, the optimal scalability of R's
package ``usl``.

A server with a fixed number of workers has a hard ceiling: ``X(N) = min(lambda N, limit)``. The law
bends before such a ceiling and puts its knee 13 % too high (13.6 for 12 workers). So both are fitted,
and the hard ceiling is taken where it leaves less than half of the squared error.

Kneedle (Satopaa et al., 2011) is no alternative: it can only name one of the levels, and on a concave
curve it always names one. The law uses all levels, its knee lies between them, and where throughput
grows in a straight line the knee is infinite.

The fit is linear: ``N / X`` is linear in ``1 / lambda``, ``sigma / lambda`` and ``kappa / lambda``, and
none of them is negative. By Little's law ``N / X`` is the mean time in flight. Its relative error is
about the same at every level, so relative errors are minimised.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from uderia_bench.stats.arrays import ROUNDING, Floats

FEWEST_LEVELS = 4  # three parameters and something left to contradict them, as Gunther's own fitting has it


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalabilityLaw:
    """The law, fitted. ``rate_of_one`` is lambda, ``contention`` sigma, ``coherency`` kappa; none is negative.

    ``limit`` is the hard ceiling, where the server has one; the other two are then 0.
    """

    rate_of_one: float
    contention: float
    coherency: float
    limit: float | None = None

    def throughput(self, in_flight: float) -> float:
        """Return X at a load of at least 1."""
        if self.limit is not None:
            return min(self.rate_of_one * in_flight, self.limit)
        more = in_flight - 1
        return self.rate_of_one * in_flight / (1 + self.contention * more + self.coherency * in_flight * more)

    @property
    def ceiling(self) -> float:
        """The highest throughput at any load; infinite where nothing limits it."""
        if self.limit is not None:
            return self.limit
        if self.coherency > 0:
            return self.throughput(max(sqrt(max(1 - self.contention, 0.0) / self.coherency), 1.0))
        return self.rate_of_one / self.contention if self.contention > 0 else inf

    @property
    def knee(self) -> float:
        """The number in flight that would reach the ceiling without any waiting; infinite without a ceiling."""
        return self.ceiling / self.rate_of_one


def fit(in_flight: Floats, throughput: Floats) -> ScalabilityLaw | None:
    """Fit the law to levels of a load, at least ``FEWEST_LEVELS`` of them, all values positive.

    None where the levels do not show a light load, because the server is saturated at all of them.
    """
    return fit_each(in_flight, throughput[np.newaxis])[0]


def fit_each(in_flight: Floats, throughputs: Floats) -> list[ScalabilityLaw | None]:
    """Fit the law to every row of throughputs at the same levels."""
    from scipy.optimize import nnls  # noqa: PLC0415 - scipy costs start-up time

    more = in_flight - 1
    ones = np.ones_like(more)
    terms = np.column_stack([ones, more, in_flight * more]) / in_flight[:, None]
    laws: list[ScalabilityLaw | None] = []
    for throughput, hard, hard_error in zip(throughputs, *_hard_ceilings(in_flight, throughputs), strict=True):
        (alone, contention, coherency), error = nnls(terms * throughput[:, None], ones)
        if alone <= 0:
            laws.append(None)
        elif hard_error < error**2 / 2 and error**2 > ROUNDING:
            rate, limit = hard.tolist()
            laws.append(ScalabilityLaw(rate_of_one=rate, contention=0.0, coherency=0.0, limit=limit))
        else:
            shares = float(contention / alone), float(coherency / alone)
            laws.append(ScalabilityLaw(rate_of_one=float(1 / alone), contention=shares[0], coherency=shares[1]))
    return laws


def _hard_ceilings(in_flight: Floats, throughputs: Floats) -> tuple[Floats, Floats]:
    """Fit a hard ceiling to every row.

    Returns the rate of one and the limit of each, and the sums of squared relative errors of the time
    in flight. The levels below the ceiling have one time in flight, those above one throughput: each
    number of levels below is tried. At least two levels lie on either side, so that noise of one is no
    ceiling.
    """
    order = np.argsort(in_flight)
    load, rate = in_flight[order], throughputs[:, order]
    speed = rate / load  # 1 / time in flight
    best, errors = np.empty((len(rate), 2)), np.full(len(rate), inf)
    for below in range(2, load.size - 1):
        alone = speed[:, :below].sum(axis=1) / (speed[:, :below] ** 2).sum(axis=1)
        per_answer = rate[:, below:].sum(axis=1) / (rate[:, below:] ** 2).sum(axis=1)
        times = np.maximum(alone[:, None], load * per_answer[:, None])
        error = ((times * speed - 1) ** 2).sum(axis=1)
        better = error < errors
        best[better] = 1 / np.column_stack([alone, per_answer])[better]
        errors = np.minimum(errors, error)
    return best, errors
