"""From raw records to Parquet: every trial read, measured and written, again whenever the readers change. It asks no server.

Why batches: the ledger yields one trial at a time and Parquet takes one row group at a time, so memory does not grow with the
run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import polars as pl
import pyarrow as pa

from uderia_bench import checks
from uderia_bench import metrics as metric_registry
from uderia_bench import profile_types as type_registry
from uderia_bench.checks import Expected, Round
from uderia_bench.errors import MetricFailed
from uderia_bench.expectations import Check
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
    ("turn", pa.int64()),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a record becomes rows: what is measured, who reads it, what was expected of its answer."""

    run_id: str
    metrics: tuple[Metric, ...]
    types: tuple[ProfileType, ...]
    expected: Expected = field(default_factory=Expected)
    others: Mapping[Round, Mapping[str, str]] = field(default_factory=dict)

    def read(self, record: TrialRecord) -> tuple[dict[str, Any], tuple[Check, ...]]:
        """Return a trial's row (identity, who served it, how it ended, when, every metric) and its checks."""
        trace, judged = self.expected.judged(record.trial, type_registry.read(record, self.types), self.others)
        try:
            observed = metric_registry.observe(trace, self.metrics)
        except MetricFailed as error:
            raise MetricFailed(f"trial {record.trial.trial_id}: {error}") from error
        return {**_identity(record, self.run_id), **_served(record, trace), **_ended(record, trace), **observed}, judged


def run(
    directory: RunDirectory,
    *,
    metrics: tuple[Metric, ...],
    types: tuple[ProfileType, ...],
    expected: Expected | None = None,
) -> int:
    """Derive one run's Parquet (``trials``, ``checks``) from its ledger and return the number of trials.

    Raises ``MetricFailed``, naming metric and trial, where a metric fails; what was derived before stays.
    """
    expected = expected or Expected()
    with (
        Ledger.open(directory.ledger) as ledger,
        directory.table("trials", schema(metrics)) as write_trials,
        directory.table("checks", checks.SCHEMA) as write_checks,
    ):
        reading = Reading(
            run_id=directory.run_id,
            metrics=metrics,
            types=types,
            expected=expected,
            others=_referenced(ledger, expected, types),
        )
        count = 0
        for batch in _batches(ledger.records()):
            read = [(record, *reading.read(record)) for record in batch]
            write_trials(_frame([row for _, row, _ in read], schema(metrics)))
            judged = [row for record, _, found in read for row in checks.rows(directory.run_id, record.trial, found)]
            write_checks(_frame(judged, checks.SCHEMA))
            count += len(batch)
    return count


def _referenced(ledger: Ledger, expected: Expected, types: tuple[ProfileType, ...]) -> Mapping[Round, Mapping[str, str]]:
    """Read the answers that other queries' answers are compared with."""
    wanted = expected.references
    records = ledger.records(wanted) if wanted else ()
    return checks.plain_answers((record.trial, type_registry.read(record, types)) for record in records)


def _batches(records: Iterable[TrialRecord]) -> Iterator[list[TrialRecord]]:
    """Yield records in lists of at most ``ROWS_A_GROUP``; at least one list, so that an empty run has its columns too."""
    source = iter(records)
    yield list(islice(source, ROWS_A_GROUP))
    while batch := list(islice(source, ROWS_A_GROUP)):
        yield batch


def _frame(rows: list[dict[str, Any]], wanted: pa.Schema) -> pl.DataFrame:
    columns: dict[str, Any] = dict(pl.DataFrame(wanted.empty_table()).schema)
    return pl.DataFrame({name: [row[name] for row in rows] for name in columns}, schema=columns, strict=True)


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
