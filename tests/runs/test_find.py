"""Trials of a plan, found by the beginning of their ids."""

from __future__ import annotations

import pytest
import traces

from uderia_bench.errors import UsageError
from uderia_bench.runs import find

IDS = ("users-OPTIM-r1-1f3e66a2", "users-OPTIM-r10-1f3e66a2", "users-OPTIM-r11-1f3e66a2", "users")
PLAN = [traces.trial(trial_id=name) for name in IDS]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("users", 3), ("users-OPTIM-r1", 0), ("users-OPTIM-r10", 1), ("users-OPTIM-r11-1f", 2), ("users-OPTIM-r1-1f3e66a2", 0)],
)
def test_a_whole_id_and_whole_words_come_before_longer_ids(wanted, found):
    """The first repeat is found also where there are ten of them."""
    assert find.trial(wanted, PLAN) is PLAN[found]


@pytest.mark.parametrize("wanted", ["users-OPTIM", "user"])
def test_a_beginning_of_several_ids_is_an_error_with_some_of_them(wanted):
    """The reader picks one."""
    with pytest.raises(UsageError, match=f"trials begin with '{wanted}': users"):
        find.trial(wanted, PLAN)
