"""Logging, set up once a process: JSON lines into the run directory, and on stderr as the user asked. It only formats.

Nothing secret reaches a log because nothing secret has a printable form (pydantic's ``SecretStr``).
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from uderia_bench.errors import StoreError
from uderia_bench.runs import files


class _Fan:
    """Writes every event to the log file, and warnings (or all, as JSON) to stderr."""

    def __init__(self, file: IO[bytes] | None, *, as_json: bool) -> None:
        self._file = file
        self._as_json = as_json
        self._lost = False

    def msg(self, **event: Any) -> None:
        """Write one event."""
        line = orjson.dumps(event, default=str, option=orjson.OPT_PASSTHROUGH_DATACLASS) + b"\n"
        if self._file is not None:
            self._keep(self._file, line)
        if self._as_json:
            sys.stderr.write(json.dumps(orjson.loads(line)) + "\n")  # ASCII, so that no terminal obeys it
        elif event.get("level") in ("warning", "error", "critical") and self._file is None:
            sys.stderr.write(f"{event['level']}: {event['event']}\n")

    def _keep(self, file: IO[bytes], line: bytes) -> None:
        """Write to the file; a log that cannot be written must not end what it tells of."""
        try:
            file.write(line)
        except OSError as error:
            if not self._lost:
                self._lost = True
                sys.stderr.write(f"warning: the log cannot be written ({error.strerror or error}); the run goes on without\n")

    debug = info = warning = error = critical = msg


def _appending(path: Path) -> IO[bytes]:
    """Open a log for its owner only, behind a whole line: a process that was killed may have left half of one."""
    try:
        file = files.append(path)
        if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
            file.write(b"\n")
    except OSError as error:
        raise StoreError(f"{path}: cannot write: {error.strerror or error}") from error
    return file


@contextmanager
def into(path: Path | None, *, as_json: bool) -> Iterator[None]:
    """Log into ``path`` (none: to stderr only) for the time of the block; raises ``StoreError`` where it cannot be opened.

    A block inside another stands in for it. Outside of all of them structlog would print on stdout, which is for results.
    """
    before = structlog.get_config() if structlog.is_configured() else None
    if path is not None and path.is_symlink():
        sys.stderr.write(f"warning: the log cannot be written ({path.name} is a symbolic link); the run continues without it\n")
        path = None
    file = None if path is None else _appending(path)
    fan = _Fan(file, as_json=as_json)
    try:
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                lambda _, __, event: event,  # as keywords of the logger
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=lambda *_: fan,
            cache_logger_on_first_use=False,
        )
        yield
    finally:
        structlog.reset_defaults()
        if before is not None:
            structlog.configure(**before)
        if file is not None:
            with suppress(OSError):
                file.close()
