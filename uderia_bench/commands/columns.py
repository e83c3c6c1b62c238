"""The data dictionary: every column of every Parquet table, with its type, unit and meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from uderia_bench.reading.derive import Reading
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.reading.tables import preferences
from uderia_bench.reading.tables.columns import DOC

TABLES = {
    "trials": "One row per trial. The metrics are columns of it, by their names.",
    "steps": "One row per LLM call, tool call or phase.",
    "issues": "One row per finding of a detector.",
    "checks": "One row per expectation of a trial.",
    "answers": "One row per answered trial.",
    "preferences": "One row per contrast and pair of answers. Only runs with a pairwise judge have it.",
}
"""The content of one row of each table."""

_TYPES = {
    "string": "text",
    "int64": "whole number",
    "double": "number",
    "bool": "true or false",
    "list<item: string>": "list of texts",
    "timestamp[us, tz=UTC]": "time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table. Only metrics have a unit."""

    table: str
    column: str
    type: str
    unit: str | None
    meaning: str


def columns(metrics: Sequence[Metric]) -> tuple[Column, ...]:
    """Return the columns of all tables in their order, with those of ``metrics``."""
    schemas = {**Reading(metrics=tuple(metrics)).schemas, "preferences": preferences.SCHEMA}
    units = {metric.name: metric.unit for metric in metrics}
    return tuple(
        Column(
            table=table,
            column=field.name,
            type=_TYPES[str(field.type)],
            unit=units.get(field.name) if table == "trials" else None,
            meaning=field.metadata[DOC.encode()].decode(),
        )
        for table in TABLES
        for field in schemas[table]
    )
