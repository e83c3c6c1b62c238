"""Nights on one scale: what a night's level is, in numbers one can check in the head."""

import math

import polars as pl
import pytest
from frames import ANSWERED, LATENCY, metric

from uderia_bench.commands.history.levels import levels
from uderia_bench.reading.metrics.metric import Assumption


def trials(*rows):
    """Make trials of (night, query, latency)."""
    return pl.DataFrame(
        [{"night": n, "query_id": q, "latency_s": v, "outcome": "failed" if v is None else "answered"} for n, q, v in rows],
        schema={"night": pl.Int64, "query_id": pl.String, "latency_s": pl.Float64, "outcome": pl.String},
    )


def test_a_night_twice_as_slow_is_twice_the_level():
    """Every query doubles: the levels are a factor of 2 apart, in the metric's unit too."""
    fitted = levels(trials((0, "a", 1.0), (0, "b", 10.0), (1, "a", 2.0), (1, "b", 20.0)), LATENCY, 2)
    assert math.exp(fitted.values[1] - fitted.values[0]) == pytest.approx(2.0)
    first, second = (fitted.estimate(night, confidence=0.95).value for night in (0, 1))
    assert (first, second) == (pytest.approx(math.sqrt(10)), pytest.approx(2 * math.sqrt(10)))


def test_a_query_that_comes_later_moves_no_level():
    """A slow query added on the second night is no slower night."""
    fitted = levels(trials((0, "a", 1.0), (0, "b", 2.0), (1, "a", 1.0), (1, "b", 2.0), (1, "c", 500.0)), LATENCY, 2)
    assert fitted.values[1] - fitted.values[0] == pytest.approx(0.0, abs=1e-6)


def test_a_night_without_answers_has_no_level():
    """None, not 0: and the others keep theirs."""
    fitted = levels(trials((0, "a", 1.0), (0, "b", 2.0), (1, "a", None), (2, "a", 1.0), (2, "b", 2.0)), LATENCY, 3)
    assert math.isnan(fitted.values[1])
    assert fitted.estimate(1, confidence=0.95).value is None
    assert fitted.estimate(2, confidence=0.95).value == pytest.approx(math.sqrt(2))


def test_a_lone_night_has_no_interval():
    """Nothing of one night is left to vary once every query's own level is out: no ±0 % is claimed."""
    lone = levels(trials((0, "a", 1.0), (0, "b", 4.0)), LATENCY, 1).estimate(0, confidence=0.95)
    assert lone.value == pytest.approx(2.0)
    assert (lone.lo, lone.hi) == (None, None)


def test_a_night_that_shares_no_query_has_no_level():
    """Its queries' own levels explain all of it, so a level of ±0% would be invented; a shared query gives both one."""
    apart = levels(trials((0, "a", 1.0), (0, "b", 2.0), (1, "c", 9.0), (1, "d", 3.0)), LATENCY, 2)
    assert [apart.estimate(night, confidence=0.95).value for night in (0, 1)] == [None, None]
    shared = levels(trials((0, "a", 1.0), (0, "b", 2.0), (1, "a", 2.0), (1, "d", 3.0)), LATENCY, 2)
    assert shared.values[1] - shared.values[0] == pytest.approx(math.log(2))
    assert shared.estimate(1, confidence=0.95).n == 1


def test_a_rate_is_fitted_as_it_is():
    """The answer rate of a night is the share of its trials, failures counted."""
    rows = trials((0, "a", 1.0), (0, "b", 1.0), (1, "a", None), (1, "b", 1.0)).with_columns(
        (pl.col("outcome") == "answered").alias("answered")
    )
    fitted = levels(rows, ANSWERED, 2)
    assert [fitted.estimate(night, confidence=0.95).value for night in (0, 1)] == [pytest.approx(1.0), pytest.approx(0.5)]


def rates(*nights):
    """Fit nights of a rate: each a text of a query's answers, 1 where there was one."""
    rows = [(at, f"q{query}", float(one)) for at, night in enumerate(nights) for query, one in enumerate(night)]
    frame = trials(*rows).with_columns((pl.col("latency_s") == 1).alias("answered"))
    return levels(frame, ANSWERED, len(nights))


def test_a_rate_at_its_end_is_bounded_by_how_many_say_so():
    """All of 4, and none of 4, by Wilson (4/4 leaves .5101), whatever another night was; fewer queries say less."""
    for fitted in (rates("1111", "1111"), rates("1111", "1101")):
        sure = fitted.estimate(0, confidence=0.95)
        assert (sure.value, sure.lo, sure.hi, sure.n) == (1.0, pytest.approx(0.5101, abs=1e-4), 1.0, 4)
    never = rates("0000", "000").estimate(1, confidence=0.95)
    assert (never.value, never.lo, never.hi, never.n) == (0.0, 0.0, pytest.approx(0.5615, abs=1e-4), 3)


def test_a_rate_stays_on_its_scale():
    """Student's interval of three of four is wider than what a share can be; equal halves are bounded too, not known."""
    some = rates("1111", "1101").estimate(1, confidence=0.95)
    assert some.value == pytest.approx(0.75)
    assert some.hi == 1.0
    fitted = rates("10", "10").estimate(0, confidence=0.95)
    assert (fitted.value, fitted.n) == (pytest.approx(0.5), 2)
    assert fitted.hi - fitted.lo > 0.5


def test_a_value_of_an_extreme_size_moves_no_level():
    """It is missing as in a report: 0, and what overflows when it is squared."""
    amount = metric("latency_s", assumption=Assumption.AMOUNT)
    nights = [(night, query, 1.0 + night) for night in (0, 1) for query in "abc"]
    for defined, extremes in ((LATENCY, (0.0, 1e300, 1e-300)), (amount, (1e300, -1e300))):
        plain = levels(trials(*nights), defined, 2)
        found = levels(trials(*nights, *((1, "a", value) for value in extremes)), defined, 2)
        assert found.values == pytest.approx(plain.values)
        assert found.estimate(1, confidence=0.95) == plain.estimate(1, confidence=0.95)
