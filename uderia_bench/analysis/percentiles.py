"""``percentiles`` of a frame of trials: without intervals, and fast at a million rows.

The values are those of a report's arms. Each metric is sorted group by group in numpy, which sorts
several times as fast as polars (``tests/bench/storage.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from uderia_bench.analysis.trials import FOREIGN_TOOLS, is_off_scale, near, unequal
from uderia_bench.errors import UsageError
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.stats.arrays import Codes, Floats, Mask
from uderia_bench.stats.percentile import PERCENTS, of_groups
from uderia_bench.stats.weighting import copies
from uderia_bench.trial import Outcome, Stage

_ROW, _MEASURED, _ANSWERED, _WEIGHT = (f"percentiles: {name}" for name in ("row", "measured", "answered", "weight"))
"""Columns beside those of the caller's frame."""

_ALWAYS = frozenset(metric.name for metric in BUILT_IN if not metric.needs_answer)
_BY_NAME = {metric.name: metric for metric in BUILT_IN}


def percentiles(
    trials: pl.DataFrame | pl.LazyFrame,
    metrics: str | Sequence[str],
    *,
    by: str | Sequence[str] = "arm",
    percents: Sequence[float] = PERCENTS,
) -> pl.DataFrame:
    """Return one row per group and metric: the columns of ``by``, ``metric``, ``n``, ``missing``, ``p50`` and so on.

    A percentile is numpy's default (linear interpolation) over the measured trials, over the
    answered ones where the metric needs an answer; ``n`` trials have a value, ``missing`` have
    none, and without any value a percentile is null. NaN and infinity count as missing, and so do
    values that a built-in metric cannot have, such as a latency of 0. As in a report, trials that
    probably had another profile's tools are left out, unless their outcome is ``misrouted``. A trial
    counts as often as its ``weight`` says, where the frame has that column and it differs. Rows are
    sorted by group, metrics in the order given. A lazy frame (``find.scan_table``) is read for these columns alone. Raises
    ``UsageError`` for no metric, a column that is not there or holds no numbers, and a percent
    outside 0 to 100, and for a weight that is not a positive number.
    """
    metrics = names_of(metrics)
    if not metrics:
        raise UsageError("percentiles of no metric: name one")
    frame = lazy(trials)
    schema = frame.collect_schema()
    groups = [by] if isinstance(by, str) else list(by)
    _require(schema, groups, metrics, percents)
    read = frame.select(
        (_is("stage", Stage.MEASURED, schema, null=True) & ~_suspected(schema)).alias(_MEASURED),
        _is("outcome", Outcome.ANSWERED, schema, null=False).alias(_ANSWERED),
        _weight(schema).alias(_WEIGHT),
        *dict.fromkeys((*groups, *metrics)),
    ).collect()
    cells = read.lazy().with_row_index(_ROW).filter(_MEASURED).group_by(groups).agg(_ROW, _ANSWERED).sort(groups).collect()
    trials_of = cells[_ROW].list.len().to_numpy()
    every = _Rows(cells[_ROW].explode().to_numpy(), np.repeat(np.arange(cells.height), trials_of))
    weights = unequal(read[_WEIGHT].to_numpy())
    answered = every.only(cells[_ANSWERED].explode().to_numpy())

    def rows_of(name: str) -> pl.DataFrame:
        """Return a metric's rows of the result; a group without an answered trial has none of the metric's values."""
        of = every if name in _ALWAYS else answered
        values = read[name].cast(pl.Float64).to_numpy()[of.rows]
        kept = np.isfinite(values)
        if name in _BY_NAME:
            kept &= ~is_off_scale(values, _BY_NAME[name])
        values, group = values[kept], of.groups[kept]
        n = np.bincount(group, minlength=cells.height)
        if weights is not None:
            values, group = _repeated(values, group, weights[of.rows][kept], n)
        _, points = of_groups(values, group, cells.height, percents)
        return cells.select(
            *groups,
            pl.lit(name).alias("metric"),
            pl.Series("n", n, dtype=pl.UInt32),
            pl.Series("missing", trials_of - n, dtype=pl.UInt32),
            *(pl.Series(f"p{percent:g}", column).fill_nan(None) for percent, column in zip(percents, points, strict=True)),
        )

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return pl.concat(pool.map(rows_of, metrics))


def _require(schema: pl.Schema, groups: Sequence[str], metrics: Sequence[str], percents: Sequence[float]) -> None:
    """Raise ``UsageError`` where a frame has no such columns or numbers, or there is no such percentile."""
    for name in (*groups, *metrics):
        if name not in schema:
            raise UsageError(f"the frame has no column {name!r}; {near(name, schema.names())}")
    for name in metrics:
        if not (schema[name].is_numeric() or schema[name] in {pl.Boolean, pl.Null}):
            raise UsageError(f"column {name!r} holds {schema[name]}, not numbers: a metric is a number or a boolean")
    for percent in percents:
        if not 0 <= percent <= 100:
            raise UsageError(f"there is no percentile {percent:g}: percents go from 0 to 100")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a frame, group by group, with the number of each row's group."""

    rows: npt.NDArray[np.uint32]
    groups: Codes

    def only(self, kept: Mask) -> _Rows:
        return _Rows(self.rows[kept], self.groups[kept])


def _repeated(values: Floats, groups: Codes, weights: Floats, n: npt.NDArray[np.intp]) -> tuple[Floats, Codes]:
    """Return values as often as they count in their group. There are ``n`` of each group, and equal weights repeat none."""
    parts = np.split(weights, n.cumsum()[:-1])
    times = np.concatenate([np.ones(one.size, np.intp) if unequal(one) is None else copies(one) for one in parts])
    return np.repeat(values, times), np.repeat(groups, times)


def names_of(metrics: str | Sequence[str]) -> Sequence[str]:
    """Return the names of metrics; a text is one name."""
    return [metrics] if isinstance(metrics, str) else metrics


def lazy(given: Any) -> pl.LazyFrame:
    """Return a frame as a lazy one; raises ``UsageError`` for anything else."""
    if isinstance(given, pl.DataFrame | pl.LazyFrame):
        return given.lazy()
    raise UsageError(
        f"trials should be a polars frame with a row a trial, as ub.load() returns, not {type(given).__name__}; "
        "polars.DataFrame(rows) makes one of a list of dicts, polars.from_pandas(frame) one of pandas'"
    )


def _suspected(schema: pl.Schema) -> pl.Expr:
    """Return which trials ``trials.suspected`` leaves out."""
    if schema.get(FOREIGN_TOOLS) != pl.Boolean:
        return pl.lit(value=False)
    return pl.col(FOREIGN_TOOLS).fill_null(value=False) & ~_is("outcome", Outcome.MISROUTED, schema, null=False)


def _weight(schema: pl.Schema) -> pl.Expr:
    """Return how much each trial counts, which is 1 where the frame does not say."""
    return pl.col("weight").cast(pl.Float64).fill_null(1.0) if "weight" in schema else pl.lit(1.0)


def _is(name: str, value: str, schema: pl.Schema, *, null: bool) -> pl.Expr:
    """Whether a column has a value, ``null`` where it is null. Without the column every row counts.

    A text column is not cast, because a cast of a million rows is slow.
    """
    if name not in schema:
        return pl.lit(value=True)
    return ((pl.col(name) if schema[name] == pl.String else pl.col(name).cast(pl.String)) == value).fill_null(null)
