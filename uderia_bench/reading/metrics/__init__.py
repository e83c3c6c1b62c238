"""The registry of metrics: one file a family, one value a metric, and the only place where they are computed.

A metric is added by adding a ``Metric`` to its family: schema, statistics and reports read the value.
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
    tokens,
    tools,
)
from uderia_bench.reading.metrics.metric import Across, Assumption, Direction, Metric
from uderia_bench.trace import Trace

__all__ = ["BUILT_IN", "Across", "Assumption", "Direction", "Metric", "Value", "observe"]

Value = bool | int | float | None

BUILT_IN: tuple[Metric, ...] = (
    *latency.METRICS,
    *tokens.METRICS,
    *calls.METRICS,
    *cost.METRICS,
    *planning.METRICS,
    *tools.METRICS,
    *correction.METRICS,
    *learning.METRICS,
    *answer.METRICS,
    *measurement.METRICS,
)


def observe(trace: Trace, metrics: tuple[Metric, ...] = BUILT_IN) -> dict[str, Value]:
    """Return every metric's value for one trial, by name; None where a metric does not apply.

    Raises ``MetricFailed``, naming the metric, where one raises or returns another type than it declares, NaN or infinity. A
    whole number is taken for a float.
    """
    values: dict[str, Value] = {}
    for metric in metrics:
        try:
            value = metric.read(trace)
        except Exception as error:  # a plug-in's error, whatever it is, must name its metric
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
    if isinstance(value, float) and not math.isfinite(value):
        raise MetricFailed(f"metric {metric.name} returned {value!r}: a missing value is None")
    assert isinstance(value, bool | int | float)
    return value
