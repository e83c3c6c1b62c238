"""The runs of a folder as the view shows them: which addresses there are, and what is followed at each."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from uderia_bench.commands import control, inspect, listing
from uderia_bench.errors import BenchError, StoreError
from uderia_bench.plugins import Plugins
from uderia_bench.reading import profile_types
from uderia_bench.reading.detectors import Thresholds
from uderia_bench.reading.profile_types import exchange, genie
from uderia_bench.report.formats.html.document import body_of
from uderia_bench.report.trial.inspected import Inspected, to_json
from uderia_bench.runner.control import takes_commands_since
from uderia_bench.runs import files, find, mirror
from uderia_bench.runs.actions import paused
from uderia_bench.runs.directory import MANIFEST, RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import State
from uderia_bench.runs.run import Run
from uderia_bench.trace import Trace
from uderia_bench.trial import Ending, Trial, TrialRecord
from uderia_bench.view import run_page, runs_page, trial_page
from uderia_bench.view.following import REPORT, Following, Place
from uderia_bench.view.in_force import spent_so_far
from uderia_bench.view.pages import is_addressable
from uderia_bench.view.state import LEFT, EventState, RunRow, RunsState, RunState, TrialState
from uderia_bench.view.watcher import Followed, Topic

SCAN_EVERY_S = 1.0
TELL_EVERY_S = 1.0  # between two requests for the steps of a trial in flight
HANGS_S = 9.0  # longer until the next request to a process that did not answer
EVENTS = 10  # newest ones of a trial in flight
LONGEST = 200  # characters of what an event says
_SO_FAR = ("plan", "phases", "llm_calls", "tools")
LIVE = ("running", "paused")
_TOLD = (MANIFEST, "report.json")
_WRITTEN = ("ledger.sqlite", "ledger.sqlite-wal")
_Stamp: TypeAlias = tuple[tuple[int | None, ...], ...]  # when the files of a run changed


class Folder:
    """A directory of runs. Names are looked up in it, never joined to its path."""

    def __init__(self, path: Path, plugins: Plugins) -> None:
        self.path = path
        self.plugins = plugins

    def runs(self) -> Iterator[RunDirectory]:
        """Yield the runs whose name can be a part of an address. A folder of another name was not made by a run."""
        return (each for each in find.runs(self.path) if is_addressable(each.run_id))

    def directory(self, run_id: str) -> RunDirectory:
        """Return a run by its id; raises ``StoreError`` where the folder has none of that id."""
        found = next((each for each in self.runs() if each.run_id == run_id), None)
        if found is None:
            raise StoreError("this folder has no run of that name")
        return found

    def follow(self, topic: Topic) -> Followed:
        """Return what is followed at an address; raises ``StoreError`` where there is nothing."""
        match topic:
            case ():
                return _Runs(self)
            case (run_id,):
                return _Run(self.directory(run_id), self.plugins)
            case (run_id, trial_id):
                return _Trial(self.directory(run_id), trial_id, self.plugins)
        raise StoreError("there is no such page")

    def command(self, run_id: str, what: str, about: str) -> None:
        """Give a command to a run in progress."""
        control.ask(self.directory(run_id), what, about)

    def goes_on(self, run_id: str) -> bool:
        """Whether a process works on a run."""
        directory = self.directory(run_id)
        return directory.state() == "running" and not directory.abandoned()

    def report(self, run_id: str) -> str | None:
        """Return the body of a finished run's HTML report; None while the run goes on, and where it has none or a cut one."""
        directory = self.directory(run_id)
        if directory.state() == "running" or not (directory.path / REPORT).is_file():
            return None
        return body_of(files.read(directory.path / REPORT).decode(errors="replace")) or None


class _Run(Following):
    def parts(self, state: RunState, changed: Collection[str]) -> Mapping[str, str]:
        return run_page.parts(state, changed)


