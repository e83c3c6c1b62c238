"""Temporary directories of workers, also of those that were killed.

A worker holds a lock in its directory, which the operating system releases with the process. So a
directory whose lock is free belongs to a process that is gone, and the next worker removes it. Why a
lock and no process id: containers that share a directory have the same ids for other processes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "uderia-bench-"
_LOCK = ".uderia-bench.lock"


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a new directory, which is removed at the end. Those that killed processes left are removed first."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # of another user, in use, or removed by another process meanwhile
            _remove(left)
    made, lock = _made()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(lock)


def _remove(left: Path) -> None:
    lock = _locked(left / _LOCK)
    try:
        shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(lock)


def _made() -> tuple[Path, int]:
    """Make a directory and lock it; again where another process has taken the new one for a left one."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=PREFIX))
        (made / _LOCK).touch(mode=0o600)
        with suppress(BlockingIOError, FileNotFoundError):
            lock = _locked(made / _LOCK)
            if (made / _LOCK).exists():
                return made, lock
            os.close(lock)


def _locked(file: Path) -> int:
    """Open and lock a file that exists; raises ``OSError`` if it is locked."""
    found = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(found)
        raise
    return found
