"""The calibration of ideal trials: draw, measure with the functions of the analysis, count the errors.

Two thousand drawn sign patterns stand for the ten thousand of an analysis. Every batch has its own
draws, so their noise averages out. ``conditions`` has trials that are not ideal.
"""

from dataclasses import dataclass

import numpy as np
from calibration.designs import INTERACTION, WITHIN, log_times
from scipy.stats import mannwhitneyu

from uderia_bench.stats.difference import mean_test, student_test
from uderia_bench.stats.equivalence import skewed_p, within_share_p
from uderia_bench.stats.inference import equivalence_p, two_sided_p
from uderia_bench.stats.looks import OBRIEN_FLEMING, equal_shares
from uderia_bench.stats.multiplicity import holm
from uderia_bench.stats.permutation import DIFFERING_FLOOR, MID_P_FLOOR, differing
from uderia_bench.stats.sequential import Repeated
from uderia_bench.stats.sparse import TWO_ADDED

CONFIDENCE = 0.95
DRAWS = 1_999
BATCH = 250  # replications that share their draws
MOST = 8  # times the replications asked for, where fewer than half of those can be decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of ``drawn`` replications, or of those that say so.

    ``undecidable`` is the share in which too few queries differed for a test. ``rejected`` is the share with a
    low p among the ``decidable`` many others, and ``power`` the share with a low p among all. ``covered`` is
    the share of intervals that held the truth. ``bounded`` is that share among the bounds given in place of
    an interval, and ``by_bound`` the share of all that had such a bound. ``bare`` is the share with neither.
    A share is None where its denominator is 0.
    """

    drawn: int
    decidable: int
    undecidable: float
    rejected: float | None
    covered: float | None
    bounded: float | None
    by_bound: float
    bare: float
    power: float
    equivalent: float


def measure(design, rng, *, replications, queries, effect, truth, margin):
    """Draw ``replications`` comparisons, or more where few can be decided, and return how often each thing happened.

    ``truth`` is the difference of means that ``effect`` makes, ``margin`` bounds equivalence on the same scale (of an amount:
    as a share of the baseline's mean, as it is seen).
    """
    seen, drawn, decidable = [], 0, []
    while drawn < replications or (len(decidable) < replications / 2 and drawn < MOST * replications):
        size = min(BATCH, replications)
        first, second = design.draw(rng, size, queries, effect)
        drawn += size
        for at in _of_equal_size(first, second):
            seen.extend(judged(design, first[at], second[at], truth, margin, seed=int(rng.integers(2**31))))
        decidable = [one for one in seen if one.decidable]
    return Rates(
        drawn=drawn,
        decidable=len(decidable),
        undecidable=1 - len(decidable) / drawn,
        rejected=share(one.rejected for one in decidable),
        covered=share(one.covered for one in seen if one.covered is not None and not one.bound),
        bounded=share(one.covered for one in seen if one.bound),
        by_bound=sum(one.bound for one in seen) / drawn,
        bare=1 - sum(one.covered is not None for one in seen) / drawn,
        power=sum(one.rejected for one in seen) / drawn,
        equivalent=sum(one.equivalent for one in seen) / drawn,
    )


def share(truths):
    """Return the share that is true; None of none."""
    truths = list(truths)
    return sum(truths) / len(truths) if truths else None


def means(side):
    """Return the means over repeats that are there: NaN where none is."""
    present = np.isfinite(side)
    return np.where(present, side, 0.0).sum(axis=2) / present.sum(axis=2)


def _complete(first, second):
    return np.isfinite(first).any(axis=2) & np.isfinite(second).any(axis=2)


def _of_equal_size(first, second):
    """Yield the replications that have as many complete queries as each other, which is what may share draws."""
    sizes = _complete(first, second).sum(axis=1)
    for size in np.unique(sizes[sizes > 1]):
        yield np.flatnonzero(sizes == size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """The result of one replication.

    ``covered`` is None where there was no interval. ``bound`` is true where a bound replaced the interval.
    """

    decidable: bool
    rejected: bool
    covered: bool | None
    bound: bool
    equivalent: bool


def judged(design, first, second, truth, margin, *, seed):
    """Yield what replications of equally many queries come to."""
    complete = _complete(first, second)
    sides = [side[complete].reshape(len(side), -1, side.shape[2]) for side in (first, second)]
    averages = [means(np.log(side) if design.kind == "ratio" else side) for side in sides]
    differences = np.ascontiguousarray((averages[1] - averages[0]).T)
    rate = design.kind in {"rate", "binary"}
    floor = MID_P_FLOOR if rate else DIFFERING_FLOOR
    for at, d in enumerate(differences.T):
        test = mean_test(d, bounded=rate, may_be_0=design.kind == "amount", seed=seed, draws=DRAWS)
        interval = test.interval(CONFIDENCE)
        sides_at = averages[0][at], averages[1][at]
        limit = margin * min(abs(side.mean()) for side in sides_at) if design.kind == "amount" else margin
        outside = 1.0 if interval.lo is None else equivalence_p(test, -limit, limit)
        if design.kind == "amount" and outside < 1 - CONFIDENCE:
            outside = max(outside, within_share_p(*sides_at, margin, seed=seed))
        if design.kind == "ratio":
            outside = max(outside, skewed_p(d, limit))
        yield Replication(
            decidable=differing(d) >= floor,
            rejected=two_sided_p(test) < 1 - CONFIDENCE,
            covered=None if interval.lo is None else interval.lo <= truth <= interval.hi,
            bound=interval.method == TWO_ADDED,
            equivalent=outside < 1 - CONFIDENCE,
        )


def flips_p(differences, *, seed):
    """Return the p of the sign-flip test of a column each."""
    return np.array([two_sided_p(mean_test(d, bounded=False, may_be_0=False, seed=seed, draws=DRAWS)) for d in differences.T])


def family_wise(rng, *, replications, queries=100, metrics=15, repeats=5):
    """Return how often Holm over ``metrics`` alike and correlated (time, tokens, cost of one trial are) has a false alarm."""
    alarms = 0
    for start in range(0, replications, BATCH):
        size = min(BATCH, replications - start)
        spread = np.sqrt(INTERACTION**2 + 2 * WITHIN**2 / repeats)
        shared = rng.normal(0, spread * np.sqrt(0.5), (queries, size, 1))
        own = rng.normal(0, spread * np.sqrt(0.5), (queries, size, metrics))
        p = flips_p((shared + own).reshape(queries, -1), seed=int(rng.integers(2**31)))
        alarms += sum(min(holm(row)) < 1 - CONFIDENCE for row in p.reshape(size, metrics).tolist())
    return alarms / replications


def early_stopping(rng, *, replications, effect, queries=100, repeats=5, looks=5):
    """Return how often looks declared in advance stop or end significant, how often a fixed end is, and trials saved.

    Blocks (a query and a repetition on both arms) come as planned, repetition after repetition; a look has its share of them.
    """
    stopped = fixed = saved = 0
    for _ in range(replications):
        first, second = log_times(rng, 1, queries, effect, repeats=repeats)
        order = np.concatenate([rng.permutation(queries) * repeats + repeat for repeat in range(repeats)])
        for look in range(1, looks + 1):
            asked = np.zeros(queries * repeats, dtype=bool)
            asked[order[: len(order) * look // looks]] = True
            cell = asked.reshape(queries, repeats)
            present = cell.any(axis=1)
            d = np.where(cell, second[0] - first[0], 0).sum(axis=1)[present] / cell.sum(axis=1)[present]
            at = Repeated(test=student_test(d), look=look, shares=equal_shares(looks), shape=OBRIEN_FLEMING)
            if two_sided_p(at) < 1 - CONFIDENCE:
                stopped += 1
                saved += 1 - look / looks
                break
        whole = two_sided_p(student_test((second[0] - first[0]).mean(axis=1)))
        fixed += whole < 1 - CONFIDENCE
    return {"crossed": stopped / replications, "fixed": fixed / replications, "saved": saved / replications}


def at_ten_per_cent_less(rng, *, replications, queries=100, repeats=5):
    """Return the power at a true -10 % of the default method, and of a Mann-Whitney test that pools all trials."""
    ours = pooled = 0
    for start in range(0, replications, BATCH):
        size = min(BATCH, replications - start)
        first, second = log_times(rng, size, queries, float(np.log(0.9)), repeats=repeats)
        d = (second.mean(axis=2) - first.mean(axis=2)).T
        ours += np.count_nonzero(flips_p(d, seed=int(rng.integers(2**31))) < 1 - CONFIDENCE)
        flat = [side.reshape(size, -1) for side in (first, second)]
        pooled += np.count_nonzero(mannwhitneyu(*flat, axis=1).pvalue < 1 - CONFIDENCE)
    return {"paired sign-flip": ours / replications, "pooled Mann-Whitney": pooled / replications}
