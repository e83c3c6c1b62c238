"""Array types of the statistics, and which differences between numbers are only rounding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint16]
Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]
"""The group of each value, as a number from 0."""

# Means and logs of equal numbers differ in their last bits. A spread below this share of the
# largest value is rounding.
ROUNDING = 1e-12
DIGITS = 12  # the same for numpy's round


def scale(values: Floats) -> float:
    """Return the largest absolute value, which rounding is relative to; 1 where all values are 0."""
    return float(np.abs(values).max()) or 1.0


def without_rounding(differences: Floats, magnitude: Floats) -> Floats:
    """Set a difference to exactly 0 where it is rounding of the numbers subtracted, which are of size ``magnitude``."""
    exact: Floats = np.where(np.abs(differences) <= ROUNDING * magnitude, 0.0, differences)
    return exact


def mode(values: Floats) -> tuple[float, float]:
    """Return the most common of one or more values, equal up to rounding, and its share. Of several, the smallest."""
    _, first, counts = np.unique(np.round(values / scale(values), DIGITS), return_index=True, return_counts=True)
    commonest = int(counts.argmax())
    return float(values[first[commonest]]), float(counts[commonest] / values.size)


def is_not_zero(values: Floats) -> Mask:
    """Return, for each of one or more values, whether it differs from 0 by more than rounding."""
    return np.abs(values) > ROUNDING * scale(values)


def is_flat(values: Floats) -> bool:
    """Whether all values are equal up to rounding. True for one value and for no value."""
    return values.size < 2 or bool(np.ptp(values) <= ROUNDING * scale(values))
