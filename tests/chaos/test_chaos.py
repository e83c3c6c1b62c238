"""A few rounds of ``make chaos``: random faults and kills lose no trial."""

from __future__ import annotations

import pytest
from chaos.chaos import play

QUICK = (1, 10, 12)  # each takes 20 s at most, and together they have 18 kinds of faults


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", QUICK)
def test_no_trial_is_lost_and_no_query_is_uncounted(tmp_path, seed):
    """Every planned trial has a row, answers stay, extra queries are counted, and outcomes match the server."""
    played = play(seed, tmp_path)
    assert played.wrong == []
    assert played.outcomes.total() == 24
