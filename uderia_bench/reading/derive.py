"""Derive a run's Parquet tables from its ledger: read, measure and check every trial. It does not contact a server.

Rows are written in batches, one row group each, so that memory does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

import polars as pl
import pyarrow as pa

from uderia_bench.errors import DetectorFailed, ExpectationFailed, MetricFailed
from uderia_bench.reading import detectors as detector_registry
from uderia_bench.reading import foreign_tools
from uderia_bench.reading import metrics as metric_registry
from uderia_bench.reading import processes as parallel
from uderia_bench.reading import profile_types as type_registry
from uderia_bench.reading.detectors import Detector, Thresholds
from uderia_bench.reading.expected import Expected, Round, plain_answers
from uderia_bench.reading.foreign_tools import Plan, Span, Suspicion
from uderia_bench.reading.judge import matches
from uderia_bench.reading.judge.matches import Preferred
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.reading.pricing import PriceTable, priced
from uderia_bench.reading.profile_types import ProfileType
from uderia_bench.reading.tables import agreement, checks, identity, issues, preferences, steps
from uderia_bench.reading.tables.columns import COUNT, TEXT, TEXTS, TIME, column
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trace import Trace
from uderia_bench.trial import TrialRecord

ROWS_A_GROUP = 2_000  # trials per row group: small enough for memory and large enough to compress
ROWS_A_FRAME = 200  # trials that make a frame, while other processes derive the next ones
Columns = dict[str, list[Any]]
"""Columns of a table, by name."""

SERVED = (
    column("server", TEXT, "Address of the server that was asked."),
    column("profile_id", TEXT, "Id of the profile that was asked for."),
    column("profile_tag", TEXT, "Tag of the profile that served the trial."),
    column("profile_type", TEXT, "Type of that profile."),
    column("execution_path", TEXT, "The engine that ran."),
    column("provider", TEXT, "LLM provider of the turn."),
    column("model", TEXT, "Model of the turn."),
    column("models_used", TEXTS, "Every provider and model that took part in the session."),
    column("session_id", TEXT, "Id of the session on the server."),
    column("task_id", TEXT, "Id of the task on the server."),
    column("rag_case", TEXT, "Id of the stored case that the planner retrieved first."),
)
ENDED = (
    column("outcome", TEXT, "How the trial ended."),
    column("outcome_detail", TEXT, "The reason, in words."),
    column("attempts", COUNT, "How often the query was sent."),
    column("polls", COUNT, "How often the task was polled."),
    column("notes", TEXTS, "Remarks on how the trial was asked."),
    column("unclassified", COUNT, "Number of unknown events and messages of the server."),
)
WHEN = (
    column("due_at", TIME, "When the trial was due."),
    column("sent_at", TIME, "When its query was sent."),
    column("accepted_at", TIME, "When the server accepted it."),
    column("done_at", TIME, "When its end was seen."),
)
FIXED = (*identity.EVERY, *SERVED, *ENDED, *WHEN)
_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


def schema(metrics: tuple[Metric, ...]) -> pa.Schema:
    """Return the Arrow schema of the trials: the fixed columns, then one per metric."""
    measured = [
        pa.field(
            metric.name, _ARROW[metric.kind], metadata={"unit": metric.unit, "doc": metric.doc, "direction": metric.direction}
        )
        for metric in metrics
    ]
    return pa.schema([*FIXED, *measured], metadata={"schema": "uderia-bench/trials/1"})


Table = TypeVar("Table", Columns, pl.DataFrame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Generic[Table]):
    """What was derived of some trials: their rows by table, and their planning calls and times."""

    trials: int
    tables: dict[str, Table]
    plans: list[Plan]
    spans: list[Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything that turns a record into rows: metrics, profile types, detectors, expectations and prices."""

    run_id: str = ""
    metrics: tuple[Metric, ...] = metric_registry.BUILT_IN
    types: tuple[ProfileType, ...] = type_registry.BUILT_IN
    detectors: tuple[Detector, ...] = detector_registry.BUILT_IN
    thresholds: Thresholds = detector_registry.DEFAULTS
    expected: Expected = field(default_factory=Expected)
    prices: PriceTable = field(default_factory=PriceTable)
    keep_answers: bool = True
    others: Mapping[Round, Mapping[str, str]] = field(default_factory=dict)
    suspects: Mapping[str, Suspicion] = field(default_factory=dict)

    @property
    def schemas(self) -> dict[str, pa.Schema]:
        """Schemas of the tables, by name."""
        return {
            "trials": schema(self.metrics),
            "checks": checks.SCHEMA,
            "answers": agreement.SCHEMA,
            "steps": steps.SCHEMA,
            "issues": issues.schema(self.thresholds),
        }

    def derived(self, records: Iterable[TrialRecord], tables: Mapping[str, list[str]]) -> Derived[Columns]:
        """Return the rows of some records, with the columns of each table. An error of a plug-in names the trial."""
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in tables}
        plans: list[Plan | None] = []
        spans: list[Span | None] = []
        for record in records:
            read = priced(type_registry.read(record, self.types), self.prices, server=record.expected.server, at=record.sent_at)
            plans.append(foreign_tools.plan_of(record, read))
            spans.append(foreign_tools.span_of(record))
            for name, more in self._rows(record, read).items():
                rows[name] += more
        return Derived(
            trials=len(plans),
            tables={name: _columns(rows[name], columns) for name, columns in tables.items()},
            plans=[plan for plan in plans if plan is not None],
            spans=[span for span in spans if span is not None],
        )

    def _rows(self, record: TrialRecord, read: Trace) -> dict[str, list[dict[str, Any]]]:
        trial = record.trial
        read = foreign_tools.marked(read, self.suspects.get(trial.trial_id))
        try:
            trace, judged = self.expected.judged(trial, read, self.others)
            observed = metric_registry.observe(trace, self.metrics)
            found = detector_registry.detect(trace, self.detectors, self.thresholds)
        except (ExpectationFailed, MetricFailed, DetectorFailed) as error:
            raise type(error)(f"trial {trial.trial_id}: {error}") from error
        whose = identity.of(self.run_id, trial, identity.EVERY)
        return {
            "trials": [{**whose, **served(record, trace), **_ended(record, trace), **observed}],
            "checks": checks.rows(self.run_id, trial, judged),
            "answers": agreement.rows(self.run_id, trial, trace, keep_text=self.keep_answers),
            "steps": steps.rows(self.run_id, trial, trace),
            "issues": issues.rows(self.run_id, trial, found),
        }


