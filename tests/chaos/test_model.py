"""A few schedules of the model of shared runs, and the seeds by which each broken rule is caught."""

from __future__ import annotations

import pytest
from chaos import model

SEEDS = {"wait": 139, "own-clock": 663, "claim": 0, "create-only": 13, "open": 530, "look": 56}


def test_no_schedule_breaks_the_protocol():
    """``python -m chaos.model`` plays millions; in these, workers crash and pause, and the store fails in three ways."""
    schedules, _, troubles, violation = model.many(0, 300)
    assert violation is None
    assert schedules == 300
    assert set(troubles) == {"crash", "pause", "refused", "lost", "late"}


@pytest.mark.parametrize("rule", model.RULES)
def test_a_protocol_without_one_of_its_rules_is_caught(rule):
    """Each of them is needed."""
    with pytest.raises(model.Violation):
        model.play(SEEDS[rule], rule)
