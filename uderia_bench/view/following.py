"""One run as the view follows it: its ledger read bit by bit into a ``RunState``, whatever the run is doing.

A trial is read once. Why the whole plan is not read again at each look: at 10,000 trials that costs 0.1 s,
where a look at what has changed costs some milliseconds. Means, percentiles and curves are computed at most every
3 s, which is often enough for a reader.
"""

from __future__ import annotations

import sys
import time
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from uderia_bench.analysis.interim import Declared, Looks
from uderia_bench.documents.experiment import Experiment
from uderia_bench.errors import StoreError
from uderia_bench.plugins import Plugins
from uderia_bench.reading import profile_types
from uderia_bench.reading.detectors import Severity, detect
from uderia_bench.report import watch
from uderia_bench.report.watch import Seen
from uderia_bench.runner import interim
from uderia_bench.runner.control import takes_commands_since
from uderia_bench.runs.actions import Action, paused, sentences
from uderia_bench.runs.directory import MANIFEST, RunDirectory
from uderia_bench.runs.ledger import ASK_AGAIN, Ledger
from uderia_bench.runs.ledger_rows import Progress, State
from uderia_bench.runs.run import Run
from uderia_bench.trial import THROTTLED, Outcome, Trial
from uderia_bench.view import declared, in_force
from uderia_bench.view.capacity import Capacity
from uderia_bench.view.numbers import Numbers
from uderia_bench.view.state import (
    Flight,
    IssueState,
    Load,
    ProgressState,
    RunFacts,
    RunState,
    Settled,
    Share,
)
from uderia_bench.view.tally import Group, Tally

