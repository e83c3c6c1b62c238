"""The run: plan in, records out, through slots, isolation and a stop that keeps what came back. It reads no answer.

A lane a server, its windows one after the other, a slot a conversation (mostly of one turn): with isolation ``arm`` a window
holds one arm's trials, and the next begins when the last of them has ended on the server, because the server switches
process-wide state per profile (observed.md).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from signal import Signals
from typing import Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from uderia_bench.asking import Asking, Clock
from uderia_bench.errors import BenchError
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.trial import Ending, Expected, Trial, TrialRecord

CANCEL_CALL_S = 5.0  # a stopping run asks the server once to cancel and does not wait longer for the answer
STOP_TEXT = "stopping: nothing new is sent, what is in flight may finish; once more to stop now"
NOW_TEXT = "stopping now: what is in flight is cancelled"
GRACE_S = 30.0  # what is in flight when a run is told to stop may still answer within an ordinary trial's time
log = structlog.get_logger(__name__)


class Book(Protocol):
    """Where records are kept; ``ledger.Ledger`` is one."""

    def attempts(self, trial_id: str) -> int:
        """Return how often a trial was asked before."""

    def asked(self, trial_id: str) -> TrialRecord | None:
        """Return a trial that was sent and not seen to end."""

    def mark_asked(self, record: TrialRecord) -> None:
        """Commit that a query was accepted."""

    def settle(self, record: TrialRecord) -> None:
        """Commit how a trial ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under what load trials run. ``concurrency`` is per server; ``caps`` bounds single arms below it."""

    concurrency: int
    timeout_s: float
    bare_sessions: bool
    seed: int
    caps: Mapping[str, int] = field(default_factory=dict)
    grace_s: float = GRACE_S


class Stop:
    """How a run is told to end: ``soft`` sends nothing new and lets trials finish, ``hard`` cancels them at once."""

    def __init__(self, signals: tuple[Signals, ...] = (), *, say: Callable[[str], None] | None = None) -> None:
        self.soft = anyio.Event()
        self.hard = anyio.Event()
        self._signals = signals
        self._say = say

    def ask(self) -> None:
        """Ask once for a soft stop, again for a hard one."""
        (self.hard if self.soft.is_set() else self.soft).set()

    async def listen(self) -> None:
        """Take the process's signals as asking, and tell people what that does."""
        if not self._signals:
            return
        with anyio.open_signal_receiver(*self._signals) as received:
            async for _ in received:
                self.ask()
                if self._say is not None:
                    self._say(NOW_TEXT if self.hard.is_set() else STOP_TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Everything a run needs besides its trials: signed-in servers by address, arms, where records go and who watches."""

    servers: Mapping[str, Uderia]
    arms: Mapping[str, Expected]
    conditions: Conditions
    book: Book
    watch: Callable[[TrialRecord], None]
    stop: Stop

    async def run(self, trials: Iterable[Trial]) -> None:
        """Ask every trial and commit every record; returns early, with nothing lost, when told to stop."""
        clock = Clock(anyio.current_time())
        lanes: dict[str, list[Trial]] = {}
        for trial in sorted(trials, key=lambda trial: trial.seq):
            lanes.setdefault(self.arms[trial.arm].server, []).append(trial)
        try:
            async with anyio.create_task_group() as group:
                flight = _Flight(self.conditions.grace_s, self.stop)
                group.start_soon(flight.guard)
                group.start_soon(self.stop.listen)
                async with anyio.create_task_group() as running:
                    for server, planned in lanes.items():
                        running.start_soon(self._lane, self._asking(server, clock), planned, flight)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures

    def _asking(self, server: str, clock: Clock) -> Asking:
        return Asking(
            uderia=self.servers[server],
            clock=clock,
            timeout_s=self.conditions.timeout_s,
            bare_sessions=self.conditions.bare_sessions,
            mark_asked=self.book.mark_asked,
            rng=random.Random(self.conditions.seed),  # noqa: S311 - spreads polls in time, hides nothing
        )

    async def _lane(self, asking: Asking, planned: list[Trial], flight: _Flight) -> None:
        slots = anyio.Semaphore(self.conditions.concurrency)
        caps = {arm: anyio.Semaphore(cap) for arm, cap in self.conditions.caps.items()}
        for _, window in groupby(planned, key=lambda trial: trial.window):
            async with anyio.create_task_group() as group:
                for _, turns in groupby(window, key=lambda trial: trial.conversation):
                    conversation = tuple(turns)
                    arm = conversation[0].arm
                    held = [slots, *([caps[arm]] if arm in caps else [])]
                    for slot in held:
                        await slot.acquire()
                    if self.stop.soft.is_set():
                        return
                    self._start(group, asking, conversation, held, flight)

    def _start(
        self, group: TaskGroup, asking: Asking, conversation: tuple[Trial, ...], held: list[anyio.Semaphore], flight: _Flight
    ) -> None:
        async def one() -> None:
            try:
                await self._converse(asking, conversation, flight)
            finally:
                for slot in held:
                    slot.release()

        group.start_soon(one)

    async def _converse(self, asking: Asking, conversation: tuple[Trial, ...], flight: _Flight) -> None:
        """Ask turn after turn in one session, each when the one before has ended.

        An interrupted conversation of several turns cannot be picked up in the middle: what an earlier process left running is
        cancelled, and all of it is asked again. A stop leaves the turns that were not sent to ``resume``.
        """
        if len(conversation) > 1:
            for trial in conversation:
                if (left := self.book.asked(trial.trial_id)) is not None:
                    await asking.give_up(left)
        before: TrialRecord | None = None
        for trial in conversation:
            if before is not None and self.stop.soft.is_set():
                return
            if before is None or before.ending is Ending.SETTLED:
                picks_up = len(conversation) == 1
                record = await self._fly(asking, trial, flight, before, picks_up=picks_up)
            else:
                record = self._unasked(trial, before)
            self.book.settle(record)
            self.watch(record)
            before = record

    async def _fly(
        self, asking: Asking, trial: Trial, flight: _Flight, before: TrialRecord | None, *, picks_up: bool
    ) -> TrialRecord:
        """Ask one trial, or end it when the run is stopped for good."""
        try:
            with flight.scope(trial.trial_id) as scope:
                record = await self._ask(asking, trial, before, picks_up=picks_up)
            if scope.cancelled_caught:
                record = self._stopped(trial)
                with anyio.move_on_after(CANCEL_CALL_S, shield=True):
                    await asking.give_up(record)
        finally:
            flight.landed(trial.trial_id)
        return record

    async def _ask(self, asking: Asking, trial: Trial, before: TrialRecord | None, *, picks_up: bool) -> TrialRecord:
        earlier = self.book.asked(trial.trial_id) if picks_up else None
        if earlier is not None:
            return await asking.pick_up(earlier)
        session_id = None if before is None else before.session_id
        attempts = self.book.attempts(trial.trial_id) + 1
        return await asking.ask(trial, self.arms[trial.arm], attempts=attempts, session_id=session_id)

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
        """Return the record of a trial we ended ourselves: what was committed at its acceptance, else the plan alone."""
        asked = self.book.asked(trial.trial_id)
        if asked is not None:
            return asked
        attempts = self.book.attempts(trial.trial_id) + 1
        return TrialRecord(
            trial=trial,
            expected=self.arms[trial.arm],
            ending=Ending.CANCELLED,
            detail="stopped before it was accepted",
            attempts=attempts,
        )


class _Flight:
    """The trials in flight, so that a stop can wait for them and then end them."""

    def __init__(self, grace_s: float, stop: Stop) -> None:
        self._grace_s = grace_s
        self._stop = stop
        self._scopes: dict[str, anyio.CancelScope] = {}

    def scope(self, trial_id: str) -> anyio.CancelScope:
        """Return the scope a trial runs in."""
        self._scopes[trial_id] = anyio.CancelScope()
        return self._scopes[trial_id]

    def landed(self, trial_id: str) -> None:
        """Forget a trial that is over."""
        self._scopes.pop(trial_id, None)

    async def guard(self) -> None:
        """Wait for a stop, give what is in flight its grace, then end it."""
        await self._stop.soft.wait()
        log.info("stopping: nothing new is sent", in_flight=len(self._scopes), grace_s=self._grace_s)
        with anyio.move_on_after(self._grace_s):
            await self._stop.hard.wait()
        for scope in list(self._scopes.values()):
            scope.cancel()


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error a caller should meet: a reason of ours (signed out, disk full) where there is one.

    Several trials meet the same trouble at once; anything that is not ours is a programming error and goes up as it is.
    """
    leaves = [_first(failure) if isinstance(failure, BaseExceptionGroup) else failure for failure in failures.exceptions]
    foreign = [leaf for leaf in leaves if not isinstance(leaf, BenchError)]
    return foreign[0] if foreign else leaves[0]
