"""Looks declared in advance: published boundaries, their false alarms, and the p-value that pays for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from uderia_bench.stats.sequential import crossing_probability, equal_shares, obrien_fleming, repeated_p, stops


def test_the_boundaries_are_the_recipes():
    """Five looks at 5 % have the boundaries 4.56 3.23 2.63 2.28 2.04.

    Source: docs/explanation/statistics.md, "Planning and stopping".
    """
    assert obrien_fleming(5, alpha=0.05) == pytest.approx((4.56, 3.23, 2.63, 2.28, 2.04), abs=0.005)


@pytest.mark.parametrize(
    ("looks", "alpha", "constant"),
    [
        (1, 0.05, 1.960),
        (2, 0.05, 1.977),
        (3, 0.05, 2.004),
        (4, 0.05, 2.024),
        (10, 0.05, 2.087),
        (20, 0.05, 2.126),
        (4, 0.01, 2.609),
        (5, 0.01, 2.621),
    ],
)
def test_the_last_boundary_is_the_published_one(looks, alpha, constant):
    """Jennison & Turnbull (2000), table 2.3, to the third digit."""
    assert obrien_fleming(looks, alpha=alpha)[-1] == pytest.approx(constant, abs=0.0006)


def test_false_alarms_are_as_many_as_promised():
    """Twenty thousand paths without an effect, from a fixed seed: 5 % cross, to the noise of counting."""
    steps = np.random.default_rng(1).normal(size=(20_000, 5))
    z = steps.cumsum(axis=1) / np.sqrt(np.arange(1, 6))
    crossed = (np.abs(z) >= obrien_fleming(5, alpha=0.05)).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.004)


def test_peeking_without_boundaries_is_counted_too():
    """Ten looks at |Z| of 1.96: the 19.3 % that Armitage, McPherson & Rowe (1969) found, by the same integration."""
    shares = equal_shares(10)
    steps = np.random.default_rng(2).normal(size=(40_000, 10))
    z = steps.cumsum(axis=1) / np.sqrt(np.arange(1, 11))
    assert (np.abs(z) >= 1.96).any(axis=1).mean() == pytest.approx(0.193, abs=0.006)
    assert crossing_probability(1.96, shares) < 0.193  # with a boundary that starts high there is less


@settings(deadline=None)  # the boundary of eight looks is found once, slowly
@given(st.integers(1, 8), st.floats(1e-12, 1.0), st.data())
def test_the_repeated_p_agrees_with_the_boundary(looks, p, data):
    """It is below alpha exactly where the look stops, and never below the plain p."""
    look = data.draw(st.integers(1, looks))
    paid = repeated_p(p, look=look, looks=looks)
    assert p <= paid <= 1
    if abs(paid - 0.05) > 1e-6:
        assert (paid < 0.05) == stops(p, look=look, looks=looks, alpha=0.05)


def test_the_last_look_pays_a_little():
    """A p of .0414 after four silent looks is .05."""
    assert repeated_p(2 * ndtr(-2.0401), look=5, looks=5) == pytest.approx(0.05, abs=0.0002)
    assert repeated_p(0.3, look=1, looks=1) == pytest.approx(0.3)
