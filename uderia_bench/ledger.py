"""What was planned, sent and settled, in one SQLite file, with every raw payload: the run's only product until it is derived.

A trial is committed as it settles, so that a crash at trial 900 keeps 899; it interprets no payload. Task and session go into
one zstd frame, since the trace stands in both (35 % smaller than two frames).

States of a trial: ``planned``, ``asked`` (a query was accepted: session, task id and send times are known), ``settled``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import closing
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
_TIMES = tuple(field.name for field in fields(TrialRecord) if field.name.endswith(("_s", "_at")))


class Ledger:
    """One run's ledger, open. Use it as a context manager; one writer at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._pack = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)
        self._unpack = zstandard.ZstdDecompressor()

    @classmethod
    def create(cls, path: Path, plan: Iterable[Trial], arms: Mapping[str, Expected]) -> Self:
        """Start a ledger with its whole plan; raises ``StoreError`` where the file exists or cannot be written."""
        if path.exists():
            raise StoreError(f"{path} exists: a ledger is never started twice")
        try:
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
        except sqlite3.Error as error:
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
        except sqlite3.Error as error:
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
        rows = self._db.execute("SELECT name, expected FROM arms").fetchall()
        return {name: _expected(text) for name, text in rows}

    def plan(self) -> tuple[Trial, ...]:
        """Return the whole plan in its order of sending."""
        return tuple(_trial(text) for (text,) in self._db.execute("SELECT planned FROM trials ORDER BY seq"))

    def unsettled(self) -> tuple[Trial, ...]:
        """Return what is still to be asked: never settled, or ended in a way that is asked again (contract: ``resume``).

        A conversation is asked whole: where one of its turns is left, all of them are.
        """
        rows = self._db.execute("SELECT planned, state, ending FROM trials ORDER BY seq")
        trials = [(_trial(text), state != "settled" or ending in ASK_AGAIN) for text, state, ending in rows]
        left = {trial.conversation for trial, is_left in trials if is_left}
        return tuple(trial for trial, _ in trials if trial.conversation in left)

    def asked(self, trial_id: str) -> TrialRecord | None:
        """Return what is known of a trial whose query was accepted and whose end nobody saw; None for any other."""
        row = self._db.execute(f"{_SELECT} WHERE t.trial_id = ? AND t.state = 'asked'", (trial_id,)).fetchone()
        return self._record(row) if row is not None else None

    def attempts(self, trial_id: str) -> int:
        """Return how often a trial has been asked so far."""
        row = self._db.execute("SELECT attempts FROM trials WHERE trial_id = ?", (trial_id,)).fetchone()
        return int(row[0]) if row is not None else 0

    def mark_asked(self, record: TrialRecord) -> None:
        """Commit that a query was accepted, so that its task can be picked up by id after a crash."""
        self._write(record, state="asked")

    def settle(self, record: TrialRecord) -> None:
        """Commit how a trial ended, with its payloads."""
        self._write(record, state="settled")

    def counts(self) -> dict[str, int]:
        """Return the number of trials by ending, with ``planned`` and ``asked`` for those not settled."""
        rows = self._db.execute(
            "SELECT COALESCE(CASE state WHEN 'settled' THEN ending ELSE state END, state), COUNT(*) FROM trials GROUP BY 1"
        )
        return dict(rows.fetchall())

    def records(self, queries: Collection[str] | None = None) -> Generator[TrialRecord]:
        """Yield every settled trial, or those of some queries, in the plan's order, one at a time: memory stays flat."""
        where = "t.state = 'settled'"
        wanted: tuple[str, ...] = ()
        if queries is not None:
            where += " AND json_extract(t.planned, '$.query_id') IN (SELECT value FROM json_each(?))"
            wanted = (_dump(sorted(queries)),)
        with closing(self._db.cursor()) as cursor:
            for row in cursor.execute(f"{_SELECT} WHERE {where} ORDER BY t.seq", wanted):
                yield self._record(row)

    def settled(self) -> dict[str, int]:
        """Return how often each settled trial was asked, by id: cheap, for who looks at a run again and again."""
        rows = self._db.execute("SELECT trial_id, attempts FROM trials WHERE state = 'settled' ORDER BY seq")
        return dict(rows.fetchall())

    def record(self, trial_id: str) -> TrialRecord:
        """Return one settled trial; raises ``StoreError`` where there is none of that id."""
        row = self._db.execute(f"{_SELECT} WHERE t.trial_id = ? AND t.state = 'settled'", (trial_id,)).fetchone()
        if row is None:
            raise StoreError(f"{self.path}: no settled trial {trial_id!r}")
        return self._record(row)

    def sessions(self) -> tuple[str, ...]:
        """Return every session the run made, for archiving."""
        rows = self._db.execute("SELECT session_id FROM trials WHERE session_id IS NOT NULL ORDER BY seq")
        return tuple(row[0] for row in rows)

    def _write(self, record: TrialRecord, *, state: str) -> None:
        times = {name: value for name in _TIMES if (value := getattr(record, name)) is not None}
        try:
            with self._db:
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
                if record.task is not None or record.session is not None:
                    frame = self._pack.compress((record.task or b"") + (record.session or b""))
                    sizes = (_size(record.task), _size(record.session))
                    self._db.execute(
                        "INSERT OR REPLACE INTO payloads VALUES (?, ?, ?, ?)", (record.trial.trial_id, *sizes, frame)
                    )
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot write trial {record.trial.trial_id}: {error}") from error

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
            body = self._unpack.decompress(frame)
            task = body[:task_size] if task_size is not None else None
            session = body[task_size or 0 :] if session_size is not None else None
        return TrialRecord(
            trial=_trial(planned),
            expected=_expected(expected),
            ending=Ending(ending),
            detail=detail,
            attempts=attempts,
            polls=polls,
            session_id=session_id,
            task_id=task_id,
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
