"""Identity columns of a trial, with which every table begins, so that the tables join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from uderia_bench.reading.tables.columns import COUNT, NUMBER, TEXT, TEXTS, column
from uderia_bench.trial import Trial

EVERY = (
    column("run_id", TEXT, "Id of the run."),
    column("trial_id", TEXT, "Id of the trial, unique in the run."),
    column("seq", COUNT, "Position of the trial in the plan."),
    column("block", COUNT, "Number of the block: one query and repeat on all arms."),
    column("stage", TEXT, "`warmup` or `measured`."),
    column("query_id", TEXT, "Id of the query; it pairs arms and runs."),
    column("complexity", TEXT, "Class of the query."),
    column("tags", TEXTS, "Tags of the query."),
    column("arm", TEXT, "Name of the arm."),
    column("repeat", COUNT, "Number of the repeat, from 1."),
    column("turn", COUNT, "Turn of the conversation, from 1."),
    column("level", NUMBER, "Level of a load sweep; null without a sweep."),
    column("window", COUNT, "Time window: one turn of an arm on its server. Numbers rise in the order of sending."),
    column("group", TEXT, "Group of queries that depend on each other; null for a query on its own."),
    column("weight", NUMBER, "How much the query counts in estimates; null where all count the same."),
)
"""Identity columns of the table ``trials``."""

_BY_NAME = {each.name: each for each in EVERY}
COLUMNS = (
    *(_BY_NAME[name] for name in ("run_id", "trial_id", "query_id", "turn", "arm", "stage", "repeat")),
    column("server", TEXT, "Name of the server that was asked."),
)
"""Identity columns of every other table."""


def of(run_id: str, trial: Trial, columns: Sequence[pa.Field] = COLUMNS) -> dict[str, Any]:
    """Return the values of identity columns for one trial."""
    other = {"run_id": run_id, "stage": trial.stage.value, "tags": list(trial.tags)}
    return {each.name: other[each.name] if each.name in other else getattr(trial, each.name) for each in columns}
