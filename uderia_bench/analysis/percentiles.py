"""Percentiles of metrics by arm or by other columns, without intervals, fast at a million rows.

The values are those of a report's arms. Nulls are dropped first, because polars sorts a column with
nulls more than twice as slowly (``tests/bench/storage.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from uderia_bench.analysis.trials import near
from uderia_bench.errors import UsageError
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.reading.metrics.metric import Assumption
from uderia_bench.stats.percentile import PERCENTS
from uderia_bench.trial import Outcome, Stage

_ALWAYS = frozenset(metric.name for metric in BUILT_IN if not metric.needs_answer)
_POSITIVE = frozenset(metric.name for metric in BUILT_IN if metric.assumption is Assumption.POSITIVE)


def percentiles(
    trials: pl.DataFrame | pl.LazyFrame,
    metrics: Sequence[str],
    *,
    by: str | Sequence[str] = "arm",
    percents: Sequence[float] = PERCENTS,
) -> pl.DataFrame:
    """Return one row per group and metric: the columns of ``by``, ``metric``, ``n``, ``missing``, ``p50`` and so on.

    A percentile is numpy's default (linear interpolation) over the measured trials, over the
    answered ones where the metric needs an answer; ``n`` trials have a value, ``missing`` have
    none, and without any value a percentile is null. NaN and infinity count as missing, and so does
    0 in a built-in metric that is always positive. Rows are sorted by group, metrics in the order
    given. A lazy frame (``find.scan_trials``) is read for these columns alone. Raises
    ``UsageError`` for no metric, a column that is not there or holds no numbers, and a percent
    outside 0 to 100.
    """
    if not metrics:
        raise UsageError("percentiles of no metric: name one")
    frame = trials.lazy()
    schema = frame.collect_schema()
    groups = [by] if isinstance(by, str) else list(by)
    for name in (*groups, *metrics):
        if name not in schema:
            raise UsageError(f"the frame has no column {name!r}; {near(name, schema.names())}")
    for name in metrics:
        if not (schema[name].is_numeric() or schema[name] in {pl.Boolean, pl.Null}):
            raise UsageError(f"column {name!r} holds {schema[name]}, not numbers: a metric is a number or a boolean")
    for percent in percents:
        if not 0 <= percent <= 100:
            raise UsageError(f"there is no percentile {percent:g}: percents go from 0 to 100")
    if "stage" in schema:
        frame = frame.filter(_text("stage", schema).is_null() | (_text("stage", schema) == Stage.MEASURED))
    answered = frame.filter(_text("outcome", schema) == Outcome.ANSWERED) if "outcome" in schema else frame
    always = [name for name in metrics if name in _ALWAYS]
    wide = frame.group_by(groups).agg(pl.len().alias("trials"), *_points(always, percents, schema)).sort(groups).collect()
    if needing := [name for name in metrics if name not in _ALWAYS]:  # collected apart: in one plan both would be in memory
        points = answered.group_by(groups).agg(_points(needing, percents, schema)).collect()
        wide = wide.join(points, on=groups, how="left", nulls_equal=True, maintain_order="left")
    return pl.concat([_rows(wide, name, groups, percents) for name in metrics])


def _text(name: str, schema: pl.Schema) -> pl.Expr:
    """Return a column as text; a text column is not cast, because a cast of a million rows is slow."""
    return pl.col(name) if schema[name] == pl.String else pl.col(name).cast(pl.String)


def _points(names: Sequence[str], percents: Sequence[float], schema: pl.Schema) -> list[pl.Expr]:
    """Return the count and the percentiles of each metric, under names with the metric's name."""
    found = []
    for name in names:
        values = pl.col(name).drop_nulls()
        if not schema[name].is_numeric():
            values = values.cast(pl.Float64)
        if schema[name].is_float():  # NaN and infinity are missing
            values = values.filter(values.is_finite())
        if name in _POSITIVE:
            values = values.filter(values > 0)
        found.append(values.len().alias(f"{name} n"))
        found += [values.quantile(percent / 100, "linear").alias(f"{name} {percent:g}") for percent in percents]
    return found


def _rows(wide: pl.DataFrame, name: str, groups: list[str], percents: Sequence[float]) -> pl.DataFrame:
    """Return a metric's rows of the result; a group without an answered trial has none of the metric's values."""
    n = pl.col(f"{name} n").fill_null(0)
    return wide.select(
        *groups,
        pl.lit(name).alias("metric"),
        n.alias("n"),
        (pl.col("trials") - n).alias("missing"),
        *(pl.col(f"{name} {percent:g}").cast(pl.Float64).alias(f"p{percent:g}") for percent in percents),
    )
