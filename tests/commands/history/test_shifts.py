"""Steps, ramps, odd nights and weekly rhythms in a series of nights: found where they are, and told apart.

``tests/calibration/nights.py`` measures the rates of false alarms and of detection with more series.
"""

import numpy as np
import pytest
from commands.history.nights import correlated, series_of
from frames import LATENCY

from uderia_bench.commands.history.levels import levels
from uderia_bench.commands.history.shifts import Kind, correlation, shifts, weekly

LEAST = np.log(1.05)
SEEDS = 20
NIGHTS = 14
REGRESSION = 7  # night 8 of 14
FRIDAY = 4


def found(values, *, error=0.01, least=LEAST, **given):
    """Return the changes in a series of levels that all have the same standard error."""
    return shifts(np.asarray(values), np.full(len(values), error), least=least, **given)


def kinds(values, **given):
    """Return the kinds of the changes in a series."""
    return [shift.kind for shift in found(values, **given)]


@pytest.mark.parametrize("wander", [0.0, 0.02])
def test_a_regression_of_a_sixth_is_found_at_its_night(wander):
    """+15 % from night 8 of 14 on, 100 queries x 5: one step within two nights of it in at least 16 of 20 series."""
    hits = 0
    for seed in range(SEEDS):
        fitted = levels(series_of(NIGHTS, seed=seed, step_at=REGRESSION, wander=wander), LATENCY, NIGHTS)
        steps = [shift for shift in shifts(fitted.values, fitted.errors, least=LEAST) if shift.kind is not Kind.ODD]
        hits += len(steps) == 1 and steps[0].kind is Kind.STEP and abs(steps[0].at - REGRESSION) <= 2
    assert hits >= 16, hits


@pytest.mark.parametrize("weekend", [0.0, 0.1], ids=["no rhythm", "weekends 10 % slower"])
def test_correlated_nights_have_no_step(weekend):
    """Lag-1 correlation .5, 28 nights of sd 4 %: a change in at most 3 of 20 series, where about 1 is expected."""
    rhythm = weekend * np.isin(np.arange(28) % 7, (5, 6))
    false = sum(bool(kinds(correlated(28, seed=seed, spread=0.04) + rhythm)) for seed in range(SEEDS))
    assert false <= 3, false


def test_a_ramp_is_no_step():
    """+1 % every night for 30 nights of sd 2 %: one ramp of that slope from the first days on, in at least 4 of 5 series."""
    ramps = 0
    for seed in range(5):
        last = found(correlated(30, seed=seed, spread=0.02) + 0.01 * np.arange(30))
        assert last[-1].kind is Kind.RAMP
        if len(last) == 1:
            ramps += 1
            assert last[0].at <= 7
            assert last[0].total(30) == pytest.approx(0.3, rel=0.3)
    assert ramps >= 4, ramps


def test_a_ramp_that_begins_is_a_ramp():
    """Level for three weeks, then +2 % every night: it is found, and it is no step."""
    for seed in range(5):
        ramp = found(correlated(35, seed=seed, spread=0.02) + 0.02 * np.maximum(np.arange(35) - 20, 0))[0]
        assert (ramp.kind, ramp.at) == (Kind.RAMP, pytest.approx(21, abs=4))


def test_one_odd_night_is_no_step_and_hides_none():
    """One night half as slow again comes and goes; the step a week later is still found."""
    values = correlated(22, seed=2, spread=0.02)
    values[8] += 0.4
    assert [(shift.kind, shift.at) for shift in found(values)] == [(Kind.ODD, 8)]
    values[16:] += np.log(1.15)
    assert [(shift.kind, shift.at) for shift in found(values)] == [(Kind.ODD, 8), (Kind.STEP, 16)]


def test_the_last_night_alone_is_nothing_yet():
    """Tonight may be odd or the first of many: the next night tells."""
    values = correlated(22, seed=2, spread=0.02)
    values[21] += 0.4
    assert kinds(values) == []


