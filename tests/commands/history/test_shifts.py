"""Steps in a series of nights: found where they are, and not where they are not."""

import numpy as np
import pytest
from commands.history.nights import series_of
from frames import LATENCY

from uderia_bench.commands.history.levels import levels
from uderia_bench.commands.history.shifts import steps

MARGIN = np.log(1.1)
SEEDS = 50
NIGHTS = 14
REGRESSION = 7  # night 8 of 14


def found(seed, **given):
    """Return the steps of a series of nights."""
    fitted = levels(series_of(NIGHTS, seed=seed, **given), LATENCY, NIGHTS)
    return steps(fitted.values, fitted.errors, least=0.05)


@pytest.mark.parametrize("wander", [0.0, 0.02])
def test_a_regression_of_a_sixth_is_found_at_its_night(wander):
    """+15 % from night 8 of 14 on, 100 queries x 5: at night 8 give or take one, in at least 47 of 50 seeds."""
    hits = 0
    for seed in range(SEEDS):
        at = [step.at for step in found(seed, step_at=REGRESSION, wander=wander)]
        hits += len(at) == 1 and abs(at[0] - REGRESSION) <= 1
    assert hits >= 47, hits


@pytest.mark.parametrize("wander", [0.0, 0.02, 0.05])
def test_a_quiet_series_has_no_step(wander):
    """Whatever the server's mood is from night to night: a step in at most 2 of 50 quiet series."""
    false = sum(bool(found(seed, wander=wander)) for seed in range(SEEDS))
    assert false <= 2, false


def test_one_odd_night_is_no_step():
    """A night on which a provider was busy comes and goes."""
    values = np.array([0.0, 0.01, -0.01, 0.0, 0.5, 0.01, -0.01, 0.0, 0.01, -0.01])
    assert steps(values, np.full(10, 0.01), least=0.05) == ()


def test_two_steps_are_two():
    """Up and down again, each with its size."""
    values = np.concatenate([np.zeros(5), np.full(5, 0.4), np.zeros(5)]) + np.tile([0.01, -0.01, 0.005], 5)
    one, two = steps(values, np.full(15, 0.01), least=0.05)
    assert (one.at, two.at) == (5, 10)
    assert one.size == pytest.approx(0.4, abs=0.02)
    assert two.size == pytest.approx(-0.4, abs=0.02)


def test_a_step_below_the_margin_is_not_worth_saying():
    """Certain and small: not said."""
    values = np.concatenate([np.zeros(7), np.full(7, 0.03)]) + np.tile([0.001, -0.001], 7)
    assert steps(values, np.full(14, 0.001), least=0.05) == ()
    assert len(steps(values, np.full(14, 0.001), least=0.01)) == 1


def test_nights_without_a_level_are_passed_over():
    """The step keeps its night's number."""
    values = np.concatenate([np.zeros(6), [np.nan], np.full(6, 0.5)]) + np.tile([0.01, -0.01], 7)[:13]
    (one,) = steps(values, np.full(13, 0.01), least=0.05)
    assert one.at == 7


def test_too_few_nights_say_nothing():
    """Four nights have no spread to hold a step against."""
    assert steps(np.array([0.0, 0.0, 1.0, 1.0]), np.full(4, 0.01), least=0.05) == ()
