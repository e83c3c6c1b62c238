"""The functions that people call on a frame of trials in a notebook: ``compare``, ``percentiles``, ``query_effects``.

``percentiles`` has no intervals and is fast at a million rows. Its values are those of a report's
arms. Nulls are dropped first, because polars sorts a column with nulls more than twice as slowly
(``tests/bench/storage.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
import polars as pl

from uderia_bench.analysis.contrast import OWN, findings
from uderia_bench.analysis.families import verdicts
from uderia_bench.analysis.query_effects import query_effects as effects_of_queries
from uderia_bench.analysis.settings import DEFAULT_CONFIDENCE, Correction, Settings
from uderia_bench.analysis.strata import ALL, Stratum
from uderia_bench.analysis.trials import Trials, measured, near
from uderia_bench.analysis.validity import MOST_UNUSABLE
from uderia_bench.analysis.values import Comparison
from uderia_bench.errors import UsageError
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.stats.percentile import PERCENTS
from uderia_bench.trial import Outcome, Stage

NO_WINDOWS = "the trials have no `window` column, so p and the interval do not include drift of the provider during the run"

_ALWAYS = frozenset(metric.name for metric in BUILT_IN if not metric.needs_answer)
_POSITIVE = frozenset(metric.name for metric in BUILT_IN if metric.assumption is Assumption.POSITIVE)


def compare(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    baseline: str,
    candidate: str,
    metrics: str | Sequence[str],
    margins: Mapping[str, float | str] | None = None,
    correction: Correction = "holm",
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int = 0,
    definitions: tuple[Metric, ...] | None = None,
    pool: bool = False,
) -> list[Comparison]:
    """Compare two arms of a frame of trials on ``metrics``, in that order.

    The frame needs ``query_id, arm, repeat, outcome`` and the metrics' columns. Four more columns are
    used where the frame has them. ``stage``: warm-ups are left out. ``group``: a group of queries is the
    unit of inference. ``window``: p and the interval include drift between time windows. ``weight``: how much
    a query counts.

    The metrics with a margin are the primary family. Without any margin, all metrics asked for are. A
    margin of 0.10, or ``"10%"``, is [1/1.1, 1.1] for a ratio, ten points for a rate, and for an amount a tenth of the
    smaller of the two means. Margins of metrics that are not asked for are ignored, so that one dict
    serves many calls. A misspelt one is an error.

    ``definitions`` (default: the built-in metrics) state which direction is better. A column without a
    definition is compared as a ratio where its values are positive, else as a difference, and it is
    never called better or worse.

    A frame with trials of several runs is refused, because a night can differ from the next by more
    than the arms do. ``pool=True`` compares them as one run, as for the shards of one night. Raises
    ``UsageError`` for a call that cannot be answered.
    """
    asked = _names(metrics)
    given = {name: _margin(name, said) for name, said in (margins or {}).items()}
    declared = {name: given[name] for name in asked if name in given}
    settings = Settings(margins=declared, correction=correction, confidence=confidence, seed=seed)
    trials = measured(_frame(frame).lazy().collect())
    if not pool:
        _of_one_run(trials.frame)
    trials.arm(baseline), trials.arm(candidate)
    if baseline == candidate:
        raise UsageError(f"baseline and candidate are the same arm, {baseline!r}: compare two")
    by_name = {metric.name: metric for metric in (BUILT_IN if definitions is None else definitions)}
    unknown = [name for name in given if name not in by_name and not trials.has(name)]
    for name in unknown:
        if get_close_matches(name, [metric for metric in asked if metric not in declared]):
            raise UsageError(f"a margin is given for {name!r}, which is no metric and no column; {near(name, asked)}")
    chosen = tuple(by_name.get(name) or _own(trials, name) for name in asked)
    everything = Stratum(name=ALL, where=trials.asked)
    found = findings(
        trials, chosen, everything, baseline=baseline, candidate=candidate, settings=settings, declared=not declared
    )
    if trials.windows() is None:
        found = [one if one.only_shown else replace(one, warnings=(*one.warnings, NO_WINDOWS)) for one in found]
    return list(verdicts(found, settings))


def _of_one_run(frame: pl.DataFrame) -> None:
    runs = frame["run_id"].unique().sort().to_list() if "run_id" in frame.columns else []
    if len(runs) > 1:
        named = ", ".join([*runs[:3], *(["…"] if len(runs) > 3 else [])])
        raise UsageError(
            f"the frame has trials of {len(runs)} runs ({named}): load one of them, compare two with ub.diff, or pass "
            "pool=True for the shards of one night"
        )


def _own(trials: Trials, name: str) -> Metric:
    """Define an undefined column from its values: a ratio where they are positive, except a few zeros."""
    values = trials.column(name)
    values = values[np.isfinite(values)]
    boolean = trials.frame[name].dtype == pl.Boolean
    zeros = np.count_nonzero(values == 0)
    ratio = bool(np.all(values >= 0)) and zeros <= MOST_UNUSABLE * values.size  # a few zeros do not change the estimand
    positive = Assumption.POSITIVE if ratio else Assumption.AMOUNT
    return Metric(
        name=name,
        family=OWN,
        doc="a column of the caller's frame",
        unit="1",
        kind=bool if boolean else float,
        direction=Direction.NEUTRAL,
        assumption=Assumption.RATE if boolean else positive,
        read=lambda _: None,
    )


def _names(metrics: str | Sequence[str]) -> Sequence[str]:
    """Take one name for a list of one: a text's letters are no metrics."""
    return [metrics] if isinstance(metrics, str) else metrics


