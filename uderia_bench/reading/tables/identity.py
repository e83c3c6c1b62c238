"""Which trial a row is about: the columns that every table beside ``trials`` begins with, so that they join."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from uderia_bench.trial import Trial

COLUMNS = (
    ("run_id", pa.string()),
    ("trial_id", pa.string()),
    ("query_id", pa.string()),
    ("turn", pa.int64()),
    ("arm", pa.string()),
    ("stage", pa.string()),
    ("repeat", pa.int64()),
)


def of(run_id: str, trial: Trial) -> dict[str, Any]:
    """Return the values of ``COLUMNS`` for one trial."""
    own = {name: getattr(trial, name) for name, _ in COLUMNS if name not in ("run_id", "stage")}
    return {"run_id": run_id, "stage": trial.stage.value, **own}
