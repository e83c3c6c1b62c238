"""What memory is worth is found where it is, and nothing is found where it is not: a small part of the calibration."""

from __future__ import annotations

import pytest
from calibration import memories


def test_a_saving_is_found_and_a_run_without_one_has_no_verdict():
    """One seed each; the guide has the shares of a hundred."""
    assert memories.effect_covered(0) == (True, True, True)
    assert not memories.any_verdict(1)


def test_warm_trials_compared_with_cold_ones_are_misled_by_drift():
    """A model that answers ever shorter looks like a memory that saves tokens. The arms of the same data do not."""
    assert memories.before_after_misled(0)


def test_the_score_has_the_use_the_curve_and_the_balance():
    """Use is a share of trials, an effect per found plan is larger than one per trial, and every repeat has its effect."""
    score = memories.scored(1, saving=0.2)
    assert score.use.found.value == pytest.approx(memories.USED, abs=0.06)
    assert (score.use.exact, score.use.near.value) == (score.use.found, 0.0)
    assert score.use.cases == memories.QUERIES
    (planning,) = [one for one in score.comparisons if one.metric == "strategic_tokens"]
    assert score.per_use["strategic_tokens"].value == pytest.approx(planning.effect.value / score.use.found.value, rel=0.02)
    assert [part.part for part in score.curve] == ["1", "2", "3", "4"]
    assert all(part.effects["strategic_tokens"].value < 0 for part in score.curve)
    assert score.repaid == 1
    assert score.balance.value == pytest.approx(4 * planning.effect.value, rel=0.5)