SHOWN = 25  # newest trials, oldest trials in flight
FAILURES = 8
REPORT = "report.html"
STAMPS_S = 0.1  # by which the stamp of a file may be older than the clock
REREAD_S = 10.0  # between two looks at earlier trials: one may be asked again long after it settled
READ_S = 0.3  # most time for reading settled trials at one look
READ_FIRST_S = 0.05  # at the first look, so that a page opens soon
_WORST = [severity.value for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO)]
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Place:
    """The place of a run whose ledger is open. An open file can be read on after its removal."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._inode = directory.ledger.stat().st_ino

    def check(self) -> None:
        """Raise ``StoreError`` if the run was removed, or if another one has its name."""
        try:
            there = self._directory.ledger.stat().st_ino
        except OSError as error:
            raise StoreError(f"{self._directory.path}: the run was removed") from error
        if there != self._inode:
            raise StoreError(f"{self._directory.path}: another run has taken the place of this one")


class Following:
    """Follows one run. Use it from one thread only, since SQLite connections belong to a thread."""

    def __init__(self, directory: RunDirectory, plugins: Plugins) -> None:
        self.directory = directory
        self._plugins = plugins
        self._manifest_at = 0
        self._checked_s = -REREAD_S
        self._version = -1
        self._plan: tuple[Trial, ...] = ()
        self._first = 0
        self._reread_s = 0.0
        self._backlog: list[Progress] = []
        self._ask_again: set[str] = set()  # the settled trials that are to be asked again
        self._tally = Tally(())
        self._flights: tuple[Progress, ...] = ()
        self._numbers = Numbers()
        self._found: dict[str, tuple[str, str]] = {}  # severity of each kind of issue, and the newest trial with it
        self._latest: list[Seen] = []
        self._failures: list[Seen] = []
        self._ledger: Ledger | None = None
        self._place: Place | None = None
        self._declared: Declared | None = None
        self._looks: Looks | None = None
        self._capacity: Capacity | None = None
        self._run = self._opened()
        self._lived = ""
        self._has_report = False
        self._actions: tuple[Action, ...] = ()

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def look(self) -> bool:
        """Read what has changed; return whether anything has. Raises ``StoreError`` for a run that cannot be read."""
        before = (self._run, self._lived, self._has_report)
        self._check()
        changed = before != (self._run, self._lived, self._has_report)
        first = self._ledger is None
        if self._ledger is None:
            self._ledger = Ledger.open(self.directory.ledger)
            self._place = Place(self.directory)
            self._plan = tuple(map(_interned, self._ledger.plan()))
            self._tally = Tally(self._plan)
            self._declared = interim.declared(self._run.experiment, self._plan)
            if self._declared is not None and self._declared.looked.before:
                self._looks = Looks(self._declared, plan=self._plan)
            if self._run.experiment.load.sweep is not None:
                self._capacity = Capacity(self._plan, self._run.experiment)
        version, now_s = self._ledger.version(), time.monotonic()
        asked_again = now_s > self._reread_s
        if version != self._version or asked_again:
            if asked_again:
                self._reread_s = now_s + REREAD_S
            progress = self._ledger.progress(self._first, asked_again=asked_again)
            changed = self._take(progress) or version != self._version or changed
            self._version, self._actions = version, self._ledger.actions()
        read = self._read(READ_FIRST_S if first else READ_S)
        return read or changed or self._numbers.owed(behind=bool(self._backlog), running=self._lived == "running")

    def state(self) -> RunState:
        """Return the run as it was at the last look."""
        assert self._ledger is not None, "the account is in the ledger"
        changes = in_force.changed(self._actions, since=in_force.sitting_since(self._run))
        experiment, settled = self._run.experiment, self._tally.settled_count
        outcomes = self._tally.outcomes
        goes_on = self._lived == "running" and not paused(self._actions)
        until, since = datetime.fromtimestamp(time.time(), UTC), takes_commands_since(self._run.path)
        per_second = watch.per_second(self._latest, since=since, until=until, actions=self._actions) if goes_on else None
        self._numbers.refresh(
            self._tally,
            self._arms(),
            [each.sent_at for each in self._flights if each.sent_at is not None],
            behind=bool(self._backlog),
            running=self._lived == "running",
            began_at=self._run.manifest.started_at,
            actions_at=[action.at for action in self._actions],
        )
        return RunState(
            run=self._facts(),
            progress=ProgressState(
                planned=len(self._plan),
                settled=settled,
                read=sum(outcomes.values()),
                outcomes={outcome.value: count for outcome, count in outcomes.items()},
                per_second=per_second,
                left_s=self._left_s(len(self._plan) - settled, per_second),
                shares=tuple(self._shares(per_second)),
            ),
            load=self._load(experiment, changes),
            latest=tuple(_settled(each) for each in self._latest[: -SHOWN - 1 : -1]),
            failures=tuple(_settled(each) for each in reversed(self._failures)),
            arms=self._numbers.arms,
            spending=tuple(in_force.spending(self._ledger, experiment.budget, changes)),
            issues=self._issues(),
            gates=tuple(declared.gates(experiment, self._plugins)),
            looks=declared.looks(self._declared, self._looks, confidence=experiment.confidence),
            sweep=None if self._capacity is None else self._capacity.state(),
            course=self._numbers.course,
            actions=sentences(self._actions),
            note=watch.NOT_DECIDING,
        )

    def _opened(self) -> Run:
        self._manifest_at = (self.directory.path / MANIFEST).stat().st_mtime_ns
        return Run.open(self.directory)

    def _check(self) -> None:
        """Notice a new manifest, and every second whether a process still works on the run."""
        try:
            if (self.directory.path / MANIFEST).stat().st_mtime_ns != self._manifest_at:
                self._run = self._opened()
                self._checked_s = -REREAD_S
            if self._place is not None:
                self._place.check()
        except OSError as error:
            raise StoreError(f"{self.directory.path}: the run was removed") from error
        if (now_s := time.monotonic()) - self._checked_s >= 1.0:
            self._checked_s = now_s
            lives = self._run.manifest.state != "running" or not self.directory.abandoned()
            self._lived = self._run.manifest.state if lives else "abandoned"
            self._has_report = self._concluded()

    def _concluded(self) -> bool:
        """Whether the report was made after the run ended; a resumed run has that of its last end until then."""
        ended_at, report = self._run.manifest.ended_at, self.directory.path / REPORT
        if self._lived == "running" or ended_at is None or not report.is_file():
            return False
        return report.stat().st_mtime >= ended_at.timestamp() - STAMPS_S

    def _take(self, progress: tuple[Progress, ...]) -> bool:
        """Sort the trials that were begun into those in flight and those to be read; return whether one is new."""
        before = self._flights
        self._flights = tuple(each for each in progress if each.state is not State.SETTLED)
        place, tally = self._tally.place, self._tally
        new = [
            each
            for each in progress
            if each.state is State.SETTLED
            and (
                tally.attempts(place[each.trial_id]) != each.attempts
                or (each.ending in ASK_AGAIN) != (each.trial_id in self._ask_again)
            )
        ]
        for each in new:
            tally.settle(place[each.trial_id], each.attempts)
            if each.ending in ASK_AGAIN:
                self._ask_again.add(each.trial_id)
            else:
                self._ask_again.discard(each.trial_id)
        asked_again = [each.trial_id for each in self._flights if tally.attempts(place[each.trial_id])]
        for trial_id in asked_again:
            tally.unsettle(place[trial_id])
            self._forget(trial_id)
        self._backlog.extend(new)
        open_seqs = [each.seq for each in progress if each.state is not State.SETTLED or each.ending in ASK_AGAIN]
        settled = {each.seq for each in progress}
        self._first = min([self._first, *open_seqs])
        while self._first in settled and (not open_seqs or self._first < open_seqs[0]):
            self._first += 1
        return bool(new or asked_again or before != self._flights)

    def _read(self, seconds: float) -> bool:
        """Read settled trials, the newest first, for at most so long; return whether any was read."""
        assert self._ledger is not None, "trials are read from an open ledger"
        until_s, read = time.monotonic() + seconds, False
        while self._backlog and time.monotonic() < until_s:
            each = self._backlog.pop()
            at = self._tally.place[each.trial_id]
            if self._tally.attempts(at) == each.attempts:  # otherwise it is being asked again
                self._forget(each.trial_id)
                self._add(at)
                read = True
        return read

    def _add(self, at: int) -> None:
        """Read the trial at a place of the plan, and count it."""
        assert self._ledger is not None, "trials are read from an open ledger"
        trial = self._plan[at]
        record = self._ledger.record(trial.trial_id)
        trace = profile_types.read(record, self._plugins.profile_types)
        if self._looks is not None and self._declared is not None:
            interim.take(self._looks, self._declared.metrics, record, trace)
        issues = detect(trace, self._plugins.detectors)
        self._found |= {issue.kind: (str(issue.severity), trial.trial_id) for issue in issues}
        seen = Seen.of(record, trace)
        kinds = [issue.kind for issue in issues]
        throttled = any(note.startswith(THROTTLED) for note in record.notes)
        times = {"sent_at": record.sent_at, "done_at": record.last_at}
        self._tally.read(at, seen.outcome, seen.values, kinds, **times, throttled=throttled)
        if self._capacity is not None:
            self._capacity.take(seen, record)
        _keep(self._latest, seen, watch.RECENT)
        if seen.outcome is not Outcome.ANSWERED:
            _keep(self._failures, seen, FAILURES)

    def _forget(self, trial_id: str) -> None:
        """Take a trial out of all numbers and lists, because it is asked again."""
        self._tally.forget(self._tally.place[trial_id])
        if self._capacity is not None:
            self._capacity.forget(trial_id)
        for newest in (self._latest, self._failures):
            newest[:] = [each for each in newest if each.trial.trial_id != trial_id]

    def _facts(self) -> RunFacts:
        manifest = self._run.manifest
        return RunFacts(
            run_id=manifest.run_id,
            experiment=manifest.experiment.name,
            state="paused" if self._lived == "running" and paused(self._actions) else self._lived,
            started_at=manifest.started_at,
            ended_at=manifest.ended_at,
            servers=tuple(dict.fromkeys(server for arm in manifest.arms.values() for server in arm.servers)),
            stopped=manifest.stopped,
            has_report=self._has_report,
            controlled=self._lived == "running" and takes_commands_since(self.directory.path) is not None,
            judged=self._run.experiment.judge is not None,
        )

    @staticmethod
    def _left_s(left: int, per_second: float | None) -> float | None:
        return left / per_second if per_second else None

    def _arms(self) -> list[str]:
        """Return the arms in the order of the report, so that they keep their colours when the page becomes the report."""
        return sorted(arm.name for arm in self._run.experiment.arms)

    def _shares(self, per_second: float | None) -> Iterator[Share]:
        """Yield the progress of each arm and class."""
        order = self._arms()
        pace = (per_second or 0.0) / max(self._tally.settled_count, 1)  # of all trials; a group has its share of them
        counts = zip(self._tally.groups, self._tally.planned, self._tally.settled, self._tally.answered, strict=True)
        for (arm, complexity), planned, settled, answered in sorted(counts, key=lambda each: _by_arm(each[0], order)):
            yield Share(
                arm=arm,
                complexity=complexity,
                planned=int(planned),
                settled=int(settled),
                answered=int(answered),
                left_s=self._left_s(int(planned - settled), pace * int(settled)),
            )

    def _load(self, experiment: Experiment, changes: Sequence[tuple[str, str]]) -> Load:
        oldest = sorted(self._flights, key=lambda each: (each.sent_at or _LATEST, each.seq))
        flights = [
            Flight(
                trial_id=each.trial_id,
                arm=trial.arm,
                query_id=trial.query_id,
                state=each.state.value,
                attempt=each.attempts,
                sent_at=each.sent_at if self._lived == "running" else None,  # otherwise its age means nothing
            )
            for each in oldest[:SHOWN]
            for trial in [self._plan[self._tally.place[each.trial_id]]]
        ]
        return Load(
            count=len(self._flights),
            slots=in_force.slots(experiment, changes),
            in_flight=tuple(flights) if self._lived != "complete" else (),
            rate_limited=self._tally.rate_limited,
            timeout_s=experiment.timeout,
            waits_for=self._waits_for(),
        )

    def _waits_for(self) -> str | None:
        """Return why nothing is in flight: the outcome of the trial that began last, if the run then waits for its server."""
        if self._flights or not self._latest or self._lived != "running":
            return None
        outcome = max(self._latest, key=lambda each: each.begun_at or _EARLIEST).outcome
        return outcome.value if outcome in (Outcome.RATE_LIMITED, Outcome.UNREACHABLE) else None

    def _issues(self) -> tuple[IssueState, ...]:
        """Return the kinds of issues found so far, the worst first."""
        found = [
            IssueState(kind=kind, severity=self._found[kind][0], trials=trials, newest=self._found[kind][1])
            for kind, trials in self._tally.issues().items()
        ]
        return tuple(sorted(found, key=lambda issue: (_WORST.index(issue.severity), -issue.trials)))


def _by_arm(group: Group, order: Sequence[str]) -> tuple[int, str]:
    arm, complexity = group
    return order.index(arm), complexity or "~"


def _keep(newest: list[Seen], seen: Seen, most: int) -> None:
    """Put a trial among the ``most`` that ended last, the newest at the end."""
    insort(newest, seen, key=watch.newest)
    del newest[:-most]


def _interned(trial: Trial) -> Trial:
    """Return a trial whose texts are shared with those of the same query and arm: a plan repeats each many times."""
    return replace(
        trial,
        query_id=sys.intern(trial.query_id),
        prompt=sys.intern(trial.prompt),
        arm=sys.intern(trial.arm),
        complexity=trial.complexity and sys.intern(trial.complexity),
    )


def _settled(seen: Seen) -> Settled:
    return Settled(
        trial_id=seen.trial.trial_id,
        arm=seen.trial.arm,
        query_id=seen.trial.query_id,
        outcome=seen.outcome.value,
        detail=seen.detail,
        done_at=seen.last_at,
        latency_s=seen.values["latency_s"],
        total_tokens=seen.values["total_tokens"],
        cost_usd=seen.values["cost_usd"],
    )
