"""A recording of one run's page: what changed and when, as lines of JSON, and its replay at any speed.

The first line has the schema and the run. Each further one has the fields of the state that changed
``at_s`` seconds after the start, and the last one the body of the report. States are data, so a replay draws them with
the present pages. Why not the messages of the channel: their markup would be that of the version that recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import orjson
from pydantic import TypeAdapter, ValidationError

from uderia_bench.errors import StoreError, UsageError
from uderia_bench.report.formats.html.document import harmless
from uderia_bench.runs import files
from uderia_bench.view import run_page, runs_page
from uderia_bench.view.folder import Folder
from uderia_bench.view.pages import CUT, is_addressable
from uderia_bench.view.state import RunRow, RunsState, RunState
from uderia_bench.view.watcher import Followed, Topic

SCHEMA = "uderia-bench/view-record/1"
LARGEST = 1 << 30  # bytes of a recording
LOOK_S = 0.3  # most time for reading lines at one look
_KINDS: Mapping[str, type] = MappingProxyType({"state": dict, "report": str})
_REPORT_FOLLOWS = ("running", "paused", "complete")  # states of a run that has no report yet
_AGAIN = "record the run again with 'uderia-bench view {} --record FILE'"


class Recorder:
    """Writes the changes of one run's page into a file without a buffer.

    ``failed`` receives the first error of writing, after which nothing is recorded; without it, the error is raised.
    """

    def __init__(
        self, file: IO[bytes], folder: Folder, run_id: str, *, failed: Callable[[OSError], None] | None = None
    ) -> None:
        self._file, self._folder, self._run_id = file, folder, run_id
        self._failed, self._ended = failed, False
        self._begun_s = time.monotonic()
        self._has_report = self._reported = False
        self._write({"schema": SCHEMA, "run": run_id, "began_at": datetime.now(UTC)})

    def __call__(self, topic: Topic, changed: Mapping[str, Any]) -> None:
        """Take what changed at an address."""
        if topic != (self._run_id,):
            return
        self._write({"at_s": self._at_s(), "state": changed})
        if "run" in changed:
            self._has_report = changed["run"].has_report
        self.keep_report()

    def keep_report(self) -> None:
        """Write the report once, if the run has one that can be read now."""
        if self._has_report and not self._reported and (body := self._folder.report(self._run_id)) is not None:
            self._reported = True
            self._write({"at_s": self._at_s(), "report": body})

    def _at_s(self) -> float:
        return round(time.monotonic() - self._begun_s, 3)

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._ended:
            return
        try:
            left = orjson.dumps(line) + b"\n"
            while left:  # a file without a buffer may take a part
                left = left[self._file.write(left) :]
        except OSError as error:
            if self._failed is None:
                raise
            self._ended = True  # a later line would follow half a line
            self._failed(error)


def keep(file: IO[bytes], folder: Folder, run_id: str) -> None:
    """Record a run that has ended: its last state, and its report."""
    followed = folder.follow((run_id,))
    try:
        while followed.look():  # each look reads for a limited time
            pass
        state = followed.state()
    finally:
        followed.close()
    Recorder(file, folder, run_id)((run_id,), {each.name: getattr(state, each.name) for each in fields(state)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    at_s: float
    body: str


class Recording:
    """A recorded run as a source of pages. The replay begins when a page first asks for the run.

    The file may come from somebody else. Every line is checked before the first page, and lines are read again as the
    replay comes to them, so its memory does not grow with the file.
    """

    def __init__(self, path: Path, *, speed: float = 1.0) -> None:
        self._path, self._speed = path, speed
        self.run_id, self._began_at, self._report = _checked(path)
        self._begun_s: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds of the recording that were replayed."""
        return 0.0 if self._begun_s is None else (time.monotonic() - self._begun_s) * self._speed

    @property
    def later(self) -> float:
        """Seconds by which a moment of the recording lies in the past now."""
        return (datetime.now(UTC) - self._began_at).total_seconds() - self.elapsed_s

    def follow(self, topic: Topic) -> Followed:
        """Return the replay of the recorded run, or the list that has only it."""
        if topic == (self.run_id,):
            self._begun_s = self._begun_s or time.monotonic()
            return _Replay(self, self._path, whole=self._report is not None)
        if topic == ():
            return _Only(self)
        raise StoreError("a recording has only the page of its run")

    def report(self, run_id: str) -> str | None:
        """Return the report once the replay has come to it."""
        return self._report.body if self._report is not None and self.reported and run_id == self.run_id else None

    @property
    def reported(self) -> bool:
        """Whether the replay has come to the report."""
        return self._report is not None and self._report.at_s <= self.elapsed_s

    def command(self, run_id: str, what: str, about: str) -> None:
        """Refuse a command."""
        del run_id, what, about
        raise UsageError("a recording takes no commands")


