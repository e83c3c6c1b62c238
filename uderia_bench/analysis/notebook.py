"""``compare`` and ``percentiles`` as people call them in a notebook: one name, a text or a lazy frame is taken.

What cannot be meant is said in a line; the statistics are ``analysis``'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import polars as pl

from uderia_bench.analysis import Comparison
from uderia_bench.analysis.analyse import compare as compare_two
from uderia_bench.analysis.percentiles import percentiles as percentiles_of
from uderia_bench.analysis.settings import DEFAULT_CONFIDENCE, Correction
from uderia_bench.errors import UsageError
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.stats.percentile import PERCENTS


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
) -> list[Comparison]:
    """Compare two arms of a frame of trials on a metric or several, in that order.

    The frame needs ``query_id, arm, repeat, outcome`` and the metrics' columns. Three more columns are
    used where the frame has them. ``stage``: warm-ups are left out. ``group``: a group of queries is the
    unit of inference. ``window``: p and the interval include drift between time windows.

    The metrics with a margin are the primary family. Without any margin, all metrics asked for are. A
    margin of 0.10, or ``"10%"``, is [1/1.1, 1.1] for a ratio, ten points for a rate, and for an amount a
    tenth of the smaller of the two means. ``definitions`` (default: the built-in metrics) state which
    direction is better. Raises ``UsageError`` for a call that cannot be answered.
    """
    trials = _frame(frame)
    return compare_two(
        trials.collect() if isinstance(trials, pl.LazyFrame) else trials,
        baseline=baseline,
        candidate=candidate,
        metrics=_names(metrics),
        margins={name: _margin(name, said) for name, said in (margins or {}).items()},
        correction=correction,
        confidence=confidence,
        seed=seed,
        definitions=definitions,
    )


def percentiles(
    trials: pl.DataFrame | pl.LazyFrame,
    metrics: str | Sequence[str],
    *,
    by: str | Sequence[str] = "arm",
    percents: Sequence[float] = PERCENTS,
) -> pl.DataFrame:
    """Return one row per group and metric: the columns of ``by``, ``metric``, ``n``, ``missing``, ``p50`` and so on.

    A percentile is numpy's default (linear interpolation) over the measured trials, over the answered ones where the metric
    needs an answer; ``n`` trials have a value, ``missing`` have none, and without any value a percentile is null. Rows are
    sorted by group, metrics in the order given. Raises ``UsageError`` for what cannot be meant.
    """
    return percentiles_of(_frame(trials), _names(metrics), by=by, percents=percents)


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
