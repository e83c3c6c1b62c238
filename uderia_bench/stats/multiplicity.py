"""Adjusting p-values of a family. Adjusted values come back in the order they went in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust step-down: controls the chance of any false rejection (Holm, *Scand. J. Stat.* 6, 1979, 65-70)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return tuple(adjusted.tolist())


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust step-up: controls the expected share of false rejections (Benjamini & Hochberg, *JRSS B* 57, 1995)."""
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - scipy costs start-up time

    if not p_values:
        return ()
    return tuple(np.asarray(false_discovery_control(np.asarray(p_values, dtype=np.float64))).tolist())
