"""Rank methods against scipy and against counting."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.stats import rank
from uderia_bench.stats.rank import hodges_lehmann, wilcoxon_p


@pytest.mark.parametrize("n", [5, 9, 14, 30, 80])
def test_without_ties_it_is_scipys(n):
    """Untied differences give scipy's p at every size."""
    from scipy.stats import wilcoxon

    d = np.random.default_rng(n).normal(0.3, 1, n)
    assert wilcoxon_p(d) == pytest.approx(wilcoxon(d).pvalue)


def test_with_ties_it_is_scipys_permutation():
    """Tied differences give the exact permutation p."""
    from scipy.stats import wilcoxon

    d = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 3.0, 0.0])
    assert wilcoxon_p(d) == pytest.approx(wilcoxon(d[d != 0]).pvalue)


def test_rounding_is_a_tie():
    """Differences of equal decimals are ties although their last bits differ."""
    assert wilcoxon_p(np.array([0.3 - 0.2, 0.1, -0.1, 0.5])) == wilcoxon_p(np.array([1.0, 1.0, -1.0, 5.0]))


def test_all_zero_is_one():
    """No difference anywhere is no evidence."""
    assert wilcoxon_p(np.zeros(9)) == 1.0


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12))
def test_the_shift_turns_with_the_data(values):
    """Negating the differences negates the shift and swaps the ends of its interval."""
    d = np.array(values)
    there, back = hodges_lehmann(d, level=0.9), hodges_lehmann(-d, level=0.9)
    assert there.value == pytest.approx(-back.value)
    if there.lo is not None:
        assert there.lo == pytest.approx(-back.hi)


@given(st.lists(st.integers(-9, 9).map(lambda n: n / 7) | st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_every_walsh_average_is_found_by_counting(values):
    """With and without ties, the mean at each place is that of the sorted means of all pairs."""
    ordered = np.sort(np.array(values))
    first, second = np.triu_indices(ordered.size)
    every = np.sort((ordered[first] + ordered[second]) / 2)
    counted = rank._Walsh(ordered, all_pairs=0)
    assert [counted.at(place) for place in range(every.size)] == pytest.approx(every.tolist(), rel=1e-12, abs=1e-12)


def test_many_units_do_not_need_the_memory_of_their_pairs():
    """The 18 million pairs of 6,000 units would be 144 MB, with their places 432 MB."""
    d = np.random.default_rng(1).normal(0.1, 1, 6000)
    tracemalloc.start()
    found = hodges_lehmann(d, level=0.95)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6
    assert found.value == pytest.approx(d.mean(), abs=0.01)
    assert (found.hi - found.lo) / 2 == pytest.approx(1.96 / np.sqrt(6000 * 3 / np.pi), rel=0.05)


def test_five_units_have_no_interval_at_95_percent():
    """Even from the smallest to the largest, five units reach 93.75 % only: no interval is invented."""
    assert hodges_lehmann(np.arange(5.0), level=0.95).lo is None
    assert hodges_lehmann(np.arange(6.0), level=0.95).lo == 0.0


def test_the_exact_and_the_approximate_interval_meet():
    """At 50 units, the last exact one, and at 51 the interval reaches about as deep into the Walsh averages."""
    from uderia_bench.stats.rank import _lower_rank

    assert _lower_rank(50, 0.95) == 435  # R: qsignrank(.025, 50)
    assert _lower_rank(51, 0.95) == pytest.approx(453, abs=2)  # R: qsignrank(.025, 51)
