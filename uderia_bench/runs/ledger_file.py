"""Opens the SQLite file of a ledger, and refuses any file that is not a ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uderia_bench.errors import StoreError
from uderia_bench.printable import plain
from uderia_bench.runs import files, ledger_rows

FORMAT = 1  # of a new ledger
WITH_CHILDREN = 2  # once a payload has sessions of consulted profiles; an older reader refuses such a ledger
UNREADABLE = (sqlite3.DatabaseError, *ledger_rows.READ_ERRORS)
_FOREIGN = (  # what could compute without end, or run a function of the file's choice
    "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
    " OR sql LIKE 'CREATE VIRTUAL%' OR sql LIKE '%GENERATED ALWAYS%' OR sql LIKE '% AS (%' LIMIT 1"
)


def opened(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Open an existing ledger; a read-only file system serves as well, unless ``writing``.

    Raises ``StoreError`` if there is none, if it is not a ledger of this version, or if a link or a device is in its place.
    """
    if not files.exists(path):
        raise StoreError(f"{path}: no ledger here; is this a run directory?")
    _check_files(path)
    try:
        with closed_on_error(connect(path, writing=writing)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            foreign = connection.execute(_FOREIGN).fetchone()
            if version not in (FORMAT, WITH_CHILDREN):
                raise StoreError(f"{path}: ledger format {version}, this uderia-bench reads {FORMAT} and {WITH_CHILDREN}")
            if foreign is not None:
                kind, name = (plain(str(each)) for each in foreign[:2])
                raise StoreError(f"{path}: has a {kind} {name!r}, which no ledger has: do not trust this run")
            return connection
    except (OSError, *UNREADABLE) as error:
        raise StoreError(f"{path}: not readable as a ledger: {plain(str(error))}") from error


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Close a connection that an error keeps from its user."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _check_files(path: Path) -> None:
    """Raise ``StoreError`` if the ledger, or a file that SQLite opens beside it, is not a regular file."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            files.regular(path.with_name(path.name + suffix))


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Connect to a file. Functions that its schema calls are not trusted."""
    with closed_on_error(_writable(path) if writing else _readable(path)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection


def _writable(path: Path) -> sqlite3.Connection:
    with closed_on_error(sqlite3.connect(path)) as connection:
        # With a write-ahead log a killed process loses nothing committed, and readers (watch, derive) do not stop the writer.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def _readable(path: Path) -> sqlite3.Connection:
    address = path.resolve().as_uri()
    try:
        with closed_on_error(sqlite3.connect(f"{address}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master")
            return connection
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        # On a read-only file system SQLite cannot make the shared memory of a write-ahead log.
        return sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True)
