"""From raw records to Parquet: every trial read, measured and written, again whenever the readers change. It asks no server.

Why batches: the ledger yields one trial at a time and Parquet takes one row group at a time, so memory does not grow with the
run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import polars as pl
import pyarrow as pa

from uderia_bench import metrics as metric_registry
from uderia_bench import profile_types as type_registry
from uderia_bench.errors import MetricFailed
from uderia_bench.ledger import Ledger
from uderia_bench.metrics.metric import Metric
from uderia_bench.profile_types import ProfileType
from uderia_bench.store import RunDirectory
from uderia_bench.trace import Trace
from uderia_bench.trial import TrialRecord

ROWS_A_GROUP = 2_000  # a row group small enough to hold and large enough to compress

_UTC = pa.timestamp("us", tz="UTC")
IDENTITY = (
    ("run_id", pa.string()),
    ("trial_id", pa.string()),
    ("seq", pa.int64()),
    ("block", pa.int64()),
    ("stage", pa.string()),
    ("query_id", pa.string()),
    ("complexity", pa.string()),
    ("tags", pa.list_(pa.string())),
    ("arm", pa.string()),
    ("repeat", pa.int64()),
)
SERVED = (
    ("server", pa.string()),
    ("profile_id", pa.string()),
    ("profile_tag", pa.string()),
    ("profile_type", pa.string()),
    ("execution_path", pa.string()),
    ("provider", pa.string()),
    ("model", pa.string()),
    ("models_used", pa.list_(pa.string())),
    ("session_id", pa.string()),
    ("task_id", pa.string()),
)
ENDED = (
    ("outcome", pa.string()),
    ("outcome_detail", pa.string()),
    ("attempts", pa.int64()),
    ("polls", pa.int64()),
    ("notes", pa.list_(pa.string())),
    ("unclassified", pa.int64()),
)
WHEN = (("due_at", _UTC), ("sent_at", _UTC), ("accepted_at", _UTC), ("done_at", _UTC))
FIXED = (*IDENTITY, *SERVED, *ENDED, *WHEN)
_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


def schema(metrics: tuple[Metric, ...]) -> pa.Schema:
    """Return the Arrow schema of the trials: the fixed columns of contract.md, then one a metric with its unit and doc."""
    fixed = [pa.field(name, kind) for name, kind in FIXED]
    measured = [
        pa.field(
            metric.name, _ARROW[metric.kind], metadata={"unit": metric.unit, "doc": metric.doc, "direction": metric.direction}
        )
        for metric in metrics
    ]
    return pa.schema([*fixed, *measured], metadata={"schema": "uderia-bench/trials/1"})


def run(directory: RunDirectory, *, metrics: tuple[Metric, ...], types: tuple[ProfileType, ...]) -> int:
    """Derive one run's Parquet from its ledger and return the number of trials.

    Raises ``MetricFailed``, naming metric and trial, where a metric fails; what was derived before stays.
    """
    wanted = schema(metrics)
    count = 0
    with Ledger.open(directory.ledger) as ledger, directory.table("trials", wanted) as write:
        for frame in frames(ledger.records(), run_id=directory.run_id, metrics=metrics, types=types):
            write(frame)
            count += frame.height
    return count


def frames(
    records: Iterable[TrialRecord], *, run_id: str, metrics: tuple[Metric, ...], types: tuple[ProfileType, ...]
) -> Iterator[pl.DataFrame]:
    """Yield the trials as frames of at most ``ROWS_A_GROUP`` rows; at least one, so that an empty run has its columns too."""
    columns: dict[str, Any] = dict(pl.DataFrame(schema(metrics).empty_table()).schema)
    empty = True
    source = iter(records)
    while batch := list(islice(source, ROWS_A_GROUP)):
        empty = False
        rows = [row(record, run_id=run_id, metrics=metrics, types=types) for record in batch]
        yield pl.DataFrame({name: [line[name] for line in rows] for name in columns}, schema=columns, strict=True)
    if empty:
        yield pl.DataFrame(schema=columns)


def row(record: TrialRecord, *, run_id: str, metrics: tuple[Metric, ...], types: tuple[ProfileType, ...]) -> dict[str, Any]:
    """Return one trial's row: identity, who served it, how it ended, when, and every metric."""
    trace = type_registry.read(record, types)
    try:
        observed = metric_registry.observe(trace, metrics)
    except MetricFailed as error:
        raise MetricFailed(f"trial {record.trial.trial_id}: {error}") from error
    return {**_identity(record, run_id), **_served(record, trace), **_ended(record, trace), **observed}


def _identity(record: TrialRecord, run_id: str) -> dict[str, Any]:
    trial = record.trial
    own = {name: getattr(trial, name) for name, _ in IDENTITY if name not in ("run_id", "stage", "tags")}
    return {"run_id": run_id, "stage": trial.stage.value, "tags": list(trial.tags), **own}


def _served(record: TrialRecord, trace: Trace) -> dict[str, Any]:
    """Who answered. Tag, type and models are the turn's own; where no turn says, the arm's configuration stands in."""
    return {
        "server": record.expected.server,
        "profile_id": record.expected.profile_id,
        "profile_tag": trace.profile_tag or record.expected.profile_tag,
        "profile_type": trace.profile_type or record.expected.profile_type,
        "execution_path": trace.execution_path,
        "provider": trace.provider,
        "model": trace.model,
        "models_used": list(trace.models_used),
        "session_id": record.session_id,
        "task_id": record.task_id,
    }


def _ended(record: TrialRecord, trace: Trace) -> dict[str, Any]:
    return {
        "outcome": trace.outcome.value,
        "outcome_detail": trace.outcome_detail,
        "attempts": record.attempts,
        "polls": record.polls,
        "notes": list(trace.notes),
        "unclassified": trace.unclassified,
        **{name: getattr(record, name) for name, _ in WHEN},
    }
