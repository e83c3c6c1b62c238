"""The estimate of a run that stopped early, without the bias of stopping."""

from math import log

import numpy as np
import pytest

from uderia_bench.stats.looks import OBRIEN_FLEMING, WANG_TSIATIS, equal_shares
from uderia_bench.stats.stopped import StoppingRule, median_unbiased

SHARES = equal_shares(5)
THREE_WAY = StoppingRule(shares=SHARES, shape=WANG_TSIATIS, margin=log(1.1), tail=0.025, equivalence_tail=0.05)
ERROR = 0.45 / 346**0.5  # of the whole plan


def stopped(effect, rng):
    """Walk to the look that stops; return the estimate, its standard error and the look."""
    steps = rng.normal(0, np.sqrt(np.diff([0, *SHARES])))
    estimates = effect + ERROR * steps.cumsum() / np.array(SHARES)
    for look, (estimate, share) in enumerate(zip(estimates, SHARES, strict=True), start=1):
        error = ERROR / share**0.5
        if look == len(SHARES) or not any(lo < estimate < hi for lo, hi in THREE_WAY.goes_on(look, error)):
            return estimate, error, look
    raise AssertionError


@pytest.mark.no_cover
@pytest.mark.parametrize("effect", [0.0, log(0.9), log(0.8)])
def test_half_of_the_corrected_estimates_lie_above_the_truth(effect):
    """In 400 runs, with and without an effect, to the noise of counting."""
    rng = np.random.default_rng(2)
    runs = [stopped(effect, rng) for _ in range(400)]
    above = [median_unbiased(estimate, error, look=look, rule=THREE_WAY) > effect for estimate, error, look in runs]
    assert np.mean(above) == pytest.approx(0.5, abs=0.06)


def test_an_early_stop_for_a_difference_is_corrected_towards_none_and_mirrored():
    """An estimate that just crosses the boundary moves towards 0; the mirrored estimate moves as far."""
    error = ERROR / SHARES[1] ** 0.5
    corrected = median_unbiased(-0.16, error, look=2, rule=THREE_WAY)
    assert -0.16 < corrected < -0.13
    assert median_unbiased(0.16, error, look=2, rule=THREE_WAY) == pytest.approx(-corrected, abs=1e-5)


def test_nothing_is_corrected_without_looks_or_without_a_spread():
    """A single look is a fixed plan, and equal differences have no noise."""
    alone = StoppingRule(shares=(1.0,), shape=OBRIEN_FLEMING, margin=0.1, tail=0.025)
    assert median_unbiased(-0.2, 0.05, look=1, rule=alone) == -0.2
    assert median_unbiased(-0.2, 0.0, look=1, rule=THREE_WAY) == -0.2


def test_a_rule_for_differences_alone_has_one_interval_in_which_it_goes_on():
    """With equivalence there are two, once the margin is wide enough; without differences the outer one has no end."""
    only = StoppingRule(shares=SHARES, shape=OBRIEN_FLEMING, margin=0.0, tail=0.025)
    ((lo, hi),) = only.goes_on(1, 0.1)
    assert lo == -hi
    assert hi == pytest.approx(0.456, abs=0.001)
    assert len(THREE_WAY.goes_on(1, ERROR / SHARES[0] ** 0.5)) == 1
    assert len(THREE_WAY.goes_on(4, ERROR / SHARES[3] ** 0.5)) == 2
    inwards = StoppingRule(shares=SHARES, shape=WANG_TSIATIS, margin=0.1, tail=0.0, equivalence_tail=0.05)
    assert inwards.goes_on(5, 0.01)[-1][1] == float("inf")
    assert -0.1 < median_unbiased(0.02, 0.03, look=4, rule=inwards) < 0.1


def test_an_effect_of_many_standard_errors_needs_no_correction():
    """Forty standard errors from 0, no other look could have been the one that stops."""
    ten = StoppingRule(shares=equal_shares(10), shape=WANG_TSIATIS, margin=log(1.1), tail=0.025, equivalence_tail=0.05)
    for estimate in (-8.0, -2.0, 2.0, 8.0):
        assert median_unbiased(estimate, 0.1, look=1, rule=ten) == pytest.approx(estimate, abs=0.001)
        assert median_unbiased(estimate, 0.1, look=10, rule=ten) == pytest.approx(estimate, abs=0.2)
