"""The array types the statistics speak, and what counts as no spread at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint16]

# Differences of logs of equal ratios differ in their last bits; spread below this share of the scale is rounding, not data.
ROUNDING = 1e-12


def modal_share(values: Floats) -> float:
    """Return the share of values that equal the commonest one up to rounding; 0 of none."""
    if values.size == 0:
        return 0.0
    scale = max(1.0, float(np.abs(values).max()))
    return float(np.unique(np.round(values / scale / ROUNDING), return_counts=True)[1].max() / values.size)


def is_flat(values: Floats) -> bool:
    """Whether all values are equal up to rounding; true of one value, and of none."""
    if values.size < 2:
        return True
    return bool(np.ptp(values) <= ROUNDING * max(1.0, float(np.abs(values).max())))
