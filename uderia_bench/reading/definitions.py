"""The definitions of the metrics that a run was derived with, as its manifest keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from uderia_bench.reading.metrics.metric import Metric


def of(metrics: Sequence[Metric]) -> dict[str, dict[str, str]]:
    """Return every metric's definition by name: doc, unit, type, direction, assumption and family."""
    return {
        metric.name: {
            "doc": metric.doc,
            "unit": metric.unit,
            "type": metric.kind.__name__,
            "direction": metric.direction,
            "assumption": metric.assumption,
            "family": metric.family,
        }
        for metric in metrics
    }