class _Replay:
    """The states of a recording, one after the other. A recording that is not ``whole`` ends before the report."""

    def __init__(self, recording: Recording, path: Path, *, whole: bool) -> None:
        self._recording, self._path, self._whole = recording, path, whole
        self._lines = (line for _, line in _lines(path) if "state" in line)
        self._next = next(self._lines, None)
        self._fields: dict[str, Any] = {}
        self._reported = False

    def look(self) -> bool:
        changed, until_s = False, time.monotonic() + LOOK_S
        while self._next is not None and (self._next["at_s"] <= self._recording.elapsed_s or not self._fields):
            self._fields |= self._next["state"]
            self._next, changed = next(self._lines, None), True
            if time.monotonic() > until_s:
                break
        before, self._reported = self._reported, self._recording.reported
        return changed or before != self._reported

    def state(self) -> RunState:
        try:
            state = _STATES.validate_json(orjson.dumps(self._fields))
        except ValidationError as error:
            raise StoreError(f"{self._path}: a recording of another version: {error.errors()[0]['msg']}") from error
        cut = self._next is None and not self._whole and (state.run.has_report or state.run.state in _REPORT_FOLLOWS)
        run = replace(
            state.run,
            run_id=self._recording.run_id,
            state=CUT if cut else state.run.state,
            has_report=self._reported,
            controlled=False,
            recorded=True,
        )
        later = self._recording.later
        flights = tuple(
            replace(each, sent_at=None if cut else _shifted(each.sent_at, later)) for each in state.load.in_flight
        )  # an age would grow for ever at the end of a cut recording
        return replace(state, run=run, load=replace(state.load, in_flight=flights))

    def parts(self, state: RunState, changed: Collection[str]) -> Mapping[str, str]:
        return run_page.parts(state, changed)

    def close(self) -> None:
        self._lines.close()


class _Only:
    """The list of the one run."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def look(self) -> bool:
        return False

    def state(self) -> RunsState:
        run_id = self._recording.run_id
        return RunsState(folder="recording", runs=(RunRow(run_id=run_id, experiment="", state="recorded", started_at=""),))

    def parts(self, state: RunsState, changed: Collection[str]) -> Mapping[str, str]:
        del changed
        return {"runs": runs_page.draw(state)}

    def close(self) -> None:
        pass


_STATES = TypeAdapter(RunState)


def _shifted(at: datetime | None, seconds: float) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at.timestamp() + seconds, UTC)


def _checked(path: Path) -> tuple[str, datetime, _Report | None]:
    """Return the run of a recording, when that began, and its report; raises ``UsageError`` for another file."""
    lines = _lines(path)
    _, first = next(lines, (0, {}))
    run_id = first.get("run")
    if first.get("schema") != SCHEMA or not isinstance(run_id, str) or not is_addressable(run_id):
        raise UsageError(f"{path}: not a recording of this uderia-bench; make one with 'uderia-bench view RUN --record FILE'")
    try:
        began_at = datetime.fromisoformat(first["began_at"]).astimezone(UTC)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{path}:1: not a recording: began_at is no moment") from error
    has_state, report = False, None
    for number, line in lines:
        if not isinstance(line.get("at_s"), int | float) or not _KINDS.items() >= {
            (name, type(value)) for name, value in line.items() if name != "at_s"
        }:
            raise UsageError(f"{path}:{number}: not a recording: a line has at_s, and a state or a report")
        has_state = has_state or bool(line.get("state"))
        if "report" in line and report is None:
            report = _Report(at_s=line["at_s"], body=harmless(line["report"]))
    if not has_state:
        raise UsageError(f"{path}: the recording was cut before its first state; {_AGAIN.format(run_id)}")
    return run_id, began_at, report


def _lines(path: Path) -> Generator[tuple[int, dict[str, Any]]]:
    """Yield the lines of a recording with their numbers; the last one may be cut off."""
    try:
        with files.opened(path, largest=LARGEST) as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                said = orjson.loads(line)
                if not isinstance(said, dict):
                    raise UsageError(f"{path}:{number}: not a recording: a line is no JSON object")
                yield number, said
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{path}:{number}: not a recording: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot read: {error.strerror or error}") from error