def run(directory: RunDirectory, reading: Reading, *, processes: int | None = None) -> int:
    """Derive one run's Parquet tables from its ledger, by default in a process for each core; returns the number of trials.

    Raises ``ExpectationFailed``, ``MetricFailed`` or ``DetectorFailed``, which names what failed
    and the trial. The tables then stay as they were.
    """
    with Ledger.open(directory.ledger) as ledger:
        others = referenced(ledger, reading.expected, reading.types)
        expected = _with_preferences(directory, ledger, reading)
        reading = replace(reading, run_id=directory.run_id, others=others, expected=expected)
        processes = processes or parallel.cores()
        plans, spans, count = _write(directory, ledger, reading, processes)
        if suspects := foreign_tools.suspects(plans, spans):  # rare, and known only when every trial was read
            _write(directory, ledger, replace(reading, suspects=suspects), processes)
    return count


def _write(directory: RunDirectory, ledger: Ledger, reading: Reading, processes: int) -> tuple[list[Plan], list[Span], int]:
    """Write every table once; return the plans and times of the trials, and their number."""
    schemas = reading.schemas
    plans: list[Plan] = []
    spans: list[Span] = []
    count = 0
    work = partial(reading.derived, tables={name: wanted.names for name, wanted in schemas.items()})
    with ExitStack() as stack:
        write = {name: stack.enter_context(directory.table(name, wanted)) for name, wanted in schemas.items()}
        found = stack.enter_context(closing(parallel.each(ledger, work, processes=processes)))
        frames = (_framed(batch, schemas) for batch in _grouped(found, ROWS_A_FRAME))
        for group in _grouped(frames, ROWS_A_GROUP):
            for name in schemas:
                write[name](pl.concat([each.tables[name] for each in group], rechunk=True))
            plans += [plan for each in group for plan in each.plans]
            spans += [span for each in group for span in each.spans]
            count += sum(each.trials for each in group)
    return plans, spans, count


