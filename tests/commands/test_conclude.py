"""``conclude``: which trials a report counts."""

import polars as pl
from frames import grid, noisy
from runs import saved

from uderia_bench import plugins
from uderia_bench.commands import conclude
from uderia_bench.trial import Outcome


def test_trials_that_were_cancelled_because_the_run_stopped_do_not_count(tmp_path):
    """They are not failures of the arm. In a finished run a cancelled trial counts as any other."""
    frame = grid(queries=8, repeats=2, value=noisy())
    ended = ["cancelled" if number % 5 == 0 else "answered" for number in range(frame.height)]
    named = pl.int_range(pl.len()).cast(pl.String).alias("trial_id")
    frame = frame.with_columns(named, pl.Series("outcome", ended))
    cancelled = frame.filter(pl.col("outcome") == "cancelled").height
    cut = conclude.report_on(saved(tmp_path, "cut", frame, state="interrupted"), plugins.load())
    assert sum(arm.trials for arm in cut.analysis.arms) == frame.height - cancelled
    assert all(Outcome.CANCELLED.value not in arm.outcomes or not arm.outcomes["cancelled"] for arm in cut.analysis.arms)
    said = f"{cancelled} trials were cancelled when the run stopped. Cancelled trials do not count, and resume asks them again."
    assert said in cut.facts.notes
    whole = conclude.report_on(saved(tmp_path, "whole", frame), plugins.load())
    assert sum(arm.trials for arm in whole.analysis.arms) == frame.height
    assert whole.facts.notes == ()
