"""Fixtures every test may use: virtual time, and a clean place for runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def anyio_backend():
    """Run async tests on trio with a clock that jumps to the next deadline: minutes of waiting take no time."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
def shared() -> Path:
    """Return the shared material beside the checkout, or skip."""
    if not SHARED.is_dir():
        pytest.skip("no shared material beside this checkout")
    return SHARED
