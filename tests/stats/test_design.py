"""The chance of a verdict of a design: known cases, and the search for the smallest sufficient one."""

from math import log

import pytest

from uderia_bench.stats.design import Rule, Spread, expect, fewest
from uderia_bench.stats.looks import WANG_TSIATIS, equal_shares

TEN = Rule(shares=equal_shares(10), asked=equal_shares(10), shape=WANG_TSIATIS, alpha=0.05)
LATENCY = Spread(margin=log(1.1), variance=0.2025)


def test_the_figures_of_the_product_are_met():
    """346 queries once, as ``tests/calibration/looks.py`` runs them: 65 % asked without a difference, 54 % at -10 %."""
    none, less = (expect(TEN, [LATENCY], effect=effect, queries=346) for effect in (0.0, log(0.9)))
    assert (none.rate, none.asked) == pytest.approx((0.94, 0.655), abs=0.02)
    assert (less.rate, less.asked) == pytest.approx((0.81, 0.55), abs=0.03)


def test_a_single_look_is_a_fixed_design():
    """Without looks everything is asked, and an effect far beyond the margin is always found."""
    fixed = Rule(shares=(1.0,), asked=(1.0,), shape=WANG_TSIATIS, alpha=0.05)
    found = expect(fixed, [LATENCY], effect=log(0.7), queries=200)
    assert (found.rate, found.asked) == (1.0, 1.0)


def test_more_metrics_and_an_uncertain_spread_make_a_verdict_rarer():
    """Two metrics must both be decided, and a variance from 30 queries may be larger than it looks."""
    one, two = (expect(TEN, [LATENCY] * count, effect=0.0, queries=300).rate for count in (1, 2))
    pilot = Spread(margin=LATENCY.margin, variance=LATENCY.variance, freedom=29)
    assert two < one
    assert expect(TEN, [pilot], effect=0.0, queries=346).rate < expect(TEN, [LATENCY], effect=0.0, queries=346).rate


def test_looks_for_one_verdict_do_not_stop_at_the_other():
    """A rule for differences asks everything where there is none."""
    only = Rule(shares=TEN.shares, asked=TEN.asked, shape=TEN.shape, alpha=TEN.alpha, equivalence=False)
    assert expect(only, [LATENCY], effect=0.0, queries=346).asked > 0.98


@pytest.mark.parametrize("wanted", [16, 17, 100, 4095, 4096])
def test_the_fewest_are_found(wanted):
    """By doubling and halving; None where even the most are too few."""
    assert fewest(lambda number: number >= wanted, least=16, most=4096) == wanted
    assert fewest(lambda number: number >= 5000, least=16, most=4096) is None
