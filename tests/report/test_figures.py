"""Numbers as people read them: digits follow the interval, units are humane, nothing missing turns into a number."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from report.reports import difference, estimate, metric, ratio

from uderia_bench.reading.metrics.metric import Assumption
from uderia_bench.report import figures
from uderia_bench.stats.estimate import Effect, Estimate

SECONDS, TOKENS, DOLLARS = metric("latency_s", "s"), metric("total_tokens", "tokens"), metric("cost_usd", "usd")
SHARE = metric("answered", kind=bool, assumption=Assumption.RATE)
COUNT = metric("corrections", assumption=Assumption.AMOUNT)


def written(value, half, of):
    """Return the fullest form of an estimate."""
    return figures.estimate_forms(estimate(value, half), figures.scale_of(of, value))[0]


@pytest.mark.parametrize(
    ("value", "half", "of", "expected"),
    [
        (3.2134, 0.16, SECONDS, "3.21s ±5%"),  # the interval starts with a 1: two digits of it
        (20.134, 1.2, SECONDS, "20.1s ±6%"),
        (20.134, 5.0, SECONDS, "20s ±25%"),  # never less than two digits
        (0.1609, 0.005, SECONDS, "161ms ±3%"),
        (754.2, 31.0, SECONDS, "12.6min ±4%"),
        (16437, 480, TOKENS, "16.4k ±3%"),
        (5094, 12, TOKENS, "5,094 ±0.2%"),
        (0.002123, 0.00007, DOLLARS, "$0.00212 ±3%"),
        (0.975, 0.021, SHARE, "97.5% ±2"),  # points, not a percentage of a percentage
        (0.0, None, SHARE, "0% ±—"),
        (1.25, 0.31, COUNT, "1.2 ±0.3"),
        (0.0, 0.0, COUNT, "0 ±0"),
        (3.2134, None, SECONDS, "3.21s ±—"),
        (None, None, SECONDS, "—"),
    ],
)
def test_an_estimate_is_written_to_the_digits_it_is_good_for(value, half, of, expected):
    """The interval says where the digits end; no interval is said, not hidden."""
    assert written(value, half, of) == expected


def test_a_share_at_its_end_has_a_bound_not_an_interval_beyond_all():
    """15 of 15 is at least 80 %, and never "100% ±20"."""
    at_most = Estimate(value=1.0, lo=0.796, hi=1.0, level=0.95, n=15)
    at_least = Estimate(value=0.0, lo=0.0, hi=0.204, level=0.95, n=15)
    assert figures.estimate_forms(at_most, figures.scale_of(SHARE))[0] == "100% ≥80%"
    assert figures.estimate_forms(at_least, figures.scale_of(SHARE))[0] == "0% ≤20%"


@pytest.mark.parametrize(
    ("effect", "of", "expected"),
    [
        (ratio(0.769, 0.727, 0.811), SECONDS, ("-23% (-27 to -19)", "-23% ±4", "-23%")),
        (ratio(6.26, 5.88, 6.66), SECONDS, ("6.3x (5.9 to 6.7)", "6.3x ±0.4", "6.3x")),
        (ratio(0.70, 0.46, 0.94), SECONDS, ("-30% (-54 to -6)", "-30% ±24", "-30%")),
        (ratio(1.0), SECONDS, ("0% ±—", "0%")),
        (ratio(1.2, 1.1, None), SECONDS, ("+20% (+10 to ?)", "+20% ±—", "+20%")),
        (difference(-0.0167, -0.05, 0.017), SHARE, ("-2 pts (-5 to +2)", "-2 pts ±3", "-2 pts")),
        (difference(0.8, 0.5, 1.1), COUNT, ("+0.8 (+0.5 to +1.1)", "+0.8 ±0.3", "+0.8")),
        (difference(-0.0021, -0.003, -0.0012), DOLLARS, ("-$0.0021 (-0.0030 to -0.0012)", "-$0.0021 ±0.0009", "-$0.0021")),
        (ratio(None), SECONDS, ("—",)),
    ],
)
def test_an_effect_is_a_percentage_a_multiple_or_points(effect, of, expected):
    """Each form says the same thing, shorter."""
    assert figures.effect_forms(effect, of) == expected


def test_a_lopsided_interval_does_not_look_tighter_than_it_is():
    """The ± form takes the wider side."""
    assert figures.effect_forms(ratio(0.70, 0.68, 0.80), SECONDS)[1] == "-30% ±10"


@pytest.mark.parametrize(
    ("effect", "forms"),
    [
        (ratio(0.8895, 0.7707, 0.9964), ("-11% (-23 to -0.4)", "-11% (-23..-0.4)", "-23..-0.4%", "-11%")),
        (ratio(0.61, 0.01, 37.12), ("-39% (-99 to +3,612)", "-39% (-99..+3.6k)", "-99..+3.6k%", "-39%")),
        (ratio(0.16, 0.03, 0.80), ("-84% (-97 to -20)", "-84% (-97..-20)", "-97..-20%", "-84%")),
        (ratio(0.5, 1e-6, 36_001.0), ("-50% (-100 to +3,600,000)", "-50% (-100..+3.6M)", "-100..+3.6M%", "-50%")),
        (ratio(3.2, 0.2, 40.0), ("3x (0.2 to 40)", "3x (0.2..40)", "0.2..40x", "3x")),
        (ratio(2.0, 1.2, 2.95), ("+100% (+20 to +195)", "+100% ±95", "+100%")),
    ],
)
def test_a_lopsided_ratio_never_seems_to_reach_below_nothing(effect, forms):
    """-39% ±3,651 would be less than -100%, and -11% ±12 would reach no effect: the interval is written in short instead."""
    assert figures.effect_forms(effect, TOKENS) == forms


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (ratio(0.16, 0.13, 0.19), "84% less time (range 81% to 87%)"),
        (ratio(1.12, 1.05, 1.2), "12% more time (range 5% to 20%)"),
        (ratio(6.26, 5.9, 6.7), "6.3x the time (range 5.9 to 6.7)"),
        (ratio(0.7), "30% less time"),
        (ratio(1.0, 0.9, 1.1), "equal time"),
        (ratio(None), "time —"),
    ],
)
def test_an_effect_in_words(effect, expected):
    """A reader who knows no statistics gets a sentence, its interval the right way round."""
    assert figures.effect_words(effect, SECONDS, "time", "{} less time", "{} more time") == expected


@pytest.mark.parametrize(
    ("p", "expected"), [(0.00002, "<0.001"), (0.0214, "0.021"), (0.64, "0.64"), (1.0, "1.00"), (None, "—"), (math.nan, "—")]
)
def test_a_p_value_has_the_digits_a_decision_needs(p, expected):
    """Very small is small enough."""
    assert figures.p_value(p) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, "100%"), (0.99999, ">99.9%"), (0.9917, "99.2%"), (0.0, "0.0%"), (0.0001, "<0.1%")]
)
def test_all_and_none_are_not_rounded_to(share, expected):
    """100 % is said only where it is all."""
    assert figures.percentage(share) == expected


numbers = st.one_of(st.none(), st.floats(-1e12, 1e12), st.sampled_from([math.nan, math.inf, -math.inf]))


def test_a_wide_half_is_written_in_the_unit():
    """Beyond ten times the value a percentage says nothing, and for a value next to nothing it has no end."""
    for value in (0.001, 2.2e-309):
        wide = figures.estimate_forms(Estimate(value=value, lo=0.0, hi=1.0, level=0.95, n=5), figures.scale_of(SECONDS, 1.0))
        assert "±1" in wide[0]
        assert "%" not in wide[0]


@given(value=numbers, lo=numbers, hi=numbers, of=st.sampled_from([SECONDS, TOKENS, DOLLARS, SHARE, COUNT, None]))
@example(value=0.0, lo=5e-324, hi=1e-323, of=TOKENS)
@example(value=1.0, lo=1.0, hi=1.0 + 5e-324, of=TOKENS)
@example(value=5e-324, lo=0.0, hi=5e-324, of=TOKENS)
def test_no_number_is_ever_written_as_nan(value, lo, hi, of):
    """Whatever arrives, a number that does not exist is a dash."""
    given_estimate = Estimate(value=value, lo=lo, hi=hi, level=0.95, n=5)
    forms = figures.estimate_forms(given_estimate, figures.scale_of(of, value))
    forms += figures.effect_forms(Effect(kind="difference", value=value, lo=lo, hi=hi, level=0.95), of)
    assert not any(word in form.lower() for form in forms for word in ("nan", "inf"))


def test_an_end_next_to_zero_is_zero():
    """A number far below what its interval supports is written as 0, however small it is."""
    effect = Effect(kind="difference", value=0.06, lo=5e-310, hi=0.12, level=0.95)
    assert figures.effect_forms(effect, SHARE)[0] == "+6 pts (0 to +12)"
    assert figures.amount(5e-310, figures.Scale()) == "0"


def test_totals_below_a_dollar_have_two_digits():
    """A zero at the end too, as people write amounts."""
    assert [figures.usd(amount) for amount in (0.0, 0.0043, 0.1, 0.25, 1.5, 1234.0)] == [
        "$0.00", "$0.0043", "$0.10", "$0.25", "$1.50", "$1,234.00",
    ]  # fmt: skip
