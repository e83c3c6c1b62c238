"""A recording of one run's page: what changed and when, as lines of JSON, and its replay at any speed.

The first line has the schema and the run. Each further one has the fields of the state that changed
``at_s`` seconds after the start, and the last one the body of the report. States are data, so a replay draws them with
the present pages. Why not the messages of the channel: their markup would be that of the version that recorded.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson
from pydantic import TypeAdapter, ValidationError

from uderia_bench.errors import StoreError, UsageError
from uderia_bench.runs import files
from uderia_bench.view import run_page, runs_page
from uderia_bench.view.folder import Folder
from uderia_bench.view.pages import CUT
from uderia_bench.view.state import RunRow, RunsState, RunState
from uderia_bench.view.watcher import Followed, Topic

SCHEMA = "uderia-bench/view-record/1"
LARGEST = 1 << 30  # bytes of a recording
_REPORT_FOLLOWS = ("running", "paused", "complete")  # states of a run that has no report yet
_AGAIN = "record the run again with 'uderia-bench view {} --record FILE'"


class Recorder:
    """Writes the changes of one run's page into a file."""

    def __init__(self, file: IO[bytes], folder: Folder, run_id: str) -> None:
        self._file, self._folder, self._run_id = file, folder, run_id
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
        self._file.write(orjson.dumps(line) + b"\n")
        self._file.flush()


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


class Recording:
    """A recorded run as a source of pages. The replay begins when a page first asks for the run."""

    def __init__(self, path: Path, *, speed: float = 1.0) -> None:
        self._path, self._speed = path, speed
        first, *self._lines = _read(path)
        if first.get("schema") != SCHEMA:
            raise UsageError(
                f"{path}: not a recording of this uderia-bench; make one with 'uderia-bench view RUN --record FILE'"
            )
        if not any("state" in line for line in self._lines):
            raise UsageError(f"{path}: the recording was cut before its first state; {_AGAIN.format(first['run'])}")
        self.run_id = str(first["run"])
        self._began_at = datetime.fromisoformat(first["began_at"])
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
            whole = any(line.get("report") is not None for line in self._lines)
            return _Replay(self, [line for line in self._lines if "state" in line], self._path, whole=whole)
        if topic == ():
            return _Only(self)
        raise StoreError("a recording has only the page of its run")

    def report(self, run_id: str) -> str | None:
        """Return the report once the replay has come to it."""
        reports = [line["report"] for line in self._lines if line.get("report") and line["at_s"] <= self.elapsed_s]
        return reports[0] if reports and run_id == self.run_id else None

    def command(self, run_id: str, what: str, about: str) -> None:
        """Refuse a command."""
        del run_id, what, about
        raise UsageError("a recording takes no commands")


class _Replay:
    """The states of a recording, one after the other. A recording that is not ``whole`` ends before the report."""

    def __init__(self, recording: Recording, lines: list[dict[str, Any]], path: Path, *, whole: bool) -> None:
        self._recording, self._lines, self._path, self._whole = recording, lines, path, whole
        self._fields: dict[str, Any] = {}
        self._reported = False

    def look(self) -> bool:
        due = [line for line in self._lines if line["at_s"] <= self._recording.elapsed_s or not self._fields]
        for line in due[: None if self._fields else 1]:
            self._fields |= line["state"]
            self._lines.remove(line)
        before, self._reported = self._reported, self._recording.report(self._recording.run_id) is not None
        return bool(due) or before != self._reported

    def state(self) -> RunState:
        try:
            state = _STATES.validate_json(orjson.dumps(self._fields))
        except ValidationError as error:
            raise StoreError(f"{self._path}: a recording of another version: {error.errors()[0]['msg']}") from error
        cut = not self._lines and not self._whole and (state.run.has_report or state.run.state in _REPORT_FOLLOWS)
        stands = CUT if cut else state.run.state
        run = replace(state.run, state=stands, has_report=self._reported, controlled=False, recorded=True)
        later = self._recording.later
        flights = tuple(
            replace(each, sent_at=None if cut else _shifted(each.sent_at, later)) for each in state.load.in_flight
        )  # an age would grow for ever at the end of a cut recording
        return replace(state, run=run, load=replace(state.load, in_flight=flights))

    def parts(self, state: RunState, changed: Collection[str]) -> Mapping[str, str]:
        return run_page.parts(state, changed)

    def close(self) -> None:
        self._lines = []


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


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a recording; the last one may be cut off."""
    try:
        content = files.read(path, largest=LARGEST)
    except OSError as error:
        raise UsageError(f"{path}: cannot read: {error.strerror or error}") from error
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            return
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{path}:{number}: not a recording: {error}") from error
