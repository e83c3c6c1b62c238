"""What was planned, sent and settled, in one SQLite file, with every raw payload: the run's only product until it is derived.

A trial is committed as it settles, so that a crash at trial 900 keeps 899; it interprets no payload. Task and session go into
one zstd frame, since the trace stands in both (35 % smaller than two frames).

States of a trial: ``planned``, ``sending`` (its session is known, and its query is on its way or was when the process died),
``asked`` (the query was accepted: the task id is known), ``settled``.

A commit is safe from a dying process at once, and from a power cut after the next ``sync``. A damaged file gives what can be
read and names the rest.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import zstandard

from uderia_bench.errors import StoreError
from uderia_bench.trial import Ending, Expected, Stage, Trial, TrialRecord

FORMAT = 1  # raised when the tables change; an older reader refuses a newer ledger instead of misreading it
COMPRESSION_LEVEL = 3  # zstd's default: higher levels cost the client's clock more than they save on disk
ASK_AGAIN = frozenset({Ending.CANCELLED, Ending.RATE_LIMITED, Ending.REFUSED, Ending.UNREACHABLE})

_TABLES = """
CREATE TABLE arms (name TEXT PRIMARY KEY, expected TEXT NOT NULL);
CREATE TABLE trials (
    trial_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, planned TEXT NOT NULL, arm TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'planned', ending TEXT, detail TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    polls INTEGER NOT NULL DEFAULT 0, session_id TEXT, task_id TEXT, times TEXT, notes TEXT
);
CREATE TABLE payloads (trial_id TEXT PRIMARY KEY, task_bytes INTEGER, session_bytes INTEGER, frame BLOB NOT NULL);
CREATE INDEX trials_by_seq ON trials (seq);
"""
LARGEST_FRAME = 2**28  # bytes unpacked: a task and a session, each at most what the gateway reads (wire.LARGEST_BODY)
OWNER_ONLY = 0o600  # answers may be confidential
_UNREADABLE = (  # what damage raises, of the file, of a frame, of a column's JSON
    sqlite3.DatabaseError,
    zstandard.ZstdError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
_TIMES = tuple(field.name for field in fields(TrialRecord) if field.name.endswith(("_s", "_at")))


class Ledger:
    """One run's ledger, open. Use it as a context manager; one writer at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._pack = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)
        self._unpack = zstandard.ZstdDecompressor()
        self._file = path.stat()
        self._unsynced = False

    @classmethod
    def create(cls, path: Path, plan: Iterable[Trial], arms: Mapping[str, Expected]) -> Self:
        """Start a ledger with its whole plan; raises ``StoreError`` where the file exists or cannot be written."""
        if path.exists():
            raise StoreError(f"{path} exists: a ledger is never started twice")
        try:
            path.touch(mode=OWNER_ONLY)
            connection = _connect(path)
            with connection:
                connection.executescript(_TABLES)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
                connection.executemany(
                    "INSERT INTO arms VALUES (?, ?)", [(name, _dump(asdict(expected))) for name, expected in arms.items()]
                )
                connection.executemany(
                    "INSERT INTO trials (trial_id, seq, planned, arm) VALUES (?, ?, ?, ?)",
                    [(trial.trial_id, trial.seq, _dump(asdict(trial)), trial.arm) for trial in plan],
                )
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: cannot start the ledger: {error}") from error
        return cls(path, connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing ledger; raises ``StoreError`` where there is none or it is no ledger of ours."""
        if not path.is_file():
            raise StoreError(f"{path}: no ledger here; is this a run directory?")
        try:
            connection = _connect(path)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except (OSError, *_UNREADABLE) as error:
            raise StoreError(f"{path}: not readable as a ledger: {error}") from error
        if version != FORMAT:
            connection.close()
            raise StoreError(f"{path}: ledger format {version}, this uderia-bench reads {FORMAT}")
        return cls(path, connection)

    def __enter__(self) -> Self:
        """Return itself; it is open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._db.close()

    def arms(self) -> dict[str, Expected]:
        """Return what each arm was configured with when the run began."""
        with self._readable():
            rows = self._db.execute("SELECT name, expected FROM arms").fetchall()
            return {name: _expected(text) for name, text in rows}

    def plan(self) -> tuple[Trial, ...]:
        """Return the whole plan in its order of sending."""
        with self._readable():
            return tuple(_trial(text) for (text,) in self._db.execute("SELECT planned FROM trials ORDER BY seq"))

    def unsettled(self) -> tuple[Trial, ...]:
        """Return what is still to be asked: never settled, or ended in a way that is asked again (contract: ``resume``).

        A conversation is asked whole: where one of its turns is left, all of them are.
        """
        with self._readable():
            rows = self._db.execute("SELECT planned, state, ending FROM trials ORDER BY seq")
            trials = [(_trial(text), state != "settled" or ending in ASK_AGAIN) for text, state, ending in rows]
        left = {trial.conversation for trial, is_left in trials if is_left}
        return tuple(trial for trial, _ in trials if trial.conversation in left)

    def pending(self, trial_id: str) -> TrialRecord | None:
        """Return what is known of a trial whose query is, or may be, on the server, and whose end nobody saw; else None.

        So is one that settled without an end: out of sight after its query was sent, or stopped before it was known whether it
        was taken.
        """
        with self._readable():
            row = self._db.execute(f"{_SELECT} WHERE t.trial_id = ?", (trial_id,)).fetchone()
            state = self._db.execute("SELECT state FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
            if row is None or state[0] == "planned":
                return None
            record = self._record(row)
        if record.sent_at is None or record.session_id is None:
            return None
        out_of_sight = record.ending is Ending.UNREACHABLE or (record.ending is Ending.CANCELLED and record.task_id is None)
        return record if state[0] in ("sending", "asked") or out_of_sight else None

    def forget(self, arms: Collection[str]) -> int:
        """Look for no query of some arms any more, for the server that had them is gone; returns how many trials that were.

        What was asked of it stays counted.
        """
        with self._writing("cannot forget a server"):
            done = self._db.execute(
                "UPDATE trials SET state = CASE state WHEN 'settled' THEN state ELSE 'planned' END, session_id = NULL,"
                " task_id = NULL WHERE (state IN ('sending', 'asked') OR (state = 'settled' AND ending IN (?, ?)))"
                " AND arm IN (SELECT value FROM json_each(?))",
                (Ending.UNREACHABLE.value, Ending.CANCELLED.value, _dump(sorted(arms))),
            )
        return done.rowcount

    def attempts(self, trial_id: str) -> int:
        """Return how often a trial has been asked so far."""
        with self._readable():
            row = self._db.execute("SELECT attempts FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
            return _whole(row[0]) if row is not None else 0

    def mark_sending(self, record: TrialRecord) -> None:
        """Commit that a query is about to be sent: from now on it may be on the server, and is counted."""
        self._write(record, state="sending")

    def mark_asked(self, record: TrialRecord) -> None:
        """Commit that a query was accepted, so that its task can be picked up by id after a crash."""
        self._write(record, state="asked")

    def settle(self, record: TrialRecord) -> None:
        """Commit how a trial ended, with its payloads."""
        self._write(record, state="settled")

    def counts(self) -> dict[str, int]:
        """Return the number of trials by ending, with ``planned`` and ``asked`` for those not settled."""
        with self._readable():
            rows = self._db.execute(
                "SELECT COALESCE(CASE state WHEN 'settled' THEN ending ELSE state END, state), COUNT(*) FROM trials GROUP BY 1"
            ).fetchall()
        return dict(rows)

    def records(self, queries: Collection[str] | None = None) -> Generator[TrialRecord]:
        """Yield every settled trial, or those of some queries, in the plan's order, one at a time: memory stays flat.

        Of a damaged ledger those that can be read; ``damaged`` names the others.
        """
        for row_id in self._settled(queries):
            try:
                record = self._read(row_id)
            except _UNREADABLE:
                continue
            if record is not None:
                yield record

    def settled_count(self) -> int:
        """Return how many trials are settled, readable or not."""
        return len(self._settled(None))

    def damaged(self) -> tuple[str, ...]:
        """Name what was settled and cannot be read: trials by id, or by their place in the plan where even that is lost."""
        names: list[str] = []
        for row_id in self._settled(None):
            try:
                self._read(row_id)
            except _UNREADABLE:
                names.append(self._name(row_id))
        return tuple(names)

    def _settled(self, queries: Collection[str] | None) -> list[int]:
        """Return the rows of settled trials in the plan's order; of a file that cannot be searched, every row there may be."""
        where = "state = 'settled'"
        wanted: tuple[str, ...] = ()
        if queries is not None:
            where += " AND json_extract(planned, '$.query_id') IN (SELECT value FROM json_each(?))"
            wanted = (_dump(sorted(queries)),)
        try:
            query = f"SELECT rowid FROM trials WHERE {where} ORDER BY seq"  # noqa: S608 - put together from constants
            return [row for (row,) in self._db.execute(query, wanted)]
        except sqlite3.DatabaseError:
            with self._readable():
                last = self._db.execute("SELECT MAX(rowid) FROM trials").fetchone()[0]
            return list(range(1, (last or 0) + 1))

    def _read(self, row_id: int) -> TrialRecord | None:
        row = self._db.execute(f"{_SELECT} WHERE t.rowid = ? AND t.state = 'settled'", (row_id,)).fetchone()
        return None if row is None else self._record(row)

    def _name(self, row_id: int) -> str:
        try:
            return str(self._db.execute("SELECT trial_id FROM trials WHERE rowid = ?", (row_id,)).fetchone()[0])
        except (sqlite3.DatabaseError, TypeError):
            return f"number {row_id} of the plan"

    def sync(self) -> None:
        """Have on the disk what was committed, so that a power cut keeps it too. Another thread may call it.

        Raises ``StoreError`` where the file is gone or another one: SQLite would go on writing into nothing.
        """
        try:
            now = self.path.stat()
            if (now.st_dev, now.st_ino) != (self._file.st_dev, self._file.st_ino):
                raise StoreError(f"{self.path}: another file took the ledger's place")
            if self._unsynced:
                self._unsynced = False
                with self.path.with_name(f"{self.path.name}-wal").open("rb") as log:
                    os.fsync(log.fileno())
        except FileNotFoundError as error:
            raise StoreError(f"{self.path}: the ledger was removed while the run went on") from error
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be synced: {error.strerror or error}") from error

    def settled(self) -> dict[str, int]:
        """Return how often each settled trial was asked, by id: cheap, for who looks at a run again and again."""
        with self._readable():
            return dict(
                self._db.execute("SELECT trial_id, attempts FROM trials WHERE state = 'settled' ORDER BY seq").fetchall()
            )

    def record(self, trial_id: str) -> TrialRecord:
        """Return one settled trial; raises ``StoreError`` where there is none of that id."""
        with self._readable():
            row = self._db.execute(f"{_SELECT} WHERE t.trial_id = ? AND t.state = 'settled'", (trial_id,)).fetchone()
            if row is None:
                raise StoreError(f"{self.path}: no settled trial {trial_id!r}")
            return self._record(row)

    def sessions(self) -> tuple[str, ...]:
        """Return every session the run made, for archiving."""
        with self._readable():
            rows = self._db.execute("SELECT session_id FROM trials WHERE session_id IS NOT NULL ORDER BY seq")
            return tuple(row[0] for row in rows)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Say in a line what makes a ledger unreadable, and what still can be done."""
        try:
            yield
        except _UNREADABLE as error:
            raise StoreError(f"{self.path}: damaged ({error}): 'uderia-bench derive' saves what can be read") from error

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Commit all that is written inside, or nothing."""
        try:
            with self._db:
                yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {what}: {error}") from error
        self._unsynced = True

    def _write(self, record: TrialRecord, *, state: str) -> None:
        times = {name: value for name in _TIMES if (value := getattr(record, name)) is not None}
        with self._writing(f"cannot write trial {record.trial.trial_id}"):
            self._db.execute(
                "UPDATE trials SET state = ?, ending = ?, detail = ?, attempts = ?, polls = ?, session_id = ?, task_id = ?,"
                " times = ?, notes = ? WHERE trial_id = ?",
                (
                    state,
                    record.ending.value,
                    record.detail,
                    record.attempts,
                    record.polls,
                    record.session_id,
                    record.task_id,
                    _dump(times),
                    _dump(record.notes),
                    record.trial.trial_id,
                ),
            )
            # The bodies of an earlier attempt are not this one's.
            self._db.execute("DELETE FROM payloads WHERE trial_id = ?", (record.trial.trial_id,))
            if record.task is not None or record.session is not None:
                frame = self._pack.compress((record.task or b"") + (record.session or b""))
                sizes = (_size(record.task), _size(record.session))
                self._db.execute("INSERT INTO payloads VALUES (?, ?, ?, ?)", (record.trial.trial_id, *sizes, frame))

    def _record(self, row: tuple[Any, ...]) -> TrialRecord:
        (
            planned,
            expected,
            ending,
            detail,
            attempts,
            polls,
            session_id,
            task_id,
            times,
            notes,
            task_size,
            session_size,
            frame,
        ) = row
        task = session = None
        if frame is not None:
            if zstandard.get_frame_parameters(frame).content_size > LARGEST_FRAME:
                raise ValueError("a frame larger than anything that was stored")
            body = self._unpack.decompress(frame)
            task = body[:task_size] if task_size is not None else None
            session = body[task_size or 0 :] if session_size is not None else None
        return TrialRecord(
            trial=_trial(planned),
            expected=_expected(expected),
            ending=Ending(ending),
            detail=_text(detail),
            attempts=_whole(attempts),
            polls=_whole(polls),
            session_id=_text(session_id),
            task_id=_text(task_id),
            task=task,
            session=session,
            notes=tuple(orjson.loads(notes)),
            **_times(times),
        )


_SELECT = (
    "SELECT t.planned, a.expected, t.ending, t.detail, t.attempts, t.polls, t.session_id, t.task_id, t.times, t.notes,"
    " p.task_bytes, p.session_bytes, p.frame"
    " FROM trials t JOIN arms a ON a.name = t.arm LEFT JOIN payloads p ON p.trial_id = t.trial_id"
)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    # With a write-ahead log a killed process loses nothing committed, and readers (watch, derive) do not stop the writer.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()


def _size(body: bytes | None) -> int | None:
    return None if body is None else len(body)


def _text(value: Any) -> str | None:
    """Take a column for what was written; SQLite keeps any kind of value in any column, and damage makes use of that."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"text expected, found {type(value).__name__}")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"a whole number expected, found {type(value).__name__}")
    return value


def _trial(text: str) -> Trial:
    data = orjson.loads(text)
    return Trial(**{**data, "stage": Stage(data["stage"]), "tags": tuple(data["tags"])})


def _expected(text: str) -> Expected:
    data = orjson.loads(text)
    return Expected(**{**data, "models": tuple(data["models"])})


def _times(text: str) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name.endswith("_at") else value for name, value in orjson.loads(text).items()
    }
