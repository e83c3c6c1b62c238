"""Shapes of the boundaries that interim looks can have, and where looks lie by default. ``sequential`` computes with them.

A run's manifest needs them in every command, so this module does not import numpy.
"""

from __future__ import annotations

OBRIEN_FLEMING, WANG_TSIATIS, POCOCK = 0.0, 0.25, 0.5


def equal_shares(looks: int) -> tuple[float, ...]:
    """Return the shares of the information at ``looks`` equally spaced looks."""
    return tuple((number + 1) / looks for number in range(looks))
