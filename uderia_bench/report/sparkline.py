"""A series of numbers as a line of bars, one character each."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """Draw values on the scale from ``low`` to ``high``; a missing value is a space."""
    steps = len(_BARS) / ((high - low) or 1.0)
    highest = len(_BARS) - 1
    return "".join(" " if value is None else _BARS[max(0, min(int((value - low) * steps), highest))] for value in values)
