"""Logging, set up once a process: JSON lines into the run directory, and on stderr as the user asked. It only formats.

Nothing secret reaches a log because nothing secret has a printable form (``gateway.credentials.Secret``).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger


class _Fan:
    """Writes every event to the log file, and warnings (or all, as JSON) to stderr."""

    def __init__(self, file: IO[bytes] | None, *, as_json: bool) -> None:
        self._file = file
        self._as_json = as_json

    def msg(self, **event: Any) -> None:
        """Write one event."""
        line = orjson.dumps(event, default=str, option=orjson.OPT_PASSTHROUGH_DATACLASS) + b"\n"
        if self._file is not None:
            self._file.write(line)
            self._file.flush()
        if self._as_json:
            sys.stderr.write(line.decode())
        elif event.get("level") in ("warning", "error", "critical") and self._file is None:
            sys.stderr.write(f"{event['level']}: {event['event']}\n")

    debug = info = warning = error = critical = msg


def _as_keywords(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return event


@contextmanager
def into(path: Path | None, *, as_json: bool) -> Iterator[None]:
    """Log into ``path`` (none: to stderr only) for the time of the block."""
    file = path.open("ab") if path is not None else None
    try:
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                _as_keywords,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=lambda *_: _Fan(file, as_json=as_json),
            cache_logger_on_first_use=False,
        )
        yield
    finally:
        structlog.reset_defaults()
        if file is not None:
            file.close()
