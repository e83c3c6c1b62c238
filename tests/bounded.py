"""Memory that a piece of work may take, for tests that feed it whatever there is; and how often they do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_MB = 64  # above what the process holds; none of the fuzzed inputs is larger than a few hundred KB
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_PEAK = "5"  # proc(5): resets the peak resident set size
_USUAL = 50  # in CI they are the same ones every time


@contextmanager
def bounded(megabytes: int = MOST_MB) -> Iterator[None]:
    """Hold that what happens inside takes no more memory at any moment, C libraries included; on Linux only."""
    if not _STATUS.exists():
        yield
        return
    _RESET.write_text(_PEAK)
    before = _peak_kb()
    yield
    took_mb = (_peak_kb() - before) / 1024
    assert took_mb <= megabytes, f"took {took_mb:.0f} MB"


def examples() -> int:
    """Return how many examples a law is tried on: more with ``UDERIA_BENCH_FUZZ``, as ``make fuzz`` sets it."""
    return int(os.environ.get("UDERIA_BENCH_FUZZ", _USUAL))


def _peak_kb() -> int:
    with _STATUS.open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
