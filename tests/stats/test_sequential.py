"""Looks declared in advance: published boundaries, their false alarms, and the p-value that pays for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from uderia_bench.stats.inference import StudentTest, equivalence_p, two_sided_p
from uderia_bench.stats.looks import OBRIEN_FLEMING, POCOCK, WANG_TSIATIS, equal_shares
from uderia_bench.stats.sequential import (
    Repeated,
    boundaries,
    crossing_probability,
    information,
    repeated_p,
)


def test_the_boundaries_are_the_recipes():
    """Five looks at 5 % have the boundaries 4.56 3.23 2.63 2.28 2.04.

    Source: docs/explanation/statistics.md, "Planning and stopping".
    """
    found = boundaries(equal_shares(5), shape=OBRIEN_FLEMING, tail=0.025)
    assert found == pytest.approx((4.56, 3.23, 2.63, 2.28, 2.04), abs=0.005)


@pytest.mark.parametrize(
    ("shape", "looks", "alpha", "constant"),
    [
        (OBRIEN_FLEMING, 1, 0.05, 1.960),
        (OBRIEN_FLEMING, 2, 0.05, 1.977),
        (OBRIEN_FLEMING, 10, 0.05, 2.087),
        (OBRIEN_FLEMING, 20, 0.05, 2.126),
        (OBRIEN_FLEMING, 4, 0.01, 2.609),
        (POCOCK, 5, 0.05, 2.413),
        (POCOCK, 10, 0.05, 2.555),
        (POCOCK, 4, 0.01, 2.939),
        (WANG_TSIATIS, 2, 0.05, 2.038),
        (WANG_TSIATIS, 5, 0.05, 2.136),
        (WANG_TSIATIS, 10, 0.05, 2.199),
    ],
)
def test_the_last_boundary_is_the_published_one(shape, looks, alpha, constant):
    """Jennison & Turnbull (2000), tables 2.1, 2.3 and 2.9, to the third digit."""
    assert boundaries(equal_shares(looks), shape=shape, tail=alpha / 2)[-1] == pytest.approx(constant, abs=0.0006)


@pytest.mark.parametrize("shares", [equal_shares(5), (0.1, 0.11, 0.3, 0.31, 0.8, 1.0), (0.29, 0.52, 0.71, 0.87, 1.0)])
@pytest.mark.parametrize("shape", [OBRIEN_FLEMING, WANG_TSIATIS, POCOCK])
def test_false_alarms_are_as_many_as_promised_at_uneven_looks_too(shares, shape):
    """Paths without an effect, from a fixed seed: 5 % cross on each side, to the noise of counting."""
    steps = np.random.default_rng(1).normal(size=(40_000, len(shares))) * np.sqrt(np.diff([0, *shares]))
    z = steps.cumsum(axis=1) / np.sqrt(shares)
    crossed = (z >= boundaries(shares, shape=shape, tail=0.05)).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.004)


def test_peeking_without_boundaries_is_counted_too():
    """Ten looks at |Z| of 1.96: the 19.3 % that Armitage, McPherson & Rowe (1969) found, by the same integration."""
    crossed = crossing_probability(1.96, equal_shares(10), POCOCK)
    assert 2 * crossed == pytest.approx(0.193, abs=0.003)


@settings(deadline=None)  # the boundary of eight looks is found once, slowly
@given(st.integers(1, 8), st.floats(1e-12, 0.5), st.sampled_from([OBRIEN_FLEMING, WANG_TSIATIS, POCOCK]), st.data())
def test_the_repeated_p_agrees_with_the_boundary(looks, p, shape, data):
    """It is below alpha exactly where the look stops, and never below the plain p."""
    look = data.draw(st.integers(1, looks))
    shares = equal_shares(looks)
    paid = repeated_p(p, look=look, shares=shares, shape=shape)
    assert p <= paid <= 1
    if abs(paid - 0.05) > 1e-6:
        assert (paid < 0.05) == (p < ndtr(-boundaries(shares, shape=shape, tail=0.05)[look - 1]))


def test_the_last_look_pays_a_little():
    """A two-sided p of .0414 after four silent looks is .05."""
    paid = repeated_p(ndtr(-2.0401), look=5, shares=equal_shares(5), shape=OBRIEN_FLEMING)
    assert 2 * paid == pytest.approx(0.05, abs=0.0002)
    assert repeated_p(0.3, look=1, shares=(1.0,), shape=POCOCK) == pytest.approx(0.3)


@settings(deadline=None, max_examples=30)
@given(st.floats(-3, 3), st.integers(1, 4))
def test_interval_p_and_equivalence_of_a_look_agree(value, look):
    """The 95 % interval excludes 0 exactly where p is below 5 %, and the 90 % one lies within where equivalence is."""
    test = Repeated(
        test=StudentTest(value=value, error=0.5, freedom=200), look=look, shares=equal_shares(4), shape=WANG_TSIATIS
    )
    interval, narrow = test.interval(0.95), test.interval(0.90)
    assert (interval.lo > 0 or interval.hi < 0) == (two_sided_p(test) < 0.05)
    assert (narrow.lo > -1.5 and narrow.hi < 1.5) == (equivalence_p(test, -1.5, 1.5) < 0.05)


def test_information_grows_with_new_queries_more_than_with_repeats():
    """Half of the queries say half; a second pass over all of them adds less than the first."""
    assert information(50, 100) / information(100, 100) == pytest.approx(0.5)
    assert 0.5 < information(100, 100) / information(200, 100) < 0.6
    assert information(150, 100, within=0.0) == information(100, 100, within=0.0)
