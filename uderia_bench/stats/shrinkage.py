"""Many effects at once, shrunk towards their mean (empirical Bayes), with a false discovery rate.

The largest of many noisy effects is large partly by chance: of 100 queries asked five times, the worst
five look 63 % slower where the truth is 21 %. The model: a true effect is normal around the corpus's
mean, and what is seen is normal around the true effect. The variance between effects is Paule and
Mandel's (*J. Res. NBS* 87, 1982, 377-385). An interval includes the uncertainty of both of its
parameters (Morris, *JASA* 78, 1983, 47-55).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uderia_bench.stats.arrays import Floats, Mask

FEWEST = 8  # effects: the spread of fewer cannot be told from their noise
_CERTAIN = 1e-9  # of the largest variance: an effect without noise counts as if it had this much


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shrunken:
    """Effects after shrinking, in the order given.

    ``mean`` and ``between`` are the mean and the variance of the true effects. ``false_sign`` is the
    probability that an effect does not have the sign of its value.
    """

    mean: float
    between: float
    values: Floats
    lo: Floats
    hi: Floats
    false_sign: Floats

    def changed(self, rate: float) -> Mask:
        """Return which effects are not 0, with at most this rate of wrong ones among them on average.

        The rate is the mean of their probabilities of a false sign (Stephens, *Biostatistics* 18, 2017, 275-294).
        """
        order = np.argsort(self.false_sign, kind="stable")
        running = self.false_sign[order].cumsum() / np.arange(1, order.size + 1)
        found = np.zeros(order.size, dtype=np.bool_)
        found[order[: int(np.count_nonzero(running <= rate))]] = True
        return found


def shrink(effects: Floats, variances: Floats, *, level: float) -> Shrunken:
    """Shrink ``effects`` (at least ``FEWEST``) whose noise has these ``variances``; intervals are at ``level``."""
    from scipy.special import ndtr, ndtri  # noqa: PLC0415 - scipy costs start-up time

    between = _between(effects, variances)
    total = np.maximum(between + variances, _CERTAIN * max(between + float(variances.max()), np.finfo(np.float64).tiny))
    mean = float(np.average(effects, weights=total.max() / total))
    n = effects.size
    # Morris's factor keeps the shrinking from being overconfident where few effects tell the variance.
    factor = (n - 3) / (n - 1) * variances / total
    values = effects - factor * (effects - mean)
    spread = variances * (1 - factor * (1 - 1 / n)) + 2 / (n - 3) * (factor * (effects - mean)) ** 2
    error = np.sqrt(np.maximum(spread, 0.0))
    half = float(ndtri((1 + level) / 2)) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(error > 0, np.abs(values) / error, np.where(values == 0, 0.0, np.inf))
    return Shrunken(mean=mean, between=between, values=values, lo=values - half, hi=values + half, false_sign=ndtr(-distance))


def _between(effects: Floats, variances: Floats) -> float:
    """Return the variance between true effects: the one at which the weighted squares are what is expected."""
    from scipy.optimize import brentq  # noqa: PLC0415 - scipy costs start-up time

    def excess(between: float) -> float:
        weights = 1 / (between + variances)
        mean = np.average(effects, weights=weights)
        return float((weights * (effects - mean) ** 2).sum()) - (effects.size - 1)

    floor = np.finfo(np.float64).tiny
    if np.all(variances <= floor):
        return float(effects.var(ddof=1))
    variances = np.maximum(variances, floor)
    if excess(0.0) <= 0:
        return 0.0
    high = float(effects.var(ddof=1)) or 1.0
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-12 * high))
