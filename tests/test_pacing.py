"""Pacing: when trial n is due, as a table."""

from itertools import pairwise

import pytest

from uderia_bench import pacing


@pytest.mark.parametrize(
    ("rate", "n", "due_s"), [(2, 0, 0), (2, 1, 0.5), (2, 7, 3.5), (0.5, 3, 6), (250, 500, 2), (3, 300, 100)]
)
def test_a_constant_rate_is_a_straight_line(rate, n, due_s):
    """Trial n is due at n / rate, exactly: no error adds up."""
    assert pacing.constant(rate)(n) == due_s


def test_a_closed_loop_has_no_clock():
    """Whatever n, a trial is due when a slot is free."""
    assert [pacing.closed(n) for n in (0, 1, 1000)] == [None, None, None]


def test_poisson_arrivals_are_a_function_of_n_and_the_seed():
    """Asked in any order, from any pacer of the same seed, trial n is due at the same moment; another seed is another shape."""
    first, again, other = pacing.poisson(2, seed=7), pacing.poisson(2, seed=7), pacing.poisson(2, seed=8)
    order = [5000, 0, 1024, 1023, 1, 5000]
    assert [first(n) for n in order] == [again(n) for n in order]
    assert first(1) != other(1)
    assert first(0) == 0
    assert first(3) == pytest.approx(1.1577584932336)  # known: a change of the shape must be meant


def test_poisson_arrivals_never_go_back_and_scale_with_the_rate():
    """Due times rise, over the seams between stretches too, and twice the rate is half the time."""
    slow, fast = pacing.poisson(1, seed=3), pacing.poisson(4, seed=3)
    due = [slow(n) for n in range(3000)]
    assert all(earlier < later for earlier, later in pairwise(due))
    assert fast(2500) == pytest.approx(slow(2500) / 4)


def test_poisson_gaps_are_exponential():
    """Mean 1 / rate and as much spread, 1/e of the gaps longer than that; bounds are four standard errors of 20,000 gaps."""
    due_s = pacing.poisson(2, seed=1)
    due = [due_s(n) for n in range(20_001)]
    gaps = [later - earlier for earlier, later in pairwise(due)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(0.5, abs=4 * 0.5 / 20_000**0.5)
    assert (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5 == pytest.approx(0.5, abs=0.03)
    assert sum(gap > 0.5 for gap in gaps) / len(gaps) == pytest.approx(0.3679, abs=0.014)
