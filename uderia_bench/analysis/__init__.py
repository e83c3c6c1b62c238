"""Frames, metrics and contrasts in; estimates per arm and comparisons with verdicts out.

This module exports the values only: reports read them without importing polars or scipy. ``analyse`` and ``compare`` are in
``analysis.analyse``.
"""

from __future__ import annotations

from uderia_bench.analysis.values import (
    Analysis,
    ArmSummary,
    Comparison,
    Knee,
    Learning,
    LoadLevel,
    MetricSummary,
    Sweep,
    Verdict,
    Winner,
)

__all__ = [
    "Analysis",
    "ArmSummary",
    "Comparison",
    "Knee",
    "Learning",
    "LoadLevel",
    "MetricSummary",
    "Sweep",
    "Verdict",
    "Winner",
]
