"""The calibration itself: draw, measure by the very functions that the analysis uses, count how often they are wrong.

Vectorised over replications: means and sign flips of many replications are columns of one product. Two thousand resamples stand
for the ten thousand of an analysis, and every batch has draws of its own, so that their noise averages out.
"""

from dataclasses import dataclass

import numpy as np
from calibration.designs import INTERACTION, WITHIN, log_times
from scipy.stats import mannwhitneyu

from uderia_bench.stats.bootstrap import studentised_means
from uderia_bench.stats.difference import difference_interval
from uderia_bench.stats.equivalence import equivalence_level, lies_inside, within_share
from uderia_bench.stats.multiplicity import holm
from uderia_bench.stats.permutation import sign_flip_ps
from uderia_bench.stats.proportion import mcnemar_p, newcombe_paired
from uderia_bench.stats.sequential import stops
from uderia_bench.stats.student import t_p

CONFIDENCE = 0.95
DRAWS = 1_999
BATCH = 250  # replications that share their draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of replications; ``refused`` had no interval, which counts neither for nor against coverage."""

    rejected: float
    covered: float
    refused: float
    equivalent: float


def measure(design, rng, *, replications, queries, effect, truth, margin):
    """Draw ``replications`` comparisons and return how often each thing happened.

    ``truth`` is the difference of means that ``effect`` makes, ``margin`` bounds equivalence on the same scale (of an amount:
    as a share of the baseline's mean, as it is seen).
    """
    counts = np.zeros(4)
    for start in range(0, replications, BATCH):
        size = min(BATCH, replications - start)
        first, second = design.draw(rng, size, queries, effect)
        for at in _of_equal_size(first, second):
            counts += counted(design, first[at], second[at], truth, margin, seed=int(rng.integers(2**31)))
    rejected, covered, refused, equivalent = counts
    return Rates(
        rejected=rejected / replications,
        covered=covered / max(replications - refused, 1),
        refused=refused / replications,
        equivalent=equivalent / replications,
    )


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


def counted(design, first, second, truth, margin, *, seed):
    """Count rejections, intervals that cover, refusals and equivalence among replications of equally many queries."""
    complete = _complete(first, second)
    sides = [side[complete].reshape(len(side), -1, side.shape[2]) for side in (first, second)]
    averages = [means(np.log(side) if design.kind == "ratio" else side) for side in sides]
    differences = np.ascontiguousarray((averages[1] - averages[0]).T)
    if design.kind == "binary":
        p = [mcnemar_p(b, a) for a, b in zip(*averages, strict=True)]
        bounds = [lambda level, a=a, b=b: newcombe_paired(b, a, level=level) for a, b in zip(*averages, strict=True)]
    else:
        p = sign_flip_ps(differences, seed=seed, draws=DRAWS)
        studied = studentised_means(differences, seed=seed, draws=DRAWS)
        bounds = [
            difference_interval(d, bounded=design.kind == "rate", studied=lambda one=one: one)
            for d, one in zip(differences.T, studied, strict=True)
        ]
    covered = refused = equivalent = 0
    for at, bound in enumerate(bounds):
        interval = bound(CONFIDENCE)
        refused += interval.lo is None
        covered += interval.lo is not None and interval.lo <= truth <= interval.hi
        limit = margin * averages[0][at].mean() if design.kind == "amount" else margin
        inside = lies_inside(bound(equivalence_level(CONFIDENCE)), -limit, limit)
        equivalent += inside and (
            design.kind != "amount" or within_share(averages[0][at], averages[1][at], margin, confidence=CONFIDENCE)
        )
    return np.array([np.count_nonzero(np.asarray(p) < 1 - CONFIDENCE), covered, refused, equivalent])


def family_wise(rng, *, replications, queries=100, metrics=15, repeats=5):
    """Return how often Holm over ``metrics`` alike and correlated (time, tokens, cost of one trial are) has a false alarm."""
    alarms = 0
    for start in range(0, replications, BATCH):
        size = min(BATCH, replications - start)
        spread = np.sqrt(INTERACTION**2 + 2 * WITHIN**2 / repeats)
        shared = rng.normal(0, spread * np.sqrt(0.5), (queries, size, 1))
        own = rng.normal(0, spread * np.sqrt(0.5), (queries, size, metrics))
        p = sign_flip_ps((shared + own).reshape(queries, -1), seed=int(rng.integers(2**31)), draws=DRAWS)
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
            p = t_p(d)
            if stops(p, look=look, looks=looks, alpha=1 - CONFIDENCE):
                stopped += 1
                saved += 1 - look / looks
                break
        whole = t_p((second[0] - first[0]).mean(axis=1))
        fixed += whole < 1 - CONFIDENCE
    return {"crossed": stopped / replications, "fixed": fixed / replications, "saved": saved / replications}


def at_ten_per_cent_less(rng, *, replications, queries=100, repeats=5):
    """Return the power at a true -10 % of the default method, and of a Mann-Whitney test that pools all trials."""
    ours = pooled = 0
    for start in range(0, replications, BATCH):
        size = min(BATCH, replications - start)
        first, second = log_times(rng, size, queries, float(np.log(0.9)), repeats=repeats)
        d = (second.mean(axis=2) - first.mean(axis=2)).T
        ours += np.count_nonzero(
            sign_flip_ps(np.ascontiguousarray(d), seed=int(rng.integers(2**31)), draws=DRAWS) < 1 - CONFIDENCE
        )
        flat = [side.reshape(size, -1) for side in (first, second)]
        pooled += np.count_nonzero(mannwhitneyu(*flat, axis=1).pvalue < 1 - CONFIDENCE)
    return {"paired sign-flip": ours / replications, "pooled Mann-Whitney": pooled / replications}
