"""The scalability law: it finds the numbers it was made of, a queue's knee, and none where there is none."""

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uderia_bench.stats.scalability import ScalabilityLaw, fit

LEVELS = np.array([1.0, 2, 4, 8, 16, 32])


def law(rate=2.0, contention=0.05, coherency=0.002):
    """Make a law."""
    return ScalabilityLaw(rate_of_one=rate, contention=contention, coherency=coherency)


def measured(of, levels=LEVELS):
    """Return the throughput of a law at some levels."""
    return np.array([of.throughput(level) for level in levels])


def test_three_numbers_to_check_in_the_head():
    """The throughput of one is lambda, of two at contention 0.5 is 2 / 1.5; ceiling 2 at lambda 0.5 is knee 4."""
    assert law().throughput(1) == 2
    assert law(rate=1, contention=0.5, coherency=0).throughput(2) == pytest.approx(2 / 1.5)
    amdahl = law(rate=0.5, contention=0.25, coherency=0)
    assert (amdahl.ceiling, amdahl.knee) == (2.0, 4.0)
    peaked = law(rate=1, contention=0, coherency=0.01)  # most at sqrt(1 / 0.01) = 10 in flight: 10 / 1.9
    assert (peaked.ceiling, peaked.knee) == (pytest.approx(10 / 1.9), pytest.approx(10 / 1.9))


@settings(deadline=None)  # the first example imports scipy
@given(st.floats(0.01, 100), st.floats(0, 0.9), st.floats(0, 0.05))
def test_a_law_is_found_again(rate, contention, coherency):
    """Whatever it was made of, from exact throughputs."""
    made = law(rate, contention, coherency)
    found = fit(LEVELS, measured(made))
    assert found is not None
    assert found.rate_of_one == pytest.approx(rate, rel=1e-6)
    assert (found.contention, found.coherency) == (pytest.approx(contention, abs=1e-6), pytest.approx(coherency, abs=1e-6))


def test_what_r_finds_is_found():
    """The example of R's package usl (tests/coef.R): contention 0.02, coherency 0.02, 1.00 a second of one in flight."""
    load = np.array([1.0, 2, 4, 6, 8, 10])
    found = fit(load, np.array([1, 1.8868, 3.0769, 3.5294, 3.5398, 3.3557]))
    assert found is not None
    assert (found.contention, found.coherency) == (pytest.approx(0.02, rel=0.01), pytest.approx(0.02, rel=0.01))
    assert found.rate_of_one == pytest.approx(1.0, rel=0.001)


@pytest.mark.parametrize("knee", [2, 3, 4, 6, 8, 12])
def test_the_knee_of_a_server_with_so_many_workers_is_their_number(knee):
    """Throughput in proportion up to the knee and flat beyond is a hard ceiling; the law alone would say 13.6 for 12."""
    for levels in (np.array([1, 0.6 * knee, 0.9 * knee, 2 * knee, 4 * knee, 8 * knee]), np.array([1, 1.5, 16, 32, 64.0])):
        found = fit(levels, np.minimum(levels, knee) / 3.0)
        assert found is not None
        assert (found.knee, found.ceiling) == (pytest.approx(knee), pytest.approx(knee / 3))
        assert found.throughput(100.0) == pytest.approx(knee / 3)
        assert found.throughput(1.0) == pytest.approx(1 / 3)


def test_noise_does_not_turn_a_bending_curve_into_a_hard_ceiling():
    """A law with 1 % of noise keeps its contention; a hard ceiling with 1 % of noise keeps its knee."""
    rng = np.random.default_rng(3)
    levels = np.array([1.0, 2, 4, 8, 16, 32, 64])
    for _ in range(50):
        noise = np.exp(rng.normal(0, 0.01, levels.size))
        bending, hard = fit(levels, measured(law(), levels) * noise), fit(levels, np.minimum(levels, 12) * noise)
        assert bending is not None
        assert hard is not None
        assert bending.limit is None
        assert hard.knee == pytest.approx(12, rel=0.05)


@pytest.mark.parametrize(("think_s", "work_s"), [(3.0, 1.0), (7.0, 1.0), (0.0, 1.0)])
def test_the_knee_of_a_queue_is_the_total_time_over_the_work(think_s, work_s):
    """One queue and a delay, solved exactly by mean value analysis (Reiser & Lavenberg, 1980): (Z + S) / S within 12 %."""
    queued, exact = 0.0, {}
    for number in range(1, 33):
        waiting = work_s * (1 + queued)
        exact[number] = number / (think_s + waiting)
        queued = exact[number] * waiting
    found = fit(LEVELS, np.array([exact[int(level)] for level in LEVELS]))
    assert found is not None
    assert found.knee == pytest.approx((think_s + work_s) / work_s, rel=0.12)


def test_where_nothing_waits_there_is_no_ceiling():
    """Throughput that grows in a straight line has its knee at infinity."""
    found = fit(LEVELS, 0.7 * LEVELS)
    assert found is not None
    assert (found.ceiling, found.knee) == (inf, inf)


def test_levels_beyond_the_knee_alone_give_no_fit():
    """Where every measured level overloads the server, there is no fit and no knee."""
    levels = np.array([32.0, 64, 128, 256])
    assert fit(levels, 1 / levels**2) is None


@settings(deadline=None)
@given(st.floats(0.1, 10), st.floats(0.01, 0.5), st.floats(0, 0.01), st.floats(0.1, 10))
def test_another_unit_of_time_moves_no_knee(rate, contention, coherency, factor):
    """Trials a minute or a second: the knee counts trials in flight."""
    made = law(rate, contention, coherency)
    one, other = fit(LEVELS, measured(made)), fit(LEVELS, factor * measured(made))
    assert one is not None
    assert other is not None
    assert one.knee == pytest.approx(other.knee, rel=1e-4)
