"""Runs of one user on one machine take turns on a server, so that the arms of two runs never overlap on it.

With ``isolation: arm`` or ``trial``, a window holds its server for itself. With ``isolation: none`` arms may overlap anyway:
such windows share the server with each other, and not with a window that wants it alone.

The locks are files that the system releases when a process ends, however it ends. A window waits in a queue of one for
the server, so a run that gives the server back cannot take it again before one that waits.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import structlog

from uderia_bench.runner.stop import Stop

LOOK_AGAIN_S = 0.05
TELL_AFTER_S = 10.0  # of waiting; a person who sees no progress wants to know why by then
log = structlog.get_logger(__name__)


@asynccontextmanager
async def window(folder: Path | None, server: str, stop: Stop, *, shared: bool) -> AsyncGenerator[None]:
    """Hold a server for one window, once other runs on this machine have given it back, or a stop ends the wait.

    ``folder`` holds the locks. Where it is None or cannot be written, and where its file system has no locks, nothing is held.
    """
    name = hashlib.sha256(server.encode()).hexdigest()[:32]
    queue, turn = (None if folder is None else _opened(folder, f"{name}.{part}") for part in ("queue", "turn"))
    try:
        if queue is not None and turn is not None:
            await _lock(queue, fcntl.LOCK_EX, server, stop)
            await _lock(turn, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, server, stop)
            os.close(queue)
            queue = None
        yield
    finally:
        for descriptor in (queue, turn):
            if descriptor is not None:
                os.close(descriptor)


def _opened(folder: Path, name: str) -> int | None:
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return None


async def _lock(descriptor: int, kind: int, server: str, stop: Stop) -> None:
    """Take a lock as soon as it is free; a stop, or a file system without locks, ends the wait."""
    began_s, told = anyio.current_time(), False
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told and anyio.current_time() - began_s > TELL_AFTER_S:
                told = True
                stop.tell(f"waiting for another run's turn on {server} to end")
            if not await stop.sleep(LOOK_AGAIN_S):
                return
        except OSError as error:
            log.warning("the server cannot be locked", server=server, error=str(error))
            return
        else:
            return
