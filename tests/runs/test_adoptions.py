"""The tests of one output directory, and what each declares before its first trial."""

from dataclasses import replace

import pytest

from uderia_bench.errors import StoreError
from uderia_bench.runs import adoptions
from uderia_bench.runs.lock import Lock
from uderia_bench.stats.online import level

LOCK = Lock(
    run="r",
    source="r",
    arm="OPTIM",
    metric="cost_usd",
    margin=0.05,
    candidates={"fewer-tools": {"fields": {"tools": ["a"]}}},
    screen=("q1",),
    confirm=("q2",),
    repeats=1,
    level=0.03,
    test=1,
)


def test_each_test_gets_the_level_that_the_results_before_it_leave(tmp_path):
    """One without a result counts as one that adopted nothing. A test that is noted again keeps its level."""
    assert adoptions.count(tmp_path) == 0
    first = adoptions.begin(tmp_path, "one")
    assert (first.number, first.level) == (1, level([], adoptions.ALPHA))
    adoptions.end(tmp_path, "one", ["fewer-tools"])
    second = adoptions.begin(tmp_path, "two")
    assert second == adoptions.Test(number=2, level=level([True], adoptions.ALPHA))
    assert adoptions.begin(tmp_path, "two") == second
    assert adoptions.begin(tmp_path, "three").level == level([True, False], adoptions.ALPHA)
    adoptions.end(tmp_path, "two", ["llm-x"])
    assert adoptions.begin(tmp_path, "four").level == level([True, True, False], adoptions.ALPHA)
    assert adoptions.count(tmp_path) == 4


def test_a_file_that_is_no_list_of_tests_is_an_error(tmp_path):
    """The message names the file."""
    (tmp_path / adoptions.FILE).write_text("not a database, whatever it is called" * 10)
    with pytest.raises(StoreError, match=r"adoptions\.sqlite: cannot note the test"):
        adoptions.begin(tmp_path, "one")


def test_a_declaration_that_was_changed_confirms_nothing():
    """Another level, another change or other queries no longer have the hash."""
    sealed = LOCK.sealed()
    assert sealed.after("s").screened == "s"
    for changed in ({"level": 0.05}, {"confirm": ("q1", "q2")}, {"candidates": {}}):
        with pytest.raises(StoreError, match="its declaration was changed"):
            replace(sealed, **changed).after("s")
