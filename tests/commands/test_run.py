"""Starting a run: the id of a run that was not given one."""

from __future__ import annotations

from uderia_bench.commands.run import unnamed


def test_runs_that_start_in_one_second_have_ids_with_numbers(tmp_path):
    """A second run must not fail because a first one has just begun."""
    made = [unnamed(tmp_path, "20260101-000000-small").run_id for _ in range(4)]
    assert made == [
        "20260101-000000-small",
        "20260101-000000-small-2",
        "20260101-000000-small-3",
        "20260101-000000-small-4",
    ]
