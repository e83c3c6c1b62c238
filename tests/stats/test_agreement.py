"""Kappa, alpha, Bradley-Terry and prediction-powered inference against independent implementations and by hand."""

from __future__ import annotations

import choix
import krippendorff
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import cohen_kappa_score

from uderia_bench.stats import agreement, bradley_terry, ppi

SEED = 7


def ratings(rng, *, raters=2, items=60, categories=3, missing=0.1):
    """Return ratings that mostly agree, with some missing, and a cluster for every two items."""
    truth = rng.integers(categories, size=items)
    noise = rng.integers(categories, size=(raters, items))
    found = np.where(rng.random((raters, items)) < 0.6, truth, noise)
    found[rng.random((raters, items)) < missing] = agreement.MISSING
    return found, np.arange(items) // 2


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed):
    """To 1e-9, over the items that both have rated."""
    (first, second), clusters = ratings(np.random.default_rng(seed))
    both = (first >= 0) & (second >= 0)
    found = agreement.kappa(first, second, clusters, categories=3, level=0.95, seed=SEED)
    assert found.value == pytest.approx(cohen_kappa_score(first[both], second[both]), abs=1e-9)
    assert found.lo < found.value < found.hi
    assert found.missing == int((~both).sum())


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_krippendorff(seed):
    """To 1e-9, with any number of raters and missing ratings."""
    found, clusters = ratings(np.random.default_rng(seed), raters=2 + seed, missing=0.3)
    theirs = krippendorff.alpha(np.where(found < 0, np.nan, found).astype(float), level_of_measurement="nominal")
    ours = agreement.alpha(found, clusters, categories=3, level=0.95, seed=SEED)
    assert ours.value == pytest.approx(theirs, abs=1e-9)
    assert ours.lo < ours.value < ours.hi


