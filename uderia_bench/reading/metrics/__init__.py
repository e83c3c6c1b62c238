"""Metrics: the registry of numbers that are read from a trace, and the function that computes them.

Each module is a family, and each metric is one ``Metric`` value in its family's ``METRICS``.
Parquet, statistics and reports read that value.
"""

from __future__ import annotations

import math

from uderia_bench.errors import MetricFailed
from uderia_bench.reading.metrics import (
    answer,
    calls,
    correction,
    cost,
    latency,
    learning,
    measurement,
    planning,
    retrieval,
    tokens,
    tools,
)
from uderia_bench.reading.metrics.metric import WORK, Across, Assumption, Direction, Metric
from uderia_bench.trace import Trace

__all__ = ["BUILT_IN", "Across", "Assumption", "Direction", "Metric", "Value", "observe"]

Value = bool | int | float | None
LARGEST_INT = 2**63 - 1  # of a column of the store

BUILT_IN: tuple[Metric, ...] = (
    *latency.METRICS,
    *tokens.METRICS,
    *calls.METRICS,
    *cost.METRICS,
    *planning.METRICS,
    *tools.METRICS,
    *correction.METRICS,
    *learning.METRICS,
    *retrieval.METRICS,
    *answer.METRICS,
    *measurement.METRICS,
)


def observe(trace: Trace, metrics: tuple[Metric, ...] = BUILT_IN) -> dict[str, Value]:
    """Return every metric's value for one trial, by name; None where a metric does not apply or is not known.

    A value is finite or None. Raises ``MetricFailed``, which names the metric, where a metric
    raises or returns NaN, infinity, a whole number too large to store, or a type that it does not
    declare. A whole number is accepted as a float.
    """
    values: dict[str, Value] = {}
    for metric in metrics:
        if trace.lower_bound and metric.family in WORK:
            values[metric.name] = None
            continue
        try:
            value = metric.read(trace)
        except Exception as error:  # any error of a plug-in must name its metric
            raise MetricFailed(f"metric {metric.name} raised {type(error).__name__}: {error}") from error
        values[metric.name] = _checked(metric, value)
    return values


def _checked(metric: Metric, value: object) -> Value:
    if value is None:
        return None
    if metric.kind is float and type(value) is int:
        value = float(value)
    if type(value) is not metric.kind:
        raise MetricFailed(
            f"metric {metric.name} returned {type(value).__name__} {value!r}, it declares {metric.kind.__name__}"
        )
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > LARGEST_INT):
        raise MetricFailed(f"metric {metric.name} returned {value!r}: a value is a finite number that fits 64 bits, or None")
    assert isinstance(value, bool | int | float)
    return value
