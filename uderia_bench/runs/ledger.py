"""The ledger of a run: plan, sent and settled trials and every raw payload, in one SQLite file.

A trial is committed as it settles, so that a crash at trial 900 keeps 899. Payloads are stored as they were received. A commit
survives the end of the process at once, and a power cut after the next ``sync``. Of a damaged file, the readable trials are
returned and the others are named.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hmac import compare_digest
from pathlib import Path
from types import TracebackType
from typing import Self

import zstandard

from uderia_bench.errors import StoreError
from uderia_bench.printable import plain
from uderia_bench.runs import files, ledger_file, ledger_rows
from uderia_bench.runs.actions import Action
from uderia_bench.runs.changes import Change, ChangeState, Noted
from uderia_bench.runs.ledger_file import FORMAT, UNREADABLE, WITH_CHILDREN
from uderia_bench.runs.ledger_rows import Entry, Moved, Progress, Row, Written
from uderia_bench.runs.seal import Seal
from uderia_bench.trial import Ending, Serving, Trial, TrialRecord

ASK_AGAIN = frozenset({Ending.CANCELLED, Ending.RATE_LIMITED, Ending.REFUSED, Ending.UNREACHABLE})
LONGEST_S = 120.0  # for one statement: ends an endless one, and is far from any that reads a real run
_STEPS = 100_000  # of SQLite's machine between two looks at the clock: some milliseconds
SMALLEST_ROW = 64  # bytes of a trial: what is planned of it alone is longer
_SETTLED_ROW = "t.rowid = ? AND t.state = 'settled'"
_IN_DOUBT = (  # its query is, or may be, on the server, and its end was not seen; ``is_out_of_sight`` tests the second half
    "(state IN ('sending', 'asked') OR"
    " (state = 'settled' AND (ending = 'unreachable' OR (ending = 'cancelled' AND task_id IS NULL))))"
)


def is_out_of_sight(record: TrialRecord) -> bool:
    """Whether a trial settled before its end was seen: unreachable, or stopped before its query was known to be accepted."""
    return record.ending is Ending.UNREACHABLE or (record.ending is Ending.CANCELLED and record.task_id is None)


class Ledger:
    """One run's ledger, open. Use it as a context manager; one writer at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._pack = ledger_rows.compressor()
        self._unpack = zstandard.ZstdDecompressor()
        self._file = path.stat()
        self._unsynced = False
        self._until = time.monotonic() + LONGEST_S
        connection.set_progress_handler(lambda: time.monotonic() > self._until, _STEPS)

    @classmethod
    def create(cls, path: Path, plan: Iterable[Trial], arms: Mapping[str, Serving]) -> Self:
        """Start a ledger with its whole plan; raises ``StoreError`` where the file exists or cannot be written."""
        if path.exists():
            raise StoreError(f"{path} exists: a ledger is never started twice")
        try:
            files.append(path).close()
            with ledger_file.closed_on_error(ledger_file.connect(path, writing=True)) as connection, connection:
                connection.executescript(ledger_rows.TABLES)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
                connection.executemany(
                    "INSERT INTO arms VALUES (?, ?)",
                    [(name, ledger_rows.dump_values(expected)) for name, expected in arms.items()],
                )
                connection.executemany(
                    "INSERT INTO trials (trial_id, seq, planned, arm) VALUES (?, ?, ?, ?)",
                    [(trial.trial_id, trial.seq, ledger_rows.dump_values(trial), trial.arm) for trial in plan],
                )
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: cannot start the ledger: {plain(str(error))}") from error
        return cls(path, connection)

    @classmethod
    def open(cls, path: Path, *, writing: bool = False) -> Self:
        """Open an existing ledger, to be read only unless ``writing``; raises ``StoreError`` as ``ledger_file.opened``."""
        return cls(path, ledger_file.opened(path, writing=writing))

    def _execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run one statement, which SQLite interrupts after ``LONGEST_S``."""
        self._until = time.monotonic() + LONGEST_S
        return self._db.execute(statement, values)

    def __enter__(self) -> Self:
        """Return itself; it is open already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._db.close()

    def arms(self) -> dict[str, Serving]:
        """Return what each arm was configured with when the run began."""
        with self._readable():
            rows = self._execute("SELECT name, expected FROM arms").fetchall()
            return {name: ledger_rows.expected(text) for name, text in rows}

    def plan(self) -> tuple[Trial, ...]:
        """Return the whole plan in its order of sending."""
        with self._readable():
            return tuple(ledger_rows.trial(text) for (text,) in self._execute("SELECT planned FROM trials ORDER BY seq"))

    def unsettled(self) -> tuple[Trial, ...]:
        """Return the trials still to ask: those not settled, and those with an ending in ``ASK_AGAIN``.

        A conversation is asked as a whole: if one of its turns is left, all of them are returned.
        """
        with self._readable():
            rows = self._execute("SELECT planned, state, ending FROM trials ORDER BY seq")
            trials = [(ledger_rows.trial(text), state != "settled" or ending in ASK_AGAIN) for text, state, ending in rows]
        left = {trial.conversation for trial, is_left in trials if is_left}
        return tuple(trial for trial, _ in trials if trial.conversation in left)

    def pending(self, trial_id: str) -> TrialRecord | None:
        """Return the record of a trial whose query is, or may be, on the server, and whose end was not seen; else None.

        This includes a trial that settled without an end: unreachable after its query was sent, or stopped before it was known
        whether the query was accepted.
        """
        with self._readable():
            state = self._execute(f"SELECT state FROM trials WHERE trial_id = ? AND {_IN_DOUBT}", (trial_id,)).fetchone()  # noqa: S608 - a constant
            if state is None:
                return None
            record = self._record("t.trial_id = ?", trial_id)
        return None if record is None or record.sent_at is None or record.session_id is None else record

    def forget(self, server: str, arms: Collection[str]) -> int:
        """Forget the queries sent to a server that is gone, and return their number. ``arms`` are the arms asked there.

        They are not looked up again. Their attempts stay counted.
        """
        with self._writing("cannot forget a server"):
            done = self._execute(
                "UPDATE trials SET state = CASE state WHEN 'settled' THEN state ELSE 'planned' END, session_id = NULL,"
                " task_id = NULL WHERE (state IN ('sending', 'asked') OR (state = 'settled' AND ending IN (?, ?)))"
                " AND COALESCE(json_extract(planned, '$.server'), ?) = ? AND arm IN (SELECT value FROM json_each(?))",
                (Ending.UNREACHABLE.value, Ending.CANCELLED.value, server, server, ledger_rows.dump(sorted(arms))),
            )
        return done.rowcount

    def last_ended(self, server: str, arms: Collection[str]) -> TrialRecord | None:
        """Return the trial that ended last on a server with a known task, else None; ``arms`` are asked there."""
        found = (
            "t.trial_id = (SELECT trial_id FROM trials WHERE ending = 'settled' AND state = 'settled' AND task_id IS NOT NULL"
            " AND COALESCE(json_extract(planned, '$.server'), ?1) = ?1 AND arm IN (SELECT value FROM json_each(?2))"
            " ORDER BY json_extract(times, '$.sent_at') DESC LIMIT 1)"
        )
        with self._readable():
            return self._record(found, server, ledger_rows.dump(sorted(arms)))

    def attempts(self) -> dict[str, int]:
        """Return how often each trial has been asked so far, without those that never were."""
        with self._readable():
            rows = self._execute("SELECT trial_id, attempts FROM trials WHERE attempts != 0")
            return {trial_id: ledger_rows.whole(attempts) for trial_id, attempts in rows}

    def in_doubt(self) -> set[str]:
        """Return the trials for which ``pending`` may return a record."""
        with self._readable():
            return {trial_id for (trial_id,) in self._execute(f"SELECT trial_id FROM trials WHERE {_IN_DOUBT}")}  # noqa: S608 - a constant

    def write(self, entries: Iterable[Written]) -> None:
        """Commit all entries together, or none; raises ``StoreError``.

        A trial's later entry replaces the earlier one with its bodies, which belong to an earlier attempt.
        """
        said = list(entries)
        rows = [entry.row(self._pack) for entry in said if isinstance(entry, Entry)]
        with self._writing(f"cannot write trial {', '.join(row.trial_id for row in rows)}"):
            moved = [trial for entry in said if isinstance(entry, Moved) for trial in entry.trials]
            self._db.executemany(ledger_rows.MOVE_TRIAL, [(ledger_rows.dump_values(each), each.trial_id) for each in moved])
            self._keep(rows)
            if actions := [(ledger_rows.dump(action),) for action in said if isinstance(action, Action)]:
                self._execute(ledger_rows.ACTIONS_TABLE)
                self._db.executemany("INSERT INTO actions (said) VALUES (?)", actions)

    def replay(self, rows: Iterable[Row]) -> None:
        """Commit rows that other ledgers committed, in their order, or none of them; raises ``StoreError``."""
        with self._writing("cannot copy trials"):
            self._keep(rows)

    def _keep(self, rows: Iterable[Row]) -> None:
        account = None
        for row in rows:
            self._execute(ledger_rows.UPDATE_TRIAL, row.columns)
            self._execute("DELETE FROM payloads WHERE trial_id = ?", (row.trial_id,))
            if row.payload is not None:
                self._execute("INSERT INTO payloads VALUES (?, ?, ?, ?)", row.payload)
            if row.children:
                self._execute(f"PRAGMA user_version = {WITH_CHILDREN}")
            account = row.account or account
        if account is not None:
            self._execute(ledger_rows.ACCOUNT_TABLE)
            self._execute(ledger_rows.KEEP_ACCOUNT, (account,))

    def actions(self) -> tuple[Action, ...]:
        """Return what people did to the run while it went on, in order."""
        with self._readable():
            if not self._has_table("actions"):
                return ()
            rows = self._execute("SELECT said FROM actions ORDER BY number").fetchall()
            return tuple(ledger_rows.action(text) for (text,) in rows)

    def plan_change(self, change: Change, seal: Seal) -> Noted:
        """Commit a change of a server that is about to be sent."""
        with self._writing(f"cannot note {change}"):
            self._execute(ledger_rows.CHANGES_TABLE)
            said = ledger_rows.dump(asdict(change))
            number = self._execute("INSERT INTO changes (said, state) VALUES (?, 'planned')", (said,)).lastrowid
            noted = Noted(number=ledger_rows.whole(number), change=change, state=ChangeState.PLANNED)
            self._keep_seal(noted, seal)
        return noted

    def mark_change(self, noted: Noted, seal: Seal) -> None:
        """Commit how far a change has come, and the id that the server chose."""
        with self._writing(f"cannot note that change {noted.number} is {noted.state}"):
            values = (noted.state.value, noted.made, noted.number)
            self._execute("UPDATE changes SET state = ?, made = ? WHERE number = ?", values)
            self._keep_seal(noted, seal)

    def _keep_seal(self, noted: Noted, seal: Seal) -> None:
        self._execute(ledger_rows.SEALS_TABLE)
        self._execute(ledger_rows.KEEP_SEAL, (noted.number, seal.of(noted)))

    def is_sealed(self, noted: Noted, seal: Seal) -> bool:
        """Whether a change was noted with this seal, exactly as it is here."""
        with self._readable():
            if not self._has_table("seals"):
                return False
            row = self._execute("SELECT seal FROM seals WHERE number = ?", (noted.number,)).fetchone()
            return row is not None and compare_digest(ledger_rows.text(row[0]) or "", seal.of(noted))

    def changes(self) -> tuple[Noted, ...]:
        """Return what the run changed on its servers, in order."""
        with self._readable():
            if not self._has_table("changes"):
                return ()
            rows = self._execute("SELECT number, said, state, made FROM changes ORDER BY number").fetchall()
            return tuple(map(ledger_rows.noted, rows))

    def _has_table(self, name: str) -> bool:
        return self._execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None

    def account(self) -> str | None:
        """Return what the run had spent when a trial settled last, as it was written; None where nothing was."""
        with self._readable():
            if not self._has_table("account"):
                return None
            return ledger_rows.text(self._execute("SELECT spent FROM account").fetchone()[0])

    def counts(self) -> dict[str, int]:
        """Return the number of trials by ending, with ``planned`` and ``asked`` for those not settled."""
        with self._readable():
            rows = self._execute(
                "SELECT COALESCE(CASE state WHEN 'settled' THEN ending ELSE state END, state), COUNT(*) FROM trials GROUP BY 1"
            ).fetchall()
        return dict(rows)

    def records(self, queries: Collection[str] | None = None) -> Generator[TrialRecord]:
        """Yield every settled trial, or those of some queries, in the plan's order, one at a time: memory stays flat.

        Of a damaged ledger those that can be read; ``damaged`` names the others.
        """
        yield from self.records_of(self.settled_rows(queries))

    def records_of(self, rows: Iterable[int]) -> Generator[TrialRecord]:
        """Yield the settled trials of some rows, as ``settled_rows`` has them, without those that cannot be read."""
        for row_id in rows:
            try:
                record = self._record(_SETTLED_ROW, row_id)
            except UNREADABLE:
                continue
            if record is not None:
                yield record

    def settled_count(self) -> int:
        """Return how many trials are settled, readable or not."""
        return len(self.settled_rows())

    def damaged(self) -> tuple[str, ...]:
        """Return the settled trials that cannot be read: their ids, or their places in the plan if the ids are lost."""
        names: list[str] = []
        for row_id in self.settled_rows():
            try:
                self._record(_SETTLED_ROW, row_id)
            except UNREADABLE:
                names.append(self._name(row_id))
        return tuple(names)

    def settled_rows(self, queries: Collection[str] | None = None) -> list[int]:
        """Return the rows of settled trials in the plan's order; if the file cannot be searched, every row that may exist."""
        where = "state = 'settled'"
        wanted: tuple[str, ...] = ()
        if queries is not None:
            where += " AND json_extract(planned, '$.query_id') IN (SELECT value FROM json_each(?))"
            wanted = (ledger_rows.dump(sorted(queries)),)
        try:
            query = f"SELECT rowid FROM trials WHERE {where} ORDER BY seq"  # noqa: S608 - put together from constants
            return [row for (row,) in self._execute(query, wanted)]
        except sqlite3.DatabaseError:
            with self._readable():
                last = self._execute("SELECT MAX(rowid) FROM trials").fetchone()[0]
            # The last row's number may be damaged too: there are no more rows than the file, and its log, have room for.
            stored = (self.path, self.path.with_name(f"{self.path.name}-wal"))
            room = sum(file.stat().st_size for file in stored if file.exists())
            return list(range(1, min(last or 0, room // SMALLEST_ROW) + 1))

    def _record(self, where: str, *values: int | str | bytes) -> TrialRecord | None:
        row = self._execute(f"{ledger_rows.RECORD_COLUMNS} WHERE {where}", values).fetchone()
        return None if row is None else ledger_rows.record(row, self._unpack)

    def _name(self, row_id: int) -> str:
        try:
            return str(self._execute("SELECT trial_id FROM trials WHERE rowid = ?", (row_id,)).fetchone()[0])
        except (sqlite3.DatabaseError, TypeError):
            return f"number {row_id} of the plan"

    def sync(self) -> None:
        """Flush what was committed to the disk, so that it survives a power cut. Another thread may call it.

        Raises ``StoreError`` if the file was removed or replaced, because SQLite would go on writing to the old one.
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
        """Return how often each settled trial was asked, by id. It is cheap enough to be called again and again."""
        with self._readable():
            return dict(self._execute("SELECT trial_id, attempts FROM trials WHERE state = 'settled' ORDER BY seq").fetchall())

    def version(self) -> int:
        """Return a number that changes when another connection commits: the cheapest way to notice progress."""
        with self._readable():
            return ledger_rows.whole(self._execute("PRAGMA data_version").fetchone()[0])

    def progress(self, first: int = 0, last: int = sys.maxsize, *, asked_again: bool = False) -> tuple[Progress, ...]:
        """Return how far the trials that were begun have come, from the place ``first`` in the plan to the place ``last``.

        ``asked_again`` adds the earlier trials that have not settled, needed more than one attempt, or are to be asked again.
        """
        begun = "SELECT trial_id, seq, state, ending, attempts, times FROM trials WHERE state != 'planned' AND seq <= ?"
        earlier = "OR state != 'settled' OR attempts > 1 OR ending = 'cancelled'" if asked_again else ""
        with self._readable():
            rows = self._execute(f"{begun} AND (seq >= ? {earlier}) ORDER BY seq", (last, first))
            return tuple(map(ledger_rows.progress, rows))

    def record(self, trial_id: str) -> TrialRecord:
        """Return one settled trial; raises ``StoreError`` where there is none of that id."""
        with self._readable():
            record = self._record("t.trial_id = ? AND t.state = 'settled'", trial_id)
            if record is None:
                raise StoreError(f"{self.path}: no settled trial {trial_id!r}")
            return record

    def sessions(self) -> tuple[tuple[str, str | None, str], ...]:
        """Return every session that is known, once, with its arm and its server: turns of a conversation share theirs."""
        with self._readable():
            server = "json_extract(planned, '$.server')"
            made = f"SELECT DISTINCT arm, {server}, session_id FROM trials WHERE session_id IS NOT NULL ORDER BY seq"  # noqa: S608 - a constant
            return tuple(self._execute(made).fetchall())

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn an error of a damaged ledger into a ``StoreError`` with the next step."""
        try:
            yield
        except UNREADABLE as error:
            raise StoreError(
                f"{self.path}: damaged ({plain(str(error))}): 'uderia-bench derive' saves what can be read"
            ) from error

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Commit all that is written inside, or nothing."""
        try:
            with self._db:
                yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {what}: {plain(str(error))}") from error
        self._unsynced = True