def test_two_steps_are_two():
    """Up and down again, each with its size."""
    values = np.concatenate([np.zeros(9), np.full(9, 0.4), np.zeros(9)]) + np.tile([0.01, -0.01, 0.005], 9)
    one, two = found(values)
    assert (one.kind, two.kind, one.at, two.at) == (Kind.STEP, Kind.STEP, 9, 18)
    assert one.size == pytest.approx(0.4, abs=0.02)
    assert two.size == pytest.approx(-0.4, abs=0.02)


def test_a_step_below_the_margin_is_left_out():
    """It is certain and too small to act on."""
    values = np.concatenate([np.zeros(10), np.full(10, 0.03)]) + np.tile([0.001, -0.001], 10)
    assert found(values, error=0.001) == ()
    assert len(found(values, error=0.001, least=0.01)) == 1


def test_the_noise_is_never_less_than_within_a_night():
    """Levels that happen to agree to a thousandth are known to no more than two hundredths."""
    values = np.concatenate([np.zeros(10), np.full(10, 0.03)]) + np.tile([0.001, -0.001], 10)
    assert found(values, error=0.02, least=0.01) == ()


def test_nights_without_a_level_are_passed_over():
    """The step keeps its night's number."""
    values = np.concatenate([np.zeros(10), [np.nan], np.full(6, 0.5)]) + np.tile([0.01, -0.01], 9)[:17]
    (one,) = found(values)
    assert one.at == 11


def test_an_announced_step_stays():
    """A reading keeps what an earlier reading announced."""
    values = correlated(30, seed=4, spread=0.02) + np.log(1.15) * (np.arange(30) >= 14)
    told = [bool(kinds(values[:nights])) for nights in range(1, 31)]
    assert told == sorted(told)
    assert told[-1]


def test_too_few_nights_say_nothing():
    """Two nights of six could be a weekend."""
    assert found([0.0, 0.01, 0.0, 0.01, 1.0, 1.0]) == ()


def test_a_weekly_rhythm_is_named():
    """Nights of two neighbouring days are slower: which days, by how much, and no step."""
    weekdays = (np.arange(28) + FRIDAY) % 7
    values = correlated(28, seed=1, spread=0.02) + 0.1 * np.isin(weekdays, (5, 6))
    assert found(values, weekdays=weekdays) == ()
    rhythm = weekly(values, np.full(28, 0.01), (), least=LEAST, weekdays=weekdays)
    assert rhythm.days == (5, 6)
    assert rhythm.size == pytest.approx(0.1, abs=0.03)


def test_level_nights_have_no_weekly_rhythm():
    """Nor has a series of less than two weeks."""
    assert weekly(correlated(28, seed=3, spread=0.02), np.full(28, 0.01), (), least=0.0) is None
    rhythm = 0.5 * np.isin(np.arange(13) % 7, (5, 6)) + np.tile([0.01, -0.01], 7)[:13]
    assert weekly(rhythm, np.full(13, 0.01), (), least=0.0) is None


def test_nights_of_one_weekday_have_no_rhythm():
    """A weekly run always falls on the same day: its step is found, and no day differs from another."""
    values = np.concatenate([np.zeros(10), np.full(10, 0.3)]) + np.tile([0.01, -0.01], 10)
    sundays = [6] * 20
    assert kinds(values, weekdays=sundays) == [Kind.STEP]
    assert weekly(values, np.full(20, 0.01), found(values, weekdays=sundays), least=0.0, weekdays=sundays) is None


def test_correlation_is_of_neighbouring_nights():
    """About .9 where nights drift, about 0 where they do not, and None with less than two weeks."""
    seen = [
        np.mean([correlation(correlated(45, seed=seed, spread=1, lag=lag), ()) for seed in range(20)]) for lag in (0.0, 0.9)
    ]
    assert seen == [pytest.approx(0.0, abs=0.15), pytest.approx(0.85, abs=0.15)]
    assert correlation(np.zeros(13), ()) is None
    assert correlation(np.zeros(20), ()) is None