def _framed(batch: list[Derived[Columns]], schemas: Mapping[str, pa.Schema]) -> Derived[pl.DataFrame]:
    """Join the rows of a batch into one frame for each table."""

    def joined(table: str, column: str) -> list[Any]:
        return [cell for each in batch for cell in each.tables[table][column]]

    return Derived(
        trials=sum(each.trials for each in batch),
        tables={name: _frame({one: joined(name, one) for one in wanted.names}, wanted) for name, wanted in schemas.items()},
        plans=[plan for each in batch for plan in each.plans],
        spans=[span for each in batch for span in each.spans],
    )


def _grouped(source: Iterable[Derived[Table]], least: int) -> Iterator[list[Derived[Table]]]:
    """Yield items in lists of at least so many trials, the last one of fewer; an empty run has one list, for its columns."""
    group: list[Derived[Table]] = []
    lists = count = 0
    for item in source:
        group.append(item)
        count += item.trials
        if count >= least:
            yield group
            group, count, lists = [], 0, lists + 1
    if group or not lists:
        yield group


def _with_preferences(directory: RunDirectory, ledger: Ledger, reading: Reading) -> Expected:
    """Write the table of the pairs that a judge has compared; return the expectations with the preferences by trial."""
    expected = reading.expected
    if expected.judge is None or not expected.judge.pairwise:
        return expected
    found = preferred(ledger, expected, reading.types)
    with directory.table("preferences", preferences.SCHEMA) as write:
        rows = preferences.rows(directory.run_id, found)
        write(_frame(_columns(rows, preferences.SCHEMA.names), preferences.SCHEMA))
    return replace(expected, preferences=matches.by_trial(found))


def preferred(ledger: Ledger, expected: Expected, types: tuple[ProfileType, ...]) -> tuple[Preferred, ...]:
    """Return the pairs of answers of a run with a judge's preferences; () without a pairwise judge."""
    if expected.judge is None or not expected.judge.pairwise:
        return ()
    return expected.preferred(matches.answers(ledger.records(), types))


def referenced(ledger: Ledger, expected: Expected, types: tuple[ProfileType, ...]) -> Mapping[Round, Mapping[str, str]]:
    """Return the answers that other queries' answers are compared with (``same_as``)."""
    wanted = expected.references
    records = ledger.records(wanted) if wanted else ()
    return plain_answers((record.trial, type_registry.read(record, types)) for record in records)


def _columns(rows: list[dict[str, Any]], names: list[str]) -> Columns:
    return {name: [row[name] for row in rows] for name in names}


def _frame(columns: Columns, wanted: pa.Schema) -> pl.DataFrame:
    kinds: dict[str, Any] = dict(pl.DataFrame(wanted.empty_table()).schema)
    return pl.DataFrame(columns, schema=kinds, strict=True)


def served(record: TrialRecord, trace: Trace) -> dict[str, Any]:
    """Return what served the trial: the turn's own tag, type and models, else those of the arm's configuration."""
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
        "rag_case": trace.rag_case,
    }


def _ended(record: TrialRecord, trace: Trace) -> dict[str, Any]:
    return {
        "outcome": trace.outcome.value,
        "outcome_detail": trace.outcome_detail,
        "attempts": record.attempts,
        "polls": record.polls,
        "notes": list(trace.notes),
        "unclassified": trace.unclassified,
        **{each.name: getattr(record, each.name) for each in WHEN},
    }
