"""A few of the rounds of ``make chaos``: random faults, random kills, and nothing lost."""

from __future__ import annotations

import pytest
from chaos.chaos import play

QUICK = (0, 1, 6, 10, 12)  # of the first fourteen those that take 20 s at most; make chaos takes them as they come


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", QUICK)
def test_nothing_is_lost_and_nothing_is_asked_uncounted(tmp_path, seed):
    """Planned rows are rows, answers stay, every extra query is counted, answered is what the server calls answered."""
    played = play(seed, tmp_path)
    assert played.wrong == []
    assert played.outcomes.total() == 24
