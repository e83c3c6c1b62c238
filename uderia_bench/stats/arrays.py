"""The array types the statistics speak, and what counts as no spread at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint16]

# Differences of logs of equal ratios differ in their last bits; spread below this share of the scale is rounding, not data.
ROUNDING = 1e-12
DIGITS = 12  # the same for numpy's round


def scale(values: Floats) -> float:
    """Return what rounding is relative to: the largest of one or more values, and at least 1."""
    return max(1.0, float(np.abs(values).max()))


def mode(values: Floats) -> tuple[float, float]:
    """Return the commonest of one or more values, equal up to rounding, and its share; of several the smallest."""
    _, first, counts = np.unique(np.round(values / scale(values), DIGITS), return_index=True, return_counts=True)
    commonest = int(counts.argmax())
    return float(values[first[commonest]]), float(counts[commonest] / values.size)


def is_not(values: Floats, value: float) -> npt.NDArray[np.bool_]:
    """Say of each of one or more values whether it differs from ``value`` by more than rounding."""
    return np.abs(values - value) > ROUNDING * scale(values)


def is_flat(values: Floats) -> bool:
    """Whether all values are equal up to rounding; true of one value, and of none."""
    return values.size < 2 or bool(np.ptp(values) <= ROUNDING * scale(values))
