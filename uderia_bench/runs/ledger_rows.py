"""Trials, arms and records as rows of a ledger, and back.

Task, session and the sessions of consulted profiles go into one zstd frame, since the trace is in
task and session (35 % smaller than two frames). SQLite accepts any kind of value in any column, so
what is read back is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import orjson
import zstandard

from uderia_bench.runs.actions import Action
from uderia_bench.runs.changes import Change, ChangeState, Noted
from uderia_bench.trial import Ending, Serving, Stage, Trial, TrialRecord

_SIZE_BYTES = 8  # before the body of each session of a consulted profile
COMPRESSION_LEVEL = 3  # zstd's default: higher levels cost the client's clock more than they save on disk
LARGEST_FRAME = 2**28 + 2**27  # bytes unpacked: a task, a session (each at most wire.LARGEST_BODY) and those of experts
READ_ERRORS = (  # what damage raises, of a frame or of a column's JSON
    zstandard.ZstdError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
TABLES = """
CREATE TABLE arms (name TEXT PRIMARY KEY, expected TEXT NOT NULL);
CREATE TABLE trials (
    trial_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, planned TEXT NOT NULL, arm TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'planned', ending TEXT, detail TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    polls INTEGER NOT NULL DEFAULT 0, session_id TEXT, task_id TEXT, times TEXT, notes TEXT
);
CREATE TABLE payloads (trial_id TEXT PRIMARY KEY, task_bytes INTEGER, session_bytes INTEGER, frame BLOB NOT NULL);
CREATE INDEX trials_by_seq ON trials (seq);
"""
ACCOUNT_TABLE = "CREATE TABLE IF NOT EXISTS account (one INTEGER PRIMARY KEY, spent TEXT NOT NULL)"  # made with its first row
ACTIONS_TABLE = "CREATE TABLE IF NOT EXISTS actions (number INTEGER PRIMARY KEY, said TEXT NOT NULL)"  # with its first row
CHANGES_TABLE = (  # with its first row
    "CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY, said TEXT NOT NULL, state TEXT NOT NULL, made TEXT)"
)
SEALS_TABLE = "CREATE TABLE IF NOT EXISTS seals (number INTEGER PRIMARY KEY, seal TEXT NOT NULL)"  # of the changes
KEEP_SEAL = "INSERT OR REPLACE INTO seals VALUES (?, ?)"
KEEP_ACCOUNT = "INSERT OR REPLACE INTO account VALUES (1, ?)"
RECORD_COLUMNS = (
    "SELECT t.planned, a.expected, t.ending, t.detail, t.attempts, t.polls, t.session_id, t.task_id, t.times, t.notes,"
    " p.task_bytes, p.session_bytes, p.frame"
    " FROM trials t JOIN arms a ON a.name = t.arm LEFT JOIN payloads p ON p.trial_id = t.trial_id"
)
UPDATE_TRIAL = (
    "UPDATE trials SET state = ?, ending = ?, detail = ?, attempts = ?, polls = ?, session_id = ?, task_id = ?,"
    " times = ?, notes = ? WHERE trial_id = ?"
)
MOVE_TRIAL = (
    "UPDATE trials SET planned = ?, session_id = NULL, task_id = NULL,"
    " state = CASE state WHEN 'settled' THEN state ELSE 'planned' END WHERE trial_id = ?"
)
_TIMES = tuple(field.name for field in fields(TrialRecord) if field.name.endswith(("_s", "_at")))


class State(StrEnum):
    """How far a trial has come by an entry. Before its first entry, it is planned."""

    SENDING = "sending"  # its session is known, and its query is on its way or was when the process died
    ASKED = "asked"  # the query was accepted: the task id is known
    SETTLED = "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry as a ledger writes it: the parameters of ``UPDATE_TRIAL``, a row of ``payloads``, and the run's spending.

    ``children``: the payload has sessions of consulted profiles.
    """

    columns: tuple[Any, ...]
    payload: tuple[Any, ...] | None
    children: bool
    account: str | None

    @property
    def trial_id(self) -> str:
        """The trial it is about."""
        return str(self.columns[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one commit writes of a trial: its state, its record so far, and what the run has spent."""

    state: State
    record: TrialRecord
    account: str | None = None

    @property
    def trial_id(self) -> str:
        """The trial it is about."""
        return self.record.trial.trial_id

    def row(self, pack: zstandard.ZstdCompressor) -> Row:
        """Return what a ledger writes of it."""
        return Row(
            columns=self._columns(), payload=self._payload(pack), children=bool(self.record.children), account=self.account
        )

    def _columns(self) -> tuple[Any, ...]:
        record = self.record
        times = {name: value for name in _TIMES if (value := getattr(record, name)) is not None}
        return (
            self.state.value,
            record.ending.value,
            record.detail,
            record.attempts,
            record.polls,
            record.session_id,
            record.task_id,
            dump(times),
            dump(record.notes),
            self.trial_id,
        )

    def _payload(self, pack: zstandard.ZstdCompressor) -> tuple[Any, ...] | None:
        task, session, children = self.record.task, self.record.session, self.record.children
        if task is None and session is None:
            return None
        sized = b"".join(len(child).to_bytes(_SIZE_BYTES) + child for child in children)
        return self.trial_id, _size(task), _size(session), pack.compress((task or b"") + (session or b"") + sized)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Trials that are asked on another server, and in another window, than was planned."""

    trials: tuple[Trial, ...]


Written: TypeAlias = Entry | Moved | Action
"""An entry of the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one trial has come, without its bodies. ``ending`` is None until it settles."""

    trial_id: str
    seq: int
    state: State
    ending: Ending | None
    attempts: int
    sent_at: datetime | None


def progress(row: tuple[Any, ...]) -> Progress:
    """Read how far a trial has come, from (id, place in the plan, state, ending, attempts, times)."""
    trial_id, seq, state, ending, attempts, times = row
    settled = state == State.SETTLED
    return Progress(
        trial_id=str(trial_id),
        seq=whole(seq),
        state=State(state),
        ending=Ending(ending) if settled else None,
        attempts=whole(attempts),
        sent_at=None if settled else _times(times).get("sent_at"),
    )


def compressor() -> zstandard.ZstdCompressor:
    """Return a compressor of bodies. Each thread needs a separate one."""
    return zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)


def dump(value: Any) -> str:
    """Return a value as JSON text."""
    return orjson.dumps(value).decode()


def dump_values(value: Trial | Serving) -> str:
    """Return a planned trial or an arm's configuration as JSON text."""
    return dump(asdict(value))


def trial(text: Any) -> Trial:
    """Read a planned trial; raises one of ``READ_ERRORS``, as all that reads here."""
    data = orjson.loads(text)
    return Trial(**{**data, "stage": Stage(data["stage"]), "tags": tuple(data["tags"])})


def expected(text: Any) -> Serving:
    """Read what an arm was configured with."""
    return _serving(orjson.loads(text))


def _serving(data: dict[str, Any]) -> Serving:
    elsewhere = tuple(map(_serving, data.get("elsewhere", ())))
    return Serving(**{**data, "models": tuple(data["models"]), "elsewhere": elsewhere})


def action(said: Any) -> Action:
    """Read what a person did to a run."""
    data = orjson.loads(said)
    return Action(at=_moment(data["at"]), **{name: str(text(data[name])) for name in ("who", "what", "about")})


def noted(row: tuple[Any, ...]) -> Noted:
    """Read a change of a server, from (number, change, state, the id that the server chose)."""
    number, said, state, made = row
    return Noted(number=whole(number), change=Change(**orjson.loads(said)), state=ChangeState(state), made=text(made))


def whole(value: Any) -> int:
    """Return a column that holds a whole number; raises ``TypeError`` for any other value."""
    if not isinstance(value, int):
        raise TypeError(f"a whole number expected, found {type(value).__name__}")
    return value


def record(row: tuple[Any, ...], unpack: zstandard.ZstdDecompressor) -> TrialRecord:
    """Read a row of ``RECORD_COLUMNS``."""
    planned, arm, ending, detail, attempts, polls, session_id, task_id, times, notes, task_size, session_size, frame = row
    task = session = None
    children: tuple[bytes, ...] = ()
    if frame is not None:
        if zstandard.get_frame_parameters(frame).content_size > LARGEST_FRAME:
            raise ValueError("a frame larger than anything that was stored")
        body = unpack.decompress(frame)
        end = (task_size or 0) + (session_size or 0)
        task = body[:task_size] if task_size is not None else None
        session = body[task_size or 0 : end] if session_size is not None else None
        children = tuple(_children(body[end:]))
    asked = trial(planned)
    serving = expected(arm).on(asked.server)
    return TrialRecord(
        trial=asked if asked.server else replace(asked, server=serving.server),
        expected=serving,
        ending=Ending(ending),
        detail=text(detail),
        attempts=whole(attempts),
        polls=whole(polls),
        session_id=text(session_id),
        task_id=text(task_id),
        task=task,
        session=session,
        children=children,
        notes=tuple(orjson.loads(notes)),
        **_times(times),
    )


def _children(packed: bytes) -> Iterator[bytes]:
    """Yield the bodies of the sessions of consulted profiles, each of which comes after its size."""
    while packed:
        end = _SIZE_BYTES + int.from_bytes(packed[:_SIZE_BYTES])
        if end > len(packed):
            raise ValueError("a body that is cut off")
        yield packed[_SIZE_BYTES:end]
        packed = packed[end:]


def _size(body: bytes | None) -> int | None:
    return None if body is None else len(body)


def text(value: Any) -> str | None:
    """Return a column that holds text or nothing; raises ``TypeError`` for any other value."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"text expected, found {type(value).__name__}")
    return value


def _times(said: str) -> dict[str, Any]:
    return {name: _moment(value) if name.endswith("_at") else float(value) for name, value in orjson.loads(said).items()}


def _moment(said: Any) -> datetime:
    moment = datetime.fromisoformat(said)
    if moment.tzinfo is None:
        raise ValueError(f"{said}: a time without its zone")
    return moment
