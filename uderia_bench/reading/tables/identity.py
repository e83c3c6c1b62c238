"""Identity columns of a trial, with which every table other than ``trials`` begins, so that the tables join."""

from __future__ import annotations

from typing import Any

from uderia_bench.reading.tables.columns import COUNT, TEXT, column
from uderia_bench.trial import Trial

COLUMNS = (
    column("run_id", TEXT, "Id of the run."),
    column("trial_id", TEXT, "Id of the trial, unique in the run."),
    column("query_id", TEXT, "Id of the query; it pairs arms and runs."),
    column("turn", COUNT, "Turn of the conversation, from 1."),
    column("arm", TEXT, "Name of the arm."),
    column("stage", TEXT, "`warmup` or `measured`."),
    column("repeat", COUNT, "Number of the repeat, from 1."),
)


def of(run_id: str, trial: Trial) -> dict[str, Any]:
    """Return the values of ``COLUMNS`` for one trial."""
    own = {each.name: getattr(trial, each.name) for each in COLUMNS if each.name not in ("run_id", "stage")}
    return {"run_id": run_id, "stage": trial.stage.value, **own}
