"""Frames, metrics, contrasts in; estimates per arm and comparisons with verdicts out. Asks no server, writes nothing.

The values are imported at once; ``analyse`` and ``compare`` when first used, because reports read the values and need
neither polars nor scipy for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from uderia_bench.analysis.judge import analyse, compare

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
    "analyse",
    "compare",
]


def __getattr__(name: str) -> object:
    if name in {"analyse", "compare"}:
        from uderia_bench.analysis import judge  # noqa: PLC0415 - polars costs start-up time

        return getattr(judge, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
