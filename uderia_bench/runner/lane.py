"""One server's side of a run: conversations asked turn after turn, every asking committed. It knows no slot and no schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

import anyio

from uderia_bench.runner.asking import Asking
from uderia_bench.runner.budget import Budget
from uderia_bench.runner.gauge import Gauge
from uderia_bench.runner.in_flight import InFlight
from uderia_bench.runner.patience import ASKINGS_A_RUN, Patience
from uderia_bench.runner.stop import Stop
from uderia_bench.trace import Trace
from uderia_bench.trial import Ending, Outcome, Serving, Trial, TrialRecord

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
class _Turn:
    """What is asked of one trial. ``before`` is the turn before it, whose session it is asked in; ``alone``: it has its own.

    ``due_s`` is when it should be sent, on the run's clock; None: when it is asked. Where it is not ``scheduled`` that holds
    for the first asking alone: another one is due when it is asked.
    """

    trial: Trial
    alone: bool
    before: TrialRecord | None = None
    due_s: float | None = None
    scheduled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What the trials of one server share. All but ``asking`` and ``patience`` is the whole run's."""

    asking: Asking
    patience: Patience
    arms: Mapping[str, Serving]
    book: Book
    budget: Budget
    flight: InFlight
    gauge: Gauge
    stop: Stop
    understand: Callable[[TrialRecord], Trace]
    watch: Callable[[TrialRecord, Trace], None]

    async def converse(self, conversation: tuple[Trial, ...], *, due_s: float, scheduled: bool) -> None:
        """Ask turn after turn in one session, the first when it is due, each other when the one before has ended.

        An interrupted conversation of several turns cannot be picked up in the middle: what an earlier process left running is
        cancelled, and all of it is asked again. A stop leaves the turns that were not sent to ``resume``.
        """
        if len(conversation) > 1:
            for trial in conversation:
                if (left := self.book.pending(trial.trial_id)) is not None:
                    await self.asking.give_up(left)
        before: TrialRecord | None = None
        for trial in conversation:
            if self.stop.soft.is_set():  # since it was admitted, or since the turn before
                return
            if before is None or before.ending is Ending.SETTLED:
                turn = _Turn(
                    trial=trial,
                    alone=len(conversation) == 1,
                    before=before,
                    due_s=due_s if before is None else None,
                    scheduled=scheduled,
                )
                record, trace = await self._insist(turn)
            else:
                record = self._unasked(trial, before)
                trace = self.understand(record)
                await self.book.settle(record)
            self.watch(record, trace)
            before = record

    async def _insist(self, turn: _Turn) -> tuple[TrialRecord, Trace]:
        """Ask one trial, and again where the server was away or its quota used up; every asking is committed.

        Only a trial that is ``alone`` in its session is asked again here: a turn cannot be repeated behind itself.
        """
        for asking in count(1):
            with self.gauge.flying() as flight:
                record = await self._fly(turn)
                flight.over()
                record, trace = self._understood(record)
                await self.book.settle(record, self.budget.account.to_json())
            again = await self.patience.again(record)
            if not again or not turn.alone or asking == ASKINGS_A_RUN:
                break
            if not turn.scheduled:
                turn = replace(turn, due_s=None)
        self.patience.ended(record)
        return record, trace

    def _understood(self, record: TrialRecord) -> tuple[TrialRecord, Trace]:
        """Count what an asking took; a limit met inside its task is the server's refusal and no word of the model's.

        Reading a record is most of what a trial costs beside its requests, so its trace is read once and handed on.
        """
        trace = self.understand(record)
        record = replace(record, decoded=())  # nobody decodes it again in this run, and the ledger is waited for
        self.budget.count(record, trace)
        if record.ending is Ending.SETTLED and trace.outcome is Outcome.RATE_LIMITED:
            return replace(record, ending=Ending.RATE_LIMITED, detail=trace.outcome_detail), trace
        return record, trace

    async def _fly(self, turn: _Turn) -> TrialRecord:
        """Ask one trial, or end it when the run is stopped for good."""
        try:
            with self.flight.scope(turn.trial.trial_id) as scope:
                record = await self._ask(turn)
            if scope.cancelled_caught:
                record = self._stopped(turn.trial)
                with anyio.move_on_after(CANCEL_CALL_S, shield=True):
                    await self.asking.give_up(record)
        finally:
            self.flight.landed(turn.trial.trial_id)
        return record

    async def _ask(self, turn: _Turn) -> TrialRecord:
        trial, before = turn.trial, turn.before
        earlier = self.book.pending(trial.trial_id) if turn.alone else None
        if earlier is not None and (found := await self.asking.pick_up(earlier)) is not None:
            return found
        return await self.asking.ask(
            trial,
            self.arms[trial.arm],
            attempts=self.book.attempts(trial.trial_id) + 1,
            session_id=None if before is None else before.session_id,
            due_s=turn.due_s,
        )

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
