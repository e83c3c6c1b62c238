"""Variance components: recovered from simulated data, and the formula of the recipe."""

import numpy as np
import pytest

from uderia_bench.stats.components import variance_components


def simulated(*, units=4_000, slots=4, between=0.15, within=(0.3, 0.2), seed=1):
    """Draw both sides of paired units with known standard deviations."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(0, between, (units, 1))
    return rng.normal(0, within[0], (units, slots)), effect + rng.normal(0, within[1], (units, slots))


def test_what_was_drawn_is_found():
    """Four thousand units recover the three standard deviations to three per cent."""
    found = variance_components(*simulated())
    assert np.sqrt([found.between, *found.within]) == pytest.approx([0.15, 0.3, 0.2], rel=0.03)
    assert found.repeat_variance == pytest.approx(sum(found.within))
    assert found.at(4) == pytest.approx(found.seen)
    assert found.at(1) == pytest.approx(found.between + sum(found.within))


def test_missing_repeats_are_allowed_for():
    """With a third of the cells missing, unequally by unit, the components are still those drawn."""
    first, second = simulated(units=8_000)
    gone = np.random.default_rng(2).random(first.shape) < 0.33
    gone[:, 0] = False
    found = variance_components(np.where(gone, np.nan, first), second)
    assert np.sqrt([found.between, *found.within]) == pytest.approx([0.15, 0.3, 0.2], rel=0.05)


def test_units_without_an_effect_of_their_own_vary_by_repeats_alone():
    """ω² is never negative, and near 0 where every unit has the same effect."""
    found = variance_components(*simulated(between=0.0, units=500))
    assert 0 <= found.between < 0.05 * found.repeat_variance


def test_without_repeats_the_parts_are_unknown():
    """One observation a cell leaves the sum alone; one unit leaves nothing."""
    found = variance_components(*simulated(slots=1))
    assert (found.between, found.within, found.repeat_variance, found.at(3)) == (None, None, None, None)
    assert found.seen == pytest.approx(0.15**2 + 0.3**2 + 0.2**2, rel=0.1)
    assert variance_components(np.ones((1, 2)), np.ones((1, 2))) is None