class _Runs:
    """The list of runs. A run's files are read again when one of them has changed."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._where = mirror.origin(folder.path) or str(folder.path)
        self._rows: dict[str, tuple[_Stamp, RunRow]] = {}
        self._scanned_s = -SCAN_EVERY_S

    def look(self) -> bool:
        if time.monotonic() - self._scanned_s < SCAN_EVERY_S:
            return False
        before = {name: row for name, (_, row) in self._rows.items()}
        found = {each.run_id: each for each in self._folder.runs()}
        self._rows = {name: self._row(each) for name, each in found.items()}
        self._scanned_s = time.monotonic()
        return before != {name: row for name, (_, row) in self._rows.items()}

    def state(self) -> RunsState:
        rows = sorted((row for _, row in self._rows.values()), key=lambda row: row.started_at, reverse=True)
        rows.sort(key=lambda row: row.state not in LIVE)
        return RunsState(folder=self._where, runs=tuple(rows))

    def parts(self, state: RunsState, changed: Collection[str]) -> Mapping[str, str]:
        del changed
        return {"runs": runs_page.draw(state)}

    def close(self) -> None:
        self._rows.clear()

    def _row(self, directory: RunDirectory) -> tuple[_Stamp, RunRow]:
        stamp = tuple(tuple(_changed_at(directory.path / name) for name in names) for names in (_TOLD, _WRITTEN))
        before, row = self._rows.get(directory.run_id, ((), None))
        if row is not None and row.state == "abandoned" and before == stamp:
            return stamp, row  # it cannot have gone on without a word in its ledger
        row = row if row is not None and before[:1] == stamp[:1] else _listed(directory)
        if row.state not in (*LIVE, "abandoned"):
            return stamp, row
        try:
            with Ledger.open(directory.ledger) as ledger:
                counts, spent = ledger.counts(), spent_so_far(ledger)
                held = paused(ledger.actions())
            state = "abandoned" if directory.abandoned() else "paused" if held else "running"
        except StoreError:
            return stamp, replace(row, state="unreadable")
        planned = sum(counts.values())
        settled = planned - sum(counts.get(name, 0) for name in ("planned", State.SENDING.value, State.ASKED.value))
        row = replace(row, state=state, planned=planned, settled=settled)
        if "tokens" in spent and "usd" in spent:
            row = replace(row, tokens=round(spent["tokens"]), cost_usd=spent["usd"])
        return stamp, row


def _json(found: Inspected) -> dict[str, Any]:
    shown: dict[str, Any] = orjson.loads(to_json(found))
    return shown


def _going_on(trace: Trace) -> Trace:
    """Return the trace of a trial in flight. Its last phase has no end because it goes on; the reader calls that aborted."""
    if not trace.phases or trace.phases[-1].status != "aborted":
        return trace
    return replace(trace, phases=(*trace.phases[:-1], replace(trace.phases[-1], status="running")))


def _events(record: TrialRecord) -> Iterator[EventState]:
    """Yield the newest events of a trial, the newest first."""
    for event in reversed(exchange.decode(record).events[-EVENTS:]):
        at = None
        with suppress(OverflowError, OSError, ValueError):  # of a timestamp in no calendar
            at = None if event.at is None else datetime.fromtimestamp(event.at, UTC)
        said = (event.data.get("step"), event.body.get("step"), event.body.get("tool_name"), event.body.get("message"))
        what = next((each for each in said if isinstance(each, str) and each), "")
        yield EventState(at=at, kind=event.kind, what=what[:LONGEST])


def _part_of(found: Inspected) -> dict[str, Any]:
    """Return what can be shown of a trial in flight."""
    shown = _json(found)
    return {name: shown[name] for name in _SO_FAR}


def _listed(directory: RunDirectory) -> RunRow:
    said = listing.listed(directory)
    return RunRow(
        run_id=said.run_id,
        experiment=said.experiment,
        state=said.state,
        started_at=said.started_at,
        planned=said.trials,
        settled=said.trials,
        answered=said.answered,
        gates=said.gates,
        gates_passed=said.gates_passed,
        tokens=said.tokens,
        cost_usd=said.cost_usd,
        headline=said.headline,
        summary=said.summary,
    )


def _changed_at(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return None


class _Trial:
    """One trial: where it stands, and all of it once it has ended."""

    def __init__(self, directory: RunDirectory, trial_id: str, plugins: Plugins) -> None:
        self._directory = directory
        self._plugins = plugins
        self._ledger = Ledger.open(directory.ledger)
        self._place = Place(directory)
        self._checked_s = -SCAN_EVERY_S
        self._goes_on, self._controlled = True, False
        self._trial = self._planned(trial_id)
        self._found: Inspected | None = None
        self._so_far: Inspected | None = None
        self._waits_for: tuple[str, ...] = ()
        self._events: tuple[EventState, ...] = ()
        self._asked_s = 0.0
        self._told = 0
        self._version = -1
        self._stands: tuple[str, int, datetime | None] = ("planned", 0, None)

    def look(self) -> bool:
        changed, version = self._check(), self._ledger.version()
        if version != self._version:
            self._version, before = version, self._stands
            here = [p for p in self._ledger.progress(self._trial.seq, self._trial.seq) if p.trial_id == self._trial.trial_id]
            self._stands = (here[0].state.value, here[0].attempts, here[0].sent_at) if here else ("planned", 0, None)
            if before != self._stands:
                changed, self._told, self._found, self._so_far = True, 0, None, None
                if self._stands[0] == State.SETTLED:
                    run = Run.open(self._directory)
                    self._found = inspect.of_run(run, self._trial.trial_id, self._plugins, Thresholds())
        if self._stands[0] == State.ASKED:  # also while others settle all the time
            changed = self._tell() or changed
        return changed

    def _check(self) -> bool:
        """Notice every second whether the run is still there, goes on and takes commands; return whether that changed."""
        if (now_s := time.monotonic()) - self._checked_s < SCAN_EVERY_S:
            return False
        self._checked_s, before = now_s, (self._goes_on, self._controlled)
        self._place.check()
        self._goes_on = self._directory.state() == "running" and not self._directory.abandoned()
        self._controlled = self._goes_on and takes_commands_since(self._directory.path) is not None
        return before != (self._goes_on, self._controlled)

    def _tell(self) -> bool:
        """Ask the run what the server has told of the trial so far; return whether that has grown."""
        if (now_s := time.monotonic()) - self._asked_s < TELL_EVERY_S:
            return False
        self._asked_s = now_s
        try:
            body = control.ask(self._directory, "show", self._trial.trial_id, timeout_s=TELL_EVERY_S).get("task")
        except BenchError:  # a process that hangs would hold up the pages of all runs
            self._asked_s = time.monotonic() + HANGS_S
            return False
        if not isinstance(body, str) or len(body) == self._told:
            return False
        self._told = len(body)
        arm = self._ledger.arms()[self._trial.arm]
        record = TrialRecord(trial=self._trial, expected=arm, ending=Ending.SETTLED, detail=None, task=body.encode())
        trace = profile_types.read(record, self._plugins.profile_types)
        trace = _going_on(trace)
        ended = tuple(child for child in trace.children if child.error != genie.UNFINISHED)
        self._waits_for = tuple(child.profile_tag for child in trace.children if child not in ended)
        self._so_far = Inspected(record=record, planned=True, trace=replace(trace, children=ended), metrics={}, issues=())
        self._events = tuple(_events(record))
        return True

    def state(self) -> TrialState:
        trial, (state, attempt, sent_at) = self._trial, self._stands
        so_far = None
        if self._so_far is not None:
            so_far = _part_of(self._so_far) | {"waits_for": self._waits_for, "events": self._events}
        if not self._goes_on and state in (State.SENDING, State.ASKED):
            state, sent_at = LEFT, None
        return TrialState(
            run_id=self._directory.run_id,
            trial_id=trial.trial_id,
            query_id=trial.query_id,
            prompt=trial.prompt,
            arm=trial.arm,
            repeat=trial.repeat,
            turn=trial.turn,
            stage=trial.stage.value,
            state=state,
            attempt=attempt,
            sent_at=sent_at,
            so_far=so_far,
            found=None if self._found is None else _json(self._found),
            controlled=self._controlled,
        )

    def parts(self, state: TrialState, changed: Collection[str]) -> Mapping[str, Any]:
        del changed
        return {"trial": trial_page.draw(state, self._found, self._so_far)}

    def close(self) -> None:
        self._ledger.close()

    def _planned(self, trial_id: str) -> Trial:
        found = next((trial for trial in self._ledger.plan() if trial.trial_id == trial_id), None)
        if found is None:
            self._ledger.close()
            raise StoreError("this run has no trial of that name")
        return found
