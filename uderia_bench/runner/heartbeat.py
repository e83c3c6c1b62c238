"""The heartbeat of a worker: a file that is touched while the worker's event loop runs.

``uderia-bench healthcheck`` compares its age. The file is there only while a worker works, so other commands count as healthy.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio

from uderia_bench.errors import UsageError
from uderia_bench.runs.protocol import LENGTH_S

VARIABLE = "UDERIA_BENCH_HEARTBEAT"
BEAT_S = 2.0  # between two touches: many in LATE_S, so that a slow machine is not taken for a hung worker
LATE_S = LENGTH_S  # a worker that is silent for so long has lost its servers to other workers


def file_of(environ: Mapping[str, str]) -> Path | None:
    """Return the file that the environment names, None for no heartbeat."""
    return Path(name) if (name := environ.get(VARIABLE)) else None


async def beat(environ: Mapping[str, str]) -> None:
    """Touch the file until cancelled, and then remove it. Raises ``UsageError`` if it cannot be made."""
    if (file := file_of(environ)) is None:
        return
    try:
        file.touch()
    except OSError as error:
        raise UsageError(f"{VARIABLE}={file}: cannot be written: {error.strerror}; name a file in a writable folder") from error
    try:
        while True:
            await anyio.sleep(BEAT_S)
            with suppress(OSError):  # the file gets old, and the check fails
                file.touch()
    finally:
        with suppress(OSError):
            file.unlink()


def age_s(environ: Mapping[str, str]) -> float | None:
    """Return for how many seconds the worker was silent, None where no worker works.

    Negative where the clock was set back and the worker has not beaten since. Raises ``UsageError`` if the file cannot be seen.
    """
    file = file_of(environ)
    try:
        return None if file is None else time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{VARIABLE}={file}: cannot be seen: {error.strerror}") from error
