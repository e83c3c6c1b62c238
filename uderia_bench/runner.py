"""The run: plan in, records out, through slots, isolation, a budget and a stop that keeps what came back. It judges no answer.

A lane a server, its windows one after the other, a slot a conversation (mostly of one turn): with isolation ``arm`` a window
holds one arm's trials, and the next begins when the last of them has ended on the server, because the server switches
process-wide state per profile (observed.md).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from uderia_bench import pacing, profile_types
from uderia_bench.arrivals import PREPARE_S, Arrivals
from uderia_bench.asking import Asking, Clock
from uderia_bench.budget import Account, Budget, Limits
from uderia_bench.errors import BenchError
from uderia_bench.following import Follower
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.generator import Gauge
from uderia_bench.in_flight import InFlight
from uderia_bench.patience import ASKINGS_A_RUN, Patience
from uderia_bench.spacing import Spacing
from uderia_bench.stop import Stop
from uderia_bench.trace import Trace
from uderia_bench.trial import Ending, Expected, Outcome, Trial, TrialRecord

CANCEL_CALL_S = 5.0  # a stopping run asks the server once to cancel and does not wait longer for the answer


class Book(Protocol):
    """Where records are kept; ``bookkeeping.Bookkeeper`` is one. What writes returns when it is committed, cancelled or not."""

    def attempts(self, trial_id: str) -> int:
        """Return how often a trial was asked before."""

    def pending(self, trial_id: str) -> TrialRecord | None:
        """Return a trial whose query is or may be on the server, and whose end nobody saw."""

    async def mark_sending(self, record: TrialRecord) -> None:
        """Commit that a query is about to be sent."""

    async def mark_asked(self, record: TrialRecord) -> None:
        """Commit that a query was accepted."""

    async def settle(self, record: TrialRecord, account: str | None = None) -> None:
        """Commit how a trial ended, and what the run has spent by then."""

    async def keep(self) -> None:
        """Wait for trouble with what was committed, and raise it as ``StoreError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under what load trials run, and what ends them early. ``concurrency`` is per server; ``caps`` bounds arms below it.

    ``pacer`` says when trial n is due; an open loop has no slots, so that a slow server does not slow the asking. The slots
    of a closed one open over ``ramp_s``. ``levels`` are the loads of a sweep, which stand in for both.
    ``grace_s`` is what trials in flight get when the run is told to stop, ``outage_s`` how long a server may be away.
    """

    concurrency: int
    timeout_s: float
    bare_sessions: bool
    seed: int
    pacer: pacing.Pacer = pacing.closed
    ramp_s: float = 0.0
    levels: Mapping[float, pacing.Shape] = field(default_factory=dict)
    caps: Mapping[str, int] = field(default_factory=dict)
    grace_s: float = 30.0
    outage_s: float = 120.0
    on_quota: str = "pause"
    limits: Limits = field(default_factory=Limits)
    notifications: bool = False

    def shape(self, level: float | None) -> pacing.Shape:
        """Return the load of a trial's level."""
        return pacing.Shape(slots=self.concurrency, pacer=self.pacer) if level is None else self.levels[level]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Everything a run needs besides its trials: signed-in servers by address, arms, where records go and who watches.

    ``spent`` is what earlier sittings of the run did; ``gauge`` measures this process while it asks. ``understand`` reads what
    came of a trial, at least as far as its outcome and totals: for the budget, for limits met inside a task, and for ``watch``.
    """

    servers: Mapping[str, Uderia]
    arms: Mapping[str, Expected]
    conditions: Conditions
    book: Book
    watch: Callable[[TrialRecord, Trace], None]
    stop: Stop
    spent: Account = field(default_factory=Account)
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)
    gauge: Gauge = field(default_factory=Gauge)
    understand: Callable[[TrialRecord], Trace] = profile_types.totals

    async def run(self, trials: Iterable[Trial]) -> None:
        """Ask every trial and commit every record; returns early, with nothing lost, when told to stop."""
        clock = Clock(anyio.current_time(), self.utc)
        budget = Budget(self.conditions.limits, self.stop, self.spent)
        starts = Spacing()
        lanes: dict[str, list[Trial]] = {}
        for trial in sorted(trials, key=lambda trial: trial.seq):
            lanes.setdefault(self.arms[trial.arm].server, []).append(trial)
        try:
            async with anyio.create_task_group() as group:
                flight = InFlight(self.conditions.grace_s, self.stop)
                for meanwhile in (flight.guard, self.stop.listen, budget.expire, self.book.keep, self.gauge.watch):
                    group.start_soon(meanwhile)
                async with anyio.create_task_group() as running:
                    for server, planned in lanes.items():
                        lane = _Lane(
                            asking=self._asking(server, clock),
                            patience=self._patience(server),
                            budget=budget,
                            flight=flight,
                            starts=starts,
                        )
                        await group.start(lane.asking.follower.run)
                        running.start_soon(self._work_through, lane, planned, group)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures

    def _patience(self, server: str) -> Patience:
        conditions = self.conditions
        return Patience(
            self.servers[server],
            self.stop,
            on_quota=conditions.on_quota,
            outage_s=conditions.outage_s,
            utc=self.utc,
            slots=max(shape.slots for shape in (conditions.shape(None), *conditions.levels.values())),
        )

    def _asking(self, server: str, clock: Clock) -> Asking:
        return Asking(
            uderia=self.servers[server],
            follower=Follower(
                self.servers[server],
                rng=random.Random(self.conditions.seed),  # noqa: S311 - spreads polls in time, hides nothing
                late=self.gauge.poll_late,
                notifications=self.conditions.notifications,
            ),
            clock=clock,
            timeout_s=self.conditions.timeout_s,
            bare_sessions=self.conditions.bare_sessions,
            mark_sending=self.book.mark_sending,
            mark_asked=self.book.mark_asked,
            stop=self.stop,
            sent_late=self.gauge.send_late,
            stalled_s=self.gauge.stalled_s,
        )

    async def _work_through(self, lane: _Lane, planned: list[Trial], meanwhile: TaskGroup) -> None:
        caps = {arm: anyio.Semaphore(cap) for arm, cap in self.conditions.caps.items()}
        levels: dict[float | None, Arrivals] = {}
        for (level, _), window in groupby(planned, key=lambda trial: (trial.level, trial.window)):
            if level not in levels:
                levels[level] = Arrivals(self.conditions.shape(level), ramp_s=self.conditions.ramp_s)
                meanwhile.start_soon(levels[level].ramp)
            arrivals = levels[level]
            arrivals.open_window()
            conversations = [tuple(turns) for _, turns in groupby(window, key=lambda trial: trial.conversation)]
            async with anyio.create_task_group() as group:
                for number, conversation in enumerate(conversations):
                    arm, scheduled_s = conversation[0].arm, arrivals.next_due_s()
                    if scheduled_s is None:
                        held = [arrivals.slots, *([caps[arm]] if arm in caps else [])]
                        for slot in held:
                            await slot.acquire()
                        due_s = anyio.current_time()
                        send_s = lane.starts.take(due_s)
                        await anyio.sleep_until(send_s)
                    else:  # an open loop sends when it is time, however many are in flight
                        held = []
                        due_s = send_s = scheduled_s
                        await self.stop.sleep(due_s - PREPARE_S - anyio.current_time())
                    late_s = anyio.current_time() - send_s
                    if not (await lane.patience.ready() and await lane.budget.admit(conversation)):
                        self.gauge.never_sent(arrivals.overdue(len(conversations) - number - 1))
                        return
                    if scheduled_s is not None:
                        self.gauge.scheduled(lane.asking.uderia.base_url, number, due_s, late_s)
                    lane.due_s[conversation[0].trial_id] = lane.asking.clock.since(due_s)
                    self._start(group, lane, conversation, held, late_s)

    def _start(
        self, group: TaskGroup, lane: _Lane, conversation: tuple[Trial, ...], held: list[anyio.Semaphore], late_s: float
    ) -> None:
        """Start a conversation; ``late_s`` is how late that is already, for want of this process's time.

        One that is still early is prepared, and its asking says how late it was sent in the end.
        """
        spawned_s = anyio.current_time()

        async def one() -> None:
            if (behind_s := late_s + anyio.current_time() - spawned_s) >= 0:
                self.gauge.send_late(behind_s)
            try:
                await self._converse(lane, conversation)
            finally:
                lane.due_s.pop(conversation[0].trial_id, None)
                lane.budget.landed(conversation)
                for slot in held:
                    slot.release()

        group.start_soon(one)

    async def _converse(self, lane: _Lane, conversation: tuple[Trial, ...]) -> None:
        """Ask turn after turn in one session, each when the one before has ended.

        An interrupted conversation of several turns cannot be picked up in the middle: what an earlier process left running is
        cancelled, and all of it is asked again. A stop leaves the turns that were not sent to ``resume``.
        """
        if len(conversation) > 1:
            for trial in conversation:
                if (left := self.book.pending(trial.trial_id)) is not None:
                    await lane.asking.give_up(left)
        before: TrialRecord | None = None
        for trial in conversation:
            if before is not None and self.stop.soft.is_set():
                return
            if before is None or before.ending is Ending.SETTLED:
                record, trace = await self._insist(lane, trial, before, alone=len(conversation) == 1)
            else:
                record = self._unasked(trial, before)
                trace = self.understand(record)
                await self.book.settle(record)
            self.watch(record, trace)
            before = record

    async def _insist(self, lane: _Lane, trial: Trial, before: TrialRecord | None, *, alone: bool) -> tuple[TrialRecord, Trace]:
        """Ask one trial, and again where the server was away or its quota used up; every asking is committed.

        Only a trial that is ``alone`` in its session is asked again here: a turn cannot be repeated behind itself.
        """
        for asking in count(1):
            with self.gauge.flying() as flight:
                record = await self._fly(lane, trial, before, picks_up=alone)
                flight.over()
                record, trace = self._understood(lane, record)
                await self.book.settle(record, lane.budget.account.to_json())
            again = await lane.patience.again(record)
            if not again or not alone or asking == ASKINGS_A_RUN:
                break
        lane.patience.ended(record)
        return record, trace

    def _understood(self, lane: _Lane, record: TrialRecord) -> tuple[TrialRecord, Trace]:
        """Count what an asking took; a limit met inside its task is the server's refusal and no word of the model's.

        Reading a record is most of what a trial costs beside its requests, so its trace is read once and handed on.
        """
        trace = self.understand(record)
        record = replace(record, decoded=())  # nobody decodes it again in this run, and the ledger is waited for
        lane.budget.count(record, trace)
        if record.ending is Ending.SETTLED and trace.outcome is Outcome.RATE_LIMITED:
            return replace(record, ending=Ending.RATE_LIMITED, detail=trace.outcome_detail), trace
        return record, trace

    async def _fly(self, lane: _Lane, trial: Trial, before: TrialRecord | None, *, picks_up: bool) -> TrialRecord:
        """Ask one trial, or end it when the run is stopped for good."""
        try:
            with lane.flight.scope(trial.trial_id) as scope:
                record = await self._ask(lane, trial, before, picks_up=picks_up)
            if scope.cancelled_caught:
                record = self._stopped(trial)
                with anyio.move_on_after(CANCEL_CALL_S, shield=True):
                    await lane.asking.give_up(record)
        finally:
            lane.flight.landed(trial.trial_id)
        return record

    async def _ask(self, lane: _Lane, trial: Trial, before: TrialRecord | None, *, picks_up: bool) -> TrialRecord:
        earlier = self.book.pending(trial.trial_id) if picks_up else None
        if earlier is not None and (found := await lane.asking.pick_up(earlier)) is not None:
            return found
        session_id = None if before is None else before.session_id
        attempts = self.book.attempts(trial.trial_id) + 1
        due_s = lane.due_s.get(trial.trial_id)
        return await lane.asking.ask(trial, self.arms[trial.arm], attempts=attempts, session_id=session_id, due_s=due_s)

    def _unasked(self, trial: Trial, before: TrialRecord) -> TrialRecord:
        """Return the record of a turn that nothing can follow on: it ends as the turn before did, and says so."""
        return TrialRecord(
            trial=trial,
            expected=self.arms[trial.arm],
            ending=before.ending,
            detail=f"not asked: turn {before.trial.turn} of the conversation ended {before.ending.value}",
            attempts=self.book.attempts(trial.trial_id),
            session_id=before.session_id,
        )

    def _stopped(self, trial: Trial) -> TrialRecord:
        """Return the record of a trial we ended ourselves: what was committed when it was sent, else the plan alone."""
        sent = self.book.pending(trial.trial_id)
        if sent is not None:
            return replace(sent, ending=Ending.CANCELLED)
        attempts = self.book.attempts(trial.trial_id) + 1
        return TrialRecord(
            trial=trial,
            expected=self.arms[trial.arm],
            ending=Ending.CANCELLED,
            detail="stopped before it was sent",
            attempts=attempts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """What the trials of one server share; budget and flight are the whole run's.

    ``due_s`` holds when those in flight were due, on the run's clock; ``starts`` spaces what has no schedule.
    """

    asking: Asking
    patience: Patience
    budget: Budget
    flight: InFlight
    starts: Spacing
    due_s: dict[str, float] = field(default_factory=dict)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error a caller should meet: a reason of ours (signed out, disk full) where there is one.

    Several trials meet the same trouble at once; anything that is not ours is a programming error and goes up as it is.
    """
    leaves = [_first(failure) if isinstance(failure, BaseExceptionGroup) else failure for failure in failures.exceptions]
    foreign = [leaf for leaf in leaves if not isinstance(leaf, BenchError)]
    return foreign[0] if foreign else leaves[0]
