"""The arrays of measured trials, which an analysis asks for again and again."""

from __future__ import annotations

import numpy as np
import pytest
from frames import ANSWERED, LATENCY, grid

from uderia_bench.analysis import trials
from uderia_bench.analysis.trials import measured


def test_equal_requests_share_one_array_that_cannot_be_changed():
    """Another metric has another one."""
    laid = measured(grid(queries=4, value=lambda query, _arm, _repeat: query + 1.0))
    assert laid.values(LATENCY) is laid.values(LATENCY)
    assert laid.values(ANSWERED) is not laid.values(LATENCY)
    with pytest.raises(ValueError, match="read-only"):
        laid.column("latency_s")[:] = 0.0


def test_large_arrays_are_not_kept(monkeypatch):
    """Hundreds of them would fill the memory."""
    laid = measured(grid(queries=4, value=lambda query, _arm, _repeat: query + 1.0))
    monkeypatch.setattr(trials, "LARGEST_KEPT", laid.values(LATENCY).nbytes)
    assert laid.unusable(LATENCY) is laid.unusable(LATENCY)
    monkeypatch.setattr(trials, "LARGEST_KEPT", 1)
    laid = measured(grid(queries=4, value=lambda query, _arm, _repeat: query + 1.0))
    assert laid.values(LATENCY) is not laid.values(LATENCY)
    assert np.array_equal(laid.values(LATENCY), laid.values(LATENCY), equal_nan=True)
