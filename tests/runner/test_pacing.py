"""Due times of trial n, as tables."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.runner import pacing


@pytest.mark.parametrize(
    ("rate", "n", "due_s"), [(2, 0, 0), (2, 1, 0.5), (2, 7, 3.5), (0.5, 3, 6), (250, 500, 2), (3, 300, 100)]
)
def test_a_constant_rate_is_a_straight_line(rate, n, due_s):
    """Trial n is due at n / rate exactly; errors do not add up."""
    assert pacing.constant(rate)(n) == due_s


def test_a_closed_loop_has_no_clock():
    """Every trial is due when a slot is free."""
    assert [pacing.closed(n) for n in (0, 1, 1000)] == [None, None, None]


def test_poisson_arrivals_are_a_function_of_n_and_the_seed():
    """In any order, trial n of one seed is due at the same time; another seed gives other times."""
    first, again, other = pacing.poisson(2, seed=7), pacing.poisson(2, seed=7), pacing.poisson(2, seed=8)
    order = [5000, 0, 1024, 1023, 1, 5000]
    assert [first(n) for n in order] == [again(n) for n in order]
    assert first(1) != other(1)
    assert first(0) == 0
    assert first(3) == pytest.approx(1.1577584932336)  # known: a change of the shape must be meant


def test_poisson_arrivals_never_go_back_and_scale_with_the_rate():
    """Due times rise, also between stretches, and twice the rate halves them."""
    slow, fast = pacing.poisson(1, seed=3), pacing.poisson(4, seed=3)
    due = [slow(n) for n in range(3000)]
    assert all(earlier < later for earlier, later in pairwise(due))
    assert fast(2500) == pytest.approx(slow(2500) / 4)


def test_poisson_gaps_are_exponential():
    """Mean and standard deviation are 1 / rate, and 1/e of the gaps are longer; bounds are four standard errors."""
    due_s = pacing.poisson(2, seed=1)
    due = [due_s(n) for n in range(20_001)]
    gaps = [later - earlier for earlier, later in pairwise(due)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.5, abs=4 * 0.5 / 20_000**0.5)
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 == pytest.approx(0.5, abs=0.03)
    assert sum(gap > 0.5 for gap in gaps) / len(gaps) == pytest.approx(0.3679, abs=0.014)


RAMPS = [
    (8, 4, 0, 0),  # 8/s after 4 s: 16 trials inside the ramp
    (8, 4, 1, 1),
    (8, 4, 4, 2),
    (8, 4, 9, 3),
    (8, 4, 16, 4),  # the ramp's end
    (8, 4, 17, 4.125),
    (8, 4, 96, 14),
    (2, 1, 1, 1),
    (2, 1, 2, 1.5),
]


@pytest.mark.parametrize(("rate", "ramp_s", "n", "due_s"), RAMPS)
def test_a_ramp_of_an_open_loop_is_a_parabola_and_then_a_line(rate, ramp_s, n, due_s):
    """Trial n is due where rate * t^2 / (2 * ramp) is n; after the ramp the distance is 1 / rate."""
    assert pacing.constant(rate, ramp_s)(n) == due_s


@pytest.mark.parametrize(
    ("slots", "ramp_s", "opens"), [(1, 30, [0]), (4, 30, [0, 10, 20, 30]), (5, 2, [0, 0.5, 1, 1.5, 2]), (3, 0, [0, 0, 0])]
)
def test_a_ramp_of_a_closed_loop_opens_slots_at_even_distances(slots, ramp_s, opens):
    """One slot opens at once, and the last at the end of the ramp."""
    assert [pacing.opens_s(n, slots=slots, ramp_s=ramp_s) for n in range(slots)] == opens


RATES, SECONDS, NUMBERS = st.floats(0.01, 500), st.floats(0, 600), st.integers(0, 5000)
ARRIVALS = st.sampled_from([pacing.constant, lambda rate, ramp_s=0.0: pacing.poisson(rate, 5, ramp_s)])


@given(ARRIVALS, RATES, SECONDS, NUMBERS)
def test_a_ramp_never_goes_back_and_costs_half_its_length(arrivals, rate, ramp_s, n):
    """Due times rise; a ramp delays each trial by at most half its length, and by exactly half after it."""
    ramped, plain = arrivals(rate, ramp_s), arrivals(rate)
    assert ramped(n) <= ramped(n + 1)
    late = ramped(n) - plain(n)
    slack = 1e-9 * (1 + ramped(n))
    assert -slack <= late <= ramp_s / 2 + slack
    if ramped(n) > ramp_s:
        assert late == pytest.approx(ramp_s / 2, rel=1e-9, abs=slack)


@given(ARRIVALS, RATES, NUMBERS)
def test_a_ramp_of_no_length_is_no_ramp(arrivals, rate, n):
    """A ramp of 0 s changes no due time."""
    assert arrivals(rate, 0.0)(n) == arrivals(rate)(n)


@given(RATES, SECONDS)
def test_in_the_long_run_the_rate_is_the_rate(rate, ramp_s):
    """After the ramp, ``rate`` trials are due each second."""
    due_s = pacing.constant(rate, ramp_s)
    first = int(rate * ramp_s) + 1
    assert (due_s(first + 1000) - due_s(first)) * rate == pytest.approx(1000, rel=1e-6)


def test_poisson_arrivals_follow_the_growing_rate():
    """Each quarter of a ramp has as many arrivals as the integral gives; bounds are four standard errors."""
    due_s = pacing.poisson(200.0, seed=3, ramp_s=40.0)
    due = [due_s(n) for n in range(8000)]
    for quarter in range(4):
        expected = 4000 * ((quarter + 1) ** 2 - quarter**2) / 16
        arrived = sum(10 * quarter <= at < 10 * (quarter + 1) for at in due)
        assert arrived == pytest.approx(expected, abs=4 * expected**0.5)
