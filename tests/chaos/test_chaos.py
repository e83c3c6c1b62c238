"""A few rounds of ``make chaos``: random faults and kills lose no trial."""

from __future__ import annotations

import pytest
from chaos.chaos import play

QUICK = (0, 1, 6, 10, 12)  # of the first fourteen those that take 20 s at most; make chaos takes them as they come


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", QUICK)
def test_no_trial_is_lost_and_no_query_is_uncounted(tmp_path, seed):
    """Every planned trial has a row, answers stay, extra queries are counted, and outcomes match the server."""
    played = play(seed, tmp_path)
    assert played.wrong == []
    assert played.outcomes.total() == 24
