"""p, interval and equivalence of one test: they agree for every kind of difference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from uderia_bench.stats.difference import mean_test, student_test
from uderia_bench.stats.equivalence import skewed_p, within_share_p
from uderia_bench.stats.inference import StrictestTest, StudentTest, WithNote, equivalence_p, two_sided_p
from uderia_bench.stats.permutation import sign_flip_test


def rates(values):
    """Make differences of rates of five repeats."""
    return np.array(values, dtype=float) / 5


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=40), st.booleans(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_interval_leaves_out_no_difference_exactly_where_p_is_small(values, bounded, level):
    """Any differences, of rates or of amounts, with many ties and zeros: interval and p decide alike."""
    test = mean_test(rates(values), bounded=bounded, may_be_0=False, seed=1)
    found = test.interval(level)
    if found.lo is not None:
        assert (found.lo <= 0 <= found.hi) == (two_sided_p(test) >= 1 - level)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=40, unique=True), st.floats(0.01, 1))
def test_equivalence_is_the_narrower_interval_inside_the_margin(values, margin):
    """The larger one-sided p is below 5 % exactly where the 90 % interval lies inside the margin."""
    test = mean_test(np.array(values), bounded=False, may_be_0=False, seed=1)
    found = test.interval(0.9)
    if found.lo is not None and min(abs(abs(end) - margin) for end in (found.lo, found.hi)) > 1e-9:
        assert (-margin < found.lo and found.hi < margin) == (equivalence_p(test, -margin, margin) < 0.05)


def test_student_is_scipys_and_its_equivalence_statsmodels():
    """p, interval and the two one-sided tests on the same 25 values."""
    from scipy.stats import ttest_1samp
    from statsmodels.stats.weightstats import ttost_paired

    d = np.random.default_rng(3).normal(0.05, 0.2, 25)
    test, theirs = student_test(d), ttest_1samp(d, 0)
    assert two_sided_p(test) == pytest.approx(theirs.pvalue)
    assert (test.interval(0.9).lo, test.interval(0.9).hi) == pytest.approx(tuple(theirs.confidence_interval(0.9)))
    assert equivalence_p(test, -0.1, 0.1) == pytest.approx(ttost_paired(d, np.zeros(25), -0.1, 0.1)[0])


def test_without_spread_student_is_certain():
    """Equal values have no error: p is 0, and 1 at the value itself."""
    test = student_test(np.array([2.0, 2.0, 2.0]))
    assert (two_sided_p(test), two_sided_p(test, 2.0)) == (0.0, 1.0)
    assert (test.interval(0.95).lo, test.interval(0.95).hi) == (2.0, 2.0)


def test_the_strictest_of_two_has_the_larger_p_and_the_union_of_the_intervals():
    """A wide and a narrow t test about different centres."""
    wide, narrow = (StudentTest(value=v, error=e, freedom=20) for v, e in ((1.0, 0.5), (1.2, 0.1)))
    both = StrictestTest(tests=(narrow, wide))
    assert two_sided_p(both) == two_sided_p(wide) > two_sided_p(narrow)
    assert (both.interval(0.95).lo, both.interval(0.95).hi) == (wide.interval(0.95).lo, wide.interval(0.95).hi)
    assert both.name == "paired t, paired t"
    assert StrictestTest(tests=(wide, WithNote(test=narrow, because="no", bare=True))).interval(0.95).lo is None


def test_weights_are_sizes_of_the_units():
    """Two units of one query and one of three: the mean is that of five queries, and swapping signs mirrors the p-values."""
    d, sizes = np.array([1.0, 2.0, 4.0, 5.0, 3.0, 2.0, 1.0]), np.array([1.0, 3.0, 1.0, 2.0, 2.0, 1.0, 1.0])
    for make in (lambda x: sign_flip_test(x, seed=1, sizes=sizes), lambda x: student_test(x, sizes=sizes)):
        test, mirrored = make(d), make(-d)
        found = test.interval(0.9)
        assert found.lo < np.average(d, weights=sizes) < found.hi
        assert mirrored.tails(-1.0)[1] == pytest.approx(test.tails(1.0)[0])
    assert student_test(d, sizes=sizes).value == pytest.approx(np.average(d, weights=sizes))
    assert student_test(d, sizes=np.full(7, 3.0)) == student_test(d)


def test_skewed_differences_are_held_on_the_side_of_their_tail():
    """Hall's transformation by hand, mirrored with the signs, near Student without skewness, and 0 without spread."""
    d = np.array([0.1, -0.2, 0.05, 0.3, 1.4, -0.1, 0.0, 0.2])
    t = (d.mean() - 0.9) / (d.std(ddof=1) / np.sqrt(8))
    a = stats.skew(d) / np.sqrt(8)
    corrected = stats.t.cdf(t + a * (2 * t**2 + 1) / 6 + a**2 * t**3 / 27, 7)
    assert skewed_p(d, 0.9) == pytest.approx(corrected)
    assert corrected > equivalence_p(student_test(d), -0.9, 0.9)
    assert skewed_p(-d, 0.9) == pytest.approx(skewed_p(d, 0.9))
    assert skewed_p(np.repeat(d, 2), 0.9, sizes=np.full(16, 5.0)) == pytest.approx(skewed_p(np.repeat(d, 2), 0.9))
    even = np.array([-1.0, -0.5, -0.2, 0.2, 0.5, 1.0])
    assert skewed_p(even, 0.8) == pytest.approx(equivalence_p(student_test(even), -0.8, 0.8))
    assert skewed_p(np.full(9, 0.1), 0.2) == 0.0


def test_a_margin_that_is_a_share_of_the_means_is_tested_with_its_own_noise():
    """Eight units by hand: the larger p of candidate - 1.2 baseline and baseline - 1.2 candidate, by all 256 sign patterns."""
    rng = np.random.default_rng(5)
    baseline = rng.uniform(1, 5, 8)
    candidate = baseline + rng.normal(0, 0.3, 8)
    signs = np.where((np.arange(256)[:, None] >> np.arange(8)) & 1, -1, 1)
    ends = (candidate - 1.2 * baseline, baseline - 1.2 * candidate)
    p = [np.mean(signs @ d <= d.sum() + 1e-12) for d in ends]
    assert within_share_p(baseline, candidate, 0.2, seed=1) == pytest.approx(max(p))
    assert within_share_p(candidate, baseline, 0.2, seed=1) == pytest.approx(max(p))
    assert within_share_p(baseline, candidate, 0.01, seed=1) > 0.05
