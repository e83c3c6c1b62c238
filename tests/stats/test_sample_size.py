"""Power and its inverse, equivalence, and repeats in place of units."""

import numpy as np
import pytest

from uderia_bench.stats.sample_size import (
    equivalence_power,
    repeats_instead,
    smallest_effect,
    t_power,
    units_for_difference,
    units_for_effect,
    units_for_equivalence,
)


def test_power_is_statsmodels():
    """Paired power agrees with statsmodels over sizes and numbers."""
    from statsmodels.stats.power import TTestPower

    for effect_size, n in ((0.2, 10), (0.5, 34), (1.2, 8)):
        assert t_power(effect_size, n, alpha=0.05) == pytest.approx(TTestPower().power(effect_size, n, 0.05))


def test_the_number_found_has_the_power_asked_for():
    """Inverse and function agree for difference and for equivalence."""
    n = units_for_difference(0.3, alpha=0.05)
    assert t_power(0.3, n, alpha=0.05) == pytest.approx(0.8, abs=1e-6)
    n = units_for_equivalence(0.1, 0.4, alpha=0.05)
    assert equivalence_power(0.1, 0.4, n, alpha=0.05) == pytest.approx(0.8, abs=1e-6)


def test_equivalence_power_is_what_simulation_finds():
    """The formula meets a seeded simulation of two one-sided t tests."""
    rng, n = np.random.default_rng(1), 40
    draws = rng.normal(0.1, 1, (4_000, n))
    half = 1.684875 * draws.std(axis=1, ddof=1) / np.sqrt(n)  # t of 39 degrees at 95 %
    shown = (draws.mean(axis=1) - half > -0.5) & (draws.mean(axis=1) + half < 0.5)
    assert equivalence_power(0.1, 0.5, n, alpha=0.05) == pytest.approx(shown.mean(), abs=0.02)


def test_no_sample_size_where_no_number_of_units_is_enough():
    """No number of units shows a zero effect, or equivalence of an effect at the margin."""
    assert units_for_difference(0.0, alpha=0.05) is None
    assert units_for_equivalence(0.5, 0.5, alpha=0.05) is None


def test_repeats_shrink_only_their_own_part():
    """Halving the variance takes repeats only while the part between queries leaves room."""
    # 20 units at variance 1.0 (0.2 between, 0.8 from one repeat); 40 units' worth is variance 0.5,
    # so 0.8 / R = 0.3.
    assert repeats_instead(20, 1, needed=40, variance=1.0, repeat_variance=0.8) == 3
    assert repeats_instead(20, 1, needed=200, variance=1.0, repeat_variance=0.8) is None


@pytest.mark.parametrize(("queries", "repeats", "percent"), [(50, 1, 19.5), (50, 3, 12.1), (100, 3, 8.4), (300, 3, 4.8)])
def test_the_smallest_effect_is_the_recipes(queries, repeats, percent):
    """Effects for query x arm .15 and within .3 at 80 % (docs/explanation/statistics.md, "Planning and stopping")."""
    variance = (0.15**2 + 2 * 0.3**2 / repeats) / queries
    assert 100 * np.expm1(smallest_effect(variance, alpha=0.05)) == pytest.approx(percent, abs=0.05)


@pytest.mark.parametrize(("units", "too_small"), [(50, 0.02), (20, 0.05), (10, 0.11)])
def test_normal_quantiles_are_a_little_optimistic(units, too_small):
    """By as much as the docstring says, against the noncentral t."""
    from statsmodels.stats.power import TTestPower

    exact = TTestPower().solve_power(nobs=units, alpha=0.05, power=0.8)
    assert smallest_effect(1 / units, alpha=0.05) / exact == pytest.approx(1 - too_small, abs=0.006)


def test_units_for_an_effect_see_it_and_one_fewer_do_not():
    """The number found is the smallest whose smallest effect is no larger."""
    needed = units_for_effect(0.1, 0.09, alpha=0.05)
    assert smallest_effect(0.09 / needed, alpha=0.05) <= 0.1 < smallest_effect(0.09 / (needed - 1), alpha=0.05)
    assert units_for_effect(10.0, 0.09, alpha=0.05) == 1