def test_alpha_of_a_published_example():
    """Krippendorff's own data with four coders: nominal alpha is 0.743 (*Computing Krippendorff's Alpha*, 2011)."""
    n = np.nan
    data = np.array([
        [1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
        [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n],
    ])  # fmt: skip
    codes = np.where(np.isnan(data), agreement.MISSING, np.nan_to_num(data) - 1).astype(np.intp)
    found = agreement.alpha(codes, np.arange(12), categories=5, level=0.95, seed=SEED)
    assert found.value == pytest.approx(0.743, abs=0.0005)


@pytest.mark.parametrize(
    ("second", "value"),
    [([0, 1] * 6, 1.0), ([0] * 12, 0.0)],  # both agree throughout; the second gives one answer throughout
)
def test_agreement_without_variation_has_no_interval(second, value):
    """All resamples have the same value, and 12 items do not make kappa certain."""
    first, clusters = np.array([0, 1] * 6), np.arange(12)
    found = agreement.kappa(first, np.array(second), clusters, categories=3, level=0.95, seed=SEED)
    assert (found.value, found.lo, found.hi) == (value, None, None)
    assert found.warnings == ("no interval: the 12 queries are too much alike, so every resample of them has the same value",)


def test_raters_of_one_category_have_no_kappa():
    """Chance explains all of it. Without any common item there is nothing to say."""
    ones = np.zeros(20, dtype=np.intp)
    found = agreement.kappa(ones, ones, np.arange(20), categories=2, level=0.95, seed=SEED)
    assert (found.value, found.lo, found.warnings) == (None, None, ("only one category occurs",))
    unlabelled = agreement.alpha(np.full((2, 5), agreement.MISSING), np.arange(5), categories=2, level=0.95, seed=SEED)
    assert (unlabelled.value, unlabelled.n, unlabelled.missing) == (None, 0, 5)


def test_an_interval_counts_queries_and_not_ratings():
    """The same ratings four times per query narrow nothing."""
    (first, second), _ = ratings(np.random.default_rng(1), items=40, missing=0.0)
    once = agreement.kappa(first, second, np.arange(40), categories=3, level=0.95, seed=SEED)
    often = agreement.kappa(
        np.tile(first, 4), np.tile(second, 4), np.tile(np.arange(40), 4), categories=3, level=0.95, seed=SEED
    )
    assert often.hi - often.lo == pytest.approx(once.hi - once.lo, rel=1e-9)
    few = agreement.kappa(first[:5], second[:5], np.arange(5), categories=3, level=0.95, seed=SEED)
    assert (few.lo, few.warnings) == (None, ("an interval needs 6 queries; this has 5",))


def comparisons(rng, strengths, count):
    """Return who won in random comparisons."""
    first = rng.integers(len(strengths), size=count)
    second = (first + rng.integers(1, len(strengths), size=count)) % len(strengths)
    won = rng.random(count) < 1 / (1 + np.exp(strengths[first] - strengths[second]))
    return first, second, won.astype(float)


@pytest.mark.parametrize("arms", [3, 5])
def test_strengths_are_those_of_choix(arms):
    """To 1e-6, without regularisation."""
    rng = np.random.default_rng(arms)
    first, second, won = comparisons(rng, np.linspace(0, 1, arms), 400)
    found = bradley_terry.strengths(first, second, won, np.arange(400) // 4, arms=arms, level=0.95)
    data = [(int(b), int(a)) if w else (int(a), int(b)) for a, b, w in zip(first, second, won, strict=True)]
    theirs = choix.opt_pairwise(arms, data, alpha=0.0, tol=1e-12)
    assert [each.value for each in found.estimates] == pytest.approx(theirs - np.mean(theirs), abs=1e-6)
    assert all(each.lo < each.value < each.hi for each in found.estimates)


def test_clustered_errors_are_those_of_a_sandwich_by_hand():
    """Two arms: the strength is half the log-odds of winning, its error that of the clustered mean by the delta method."""
    rng = np.random.default_rng(3)
    cluster = np.arange(120) // 3
    won = (rng.random(120) < 0.4 + 0.3 * rng.random(40)[cluster]).astype(float)
    zeros, ones = np.zeros(120, dtype=np.intp), np.ones(120, dtype=np.intp)
    _, second = bradley_terry.strengths(zeros, ones, won, cluster, arms=2, level=0.95).estimates
    share = won.mean()
    residuals = np.bincount(cluster, weights=won - share)
    error = np.sqrt((residuals**2).sum() * 40 / 39) / 120 / (share * (1 - share)) / 2
    assert second.value == pytest.approx(np.log(share / (1 - share)) / 2, abs=1e-9)
    assert (second.hi - second.lo) / 2 == pytest.approx(2.0226909 * error, rel=1e-6)  # t of 39 degrees of freedom


def test_an_arm_that_always_wins_has_no_strength():
    """Its maximum likelihood is infinite, and the reason is given. A tie is enough for a finite one."""
    first, second = np.zeros(10, dtype=np.intp), np.ones(10, dtype=np.intp)
    found = bradley_terry.strengths(first, second, np.ones(10), np.arange(10), arms=2, level=0.95)
    assert (found.estimates, found.because[:34]) == ((), "an arm has won or lost every compa")
    tied = np.array([0.5] + [1.0] * 9)
    assert bradley_terry.strengths(first, second, tied, np.arange(10), arms=2, level=0.95).estimates


def test_ties_alone_have_no_interval():
    """Twelve queries that tie are no certainty that arms are equally strong."""
    first, second = np.array([0, 0, 1] * 12), np.array([1, 2, 2] * 12)
    ties, clusters = np.full(36, 0.5), np.arange(36) // 3
    found = bradley_terry.strengths(first, second, ties, clusters, arms=3, level=0.95)
    assert [(each.value, each.lo, each.hi) for each in found.estimates] == [(0.0, None, None)] * 3
    assert bradley_terry.at_equal_length(ties, np.linspace(-1, 1, 36), clusters, level=0.95) is None


def test_the_share_at_equal_length_is_that_of_a_logistic_regression():
    """Against a general optimiser, to 1e-6; a judge of length alone leaves one half."""
    rng = np.random.default_rng(5)
    longer = rng.normal(0.5, 1, 400)
    prefers = (rng.random(400) < 1 / (1 + np.exp(-2 * longer))).astype(float)
    found = bradley_terry.at_equal_length(prefers, longer, np.arange(400), level=0.95)

    def loss(theta):
        linear = theta[0] + theta[1] * longer
        return (np.logaddexp(0, linear) - prefers * linear).sum()

    best = minimize(loss, [0, 0], tol=1e-14)
    assert found.value == pytest.approx(1 / (1 + np.exp(-best.x[0])), abs=1e-6)
    assert found.lo < 0.5 < found.hi
    assert prefers.mean() > 0.6
    assert bradley_terry.at_equal_length(np.ones(50), longer[:50], np.arange(50), level=0.95) is None
    assert bradley_terry.at_equal_length(prefers, np.zeros(400), np.arange(400), level=0.95) is None


def simulated(rng, *, queries=200, labelled=60, accuracy=0.8):
    """Return labels of some queries and a judge's values of all."""
    truth = rng.choice([-1.0, 0.0, 1.0], size=queries, p=[0.25, 0.4, 0.35])
    judged = np.where(rng.random(queries) < accuracy, truth, rng.choice([-1.0, 0.0, 1.0], size=queries))
    labels = np.full(queries, np.nan)
    drawn = rng.choice(queries, labelled, replace=False)
    labels[drawn] = truth[drawn]
    return truth, labels, judged


def test_the_correction_is_the_published_formula():
    """With weight 1: the judge's mean plus the mean error on the labelled queries (Angelopoulos et al. 2023), to 1e-12."""
    _, labels, judged = simulated(np.random.default_rng(1))
    there = np.isfinite(labels)
    found = ppi.corrected(labels, judged, judged, weight=1.0)
    assert found.value == pytest.approx(judged.mean() + (labels - judged)[there].mean(), abs=1e-12)
    assert (found.labelled, found.queries) == (60, 200)
    alone = ppi.corrected(labels, judged, judged, weight=0.0)
    assert alone.test.error == pytest.approx(np.std(labels[there], ddof=1) / np.sqrt(60) * np.sqrt(59 / 58), rel=1e-12)


def test_the_weight_is_the_best_one():
    """No other weight has a smaller error, by brute force; with one value per query it is the regression's slope."""
    _, labels, judged = simulated(np.random.default_rng(2))
    there = np.isfinite(labels)
    found = ppi.corrected(labels, judged, judged)
    tried = np.linspace(0, 1.5, 1501)
    errors = [ppi.corrected(labels, judged, judged, weight=float(weight)).test.error for weight in tried]
    assert found.weight == pytest.approx(tried[int(np.argmin(errors))], abs=0.001)
    assert found.test.error <= min(errors) + 1e-12
    step = 1 / 60 - 1 / 200
    below = 60 * np.var(judged[there], ddof=1) * step**2 * 59 / 58 + 140 * np.var(judged, ddof=1) / 200**2
    assert found.weight == pytest.approx(np.cov(labels[there], judged[there])[0, 1] * step * 59 / 58 / below, abs=1e-9)


def test_a_perfect_judge_is_as_narrow_as_labels_everywhere():
    """Within 5 %; its effective sample size is all queries. A useless judge is as narrow as its labels."""
    truth, labels, _ = simulated(np.random.default_rng(3))
    found = ppi.corrected(labels, truth, truth)
    width = np.diff(np.array([found.test.interval(0.95).lo, found.test.interval(0.95).hi]))[0]
    everything = 2 * 1.9719565 * truth.std(ddof=1) / np.sqrt(200)  # t of 199 degrees of freedom
    assert width == pytest.approx(everything, rel=0.05)
    assert 150 < found.effective < 260
    useless = ppi.corrected(labels, np.random.default_rng(4).normal(size=200), np.random.default_rng(4).normal(size=200))
    assert useless.effective == pytest.approx(60, rel=0.1)


def test_the_labels_that_halve_the_interval_do():
    """Drawn again with that many labels, the error is about half. In a small corpus no number of labels is enough."""
    rng = np.random.default_rng(5)
    truth, labels, judged = simulated(rng, queries=2000, labelled=60)
    found = ppi.corrected(labels, judged, judged)
    errors = []
    for _ in range(20):
        more = np.full(2000, np.nan)
        drawn = rng.choice(2000, found.to_halve, replace=False)
        more[drawn] = truth[drawn]
        errors.append(ppi.corrected(more, judged, judged).test.error)
    assert np.mean(errors) == pytest.approx(found.test.error / 2, rel=0.25)
    _, few, small = simulated(rng, queries=70, labelled=60)
    assert ppi.corrected(few, small, small).to_halve is None


def test_two_labels_are_no_estimate():
    """The spread of an error needs more."""
    labels = np.array([1.0, 0.0, *([np.nan] * 10)])
    assert ppi.corrected(labels, np.zeros(12), np.zeros(12)) is None


@pytest.mark.parametrize(("value", "weight"), [(0.0, 0.0), (1.0, None)])
def test_equal_labels_do_not_make_a_difference_certain(value, weight):
    """Nothing differs in 30 labelled queries, so about one in ten of the others still may."""
    labels = np.where(np.arange(100) < 30, value, np.nan)
    everywhere = np.full(100, value)
    found = ppi.corrected(labels, labels, everywhere, weight=weight)
    interval = found.test.interval(0.95)
    assert found.value == value
    assert (interval.hi - interval.lo) / 2 == pytest.approx(2.8 / 30, rel=0.15)
    assert found.effective == 30