def _frame(given: Any) -> pl.DataFrame | pl.LazyFrame:
    if isinstance(given, pl.DataFrame | pl.LazyFrame):
        return given
    raise UsageError(
        f"trials should be a polars frame with a row a trial, as ub.load() returns, not {type(given).__name__}; "
        "polars.DataFrame(rows) makes one of a list of dicts, polars.from_pandas(frame) one of pandas'"
    )


def _margin(name: str, said: Any) -> float:
    """Read a margin as experiments read it where it is a text."""
    if isinstance(said, str):
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - who gives numbers waits for none of it

        from uderia_bench.documents.yaml.quantities import Share  # noqa: PLC0415

        try:
            return float(TypeAdapter(Share).validate_python(said))
        except ValidationError as error:
            raise UsageError(f"margin {said!r} of {name!r} should be a share such as '10%' or 0.10, at most 100%") from error
    if said is True or said is False or not isinstance(said, Real):
        raise UsageError(f"margin {said!r} of {name!r} should be a share such as '10%' or 0.10")
    return float(said)


def query_effects(
    frame: pl.DataFrame | pl.LazyFrame,
    metric: str,
    *,
    baseline: str,
    candidate: str,
    confidence: float = DEFAULT_CONFIDENCE,
    definitions: tuple[Metric, ...] | None = None,
) -> pl.DataFrame:
    """Return the effect of each query on a metric, shrunk towards the corpus, the largest first.

    The columns are ``query_id``, ``raw`` (as seen), ``value`` (shrunk) with ``lo`` and ``hi``, ``false_sign`` (the
    probability that the effect goes the other way), and ``changed``. Of the queries that are called
    changed, at most 10 % have not changed, on average. A ratio is candidate / baseline. The frame needs
    repeats, and otherwise what ``compare`` needs. Raises ``UsageError`` for a frame without repeats or
    with too few queries.
    """
    trials = measured(_frame(frame).lazy().collect())
    by_name = {known.name: known for known in (BUILT_IN if definitions is None else definitions)}
    chosen = by_name.get(metric) or _own(trials, metric)
    found = effects_of_queries(trials, chosen, baseline, candidate, confidence=confidence)
    if isinstance(found, str):
        raise UsageError(f"no effects of single queries on {metric}: {found}")
    rows = [
        {"query_id": one.query} | {name: getattr(one, name) for name in ("raw", "value", "lo", "hi", "false_sign", "changed")}
        for one in found.queries
    ]
    return pl.DataFrame(rows)


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
    none, and without any value a percentile is null. NaN and infinity count as missing, and so does
    0 in a built-in metric that is always positive. Rows are sorted by group, metrics in the order
    given. A lazy frame (``find.scan_table``) is read for these columns alone. Raises
    ``UsageError`` for no metric, a column that is not there or holds no numbers, and a percent
    outside 0 to 100.
    """
    metrics = _names(metrics)
    if not metrics:
        raise UsageError("percentiles of no metric: name one")
    frame = _frame(trials).lazy()
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
