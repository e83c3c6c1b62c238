"""Asks the conversations of one server, turn after turn, and commits each result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import anyio

from uderia_bench.runner.asking import Asking
from uderia_bench.runner.budget import Budget
from uderia_bench.runner.patience import ASKINGS_A_RUN, CANCELLED_THERE, ENDED, Patience
from uderia_bench.runner.stop import InFlight
from uderia_bench.runs.ledger import ASK_AGAIN
from uderia_bench.trace import Trace
from uderia_bench.trial import Ending, Outcome, Serving, Trial, TrialRecord

WARMED_UP = "warmed the server up after a restart, not counted"
DOUBTFUL = "ended close to a restart that was noticed later, not counted"
LOST_BY_RESTART = "lost by a restart of the server"
MOST_ASKINGS = 12  # of one trial in one sitting, also where each restart of a server loses it
CANCEL_CALL_S = 5.0  # a stopping run waits this long for the reply to one cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One trial to ask.

    ``alone``: the conversation has only this turn. ``before`` is the record of the previous turn, whose
    session the trial continues. ``due_s`` is when to send it, on the run's clock; None means now. A trial
    that is asked again keeps its due time only if it is ``scheduled``.
    """

    trial: Trial
    alone: bool
    before: TrialRecord | None = None
    due_s: float | None = None
    scheduled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What the trials of one server share; the whole run shares all but ``asking``, ``patience`` and ``ended``.

    ``ended`` has the trials that have settled for good, ``again`` those that the server is asked again after
    the window. ``after`` is awaited after each trial, before the next one of its slot.
    """

    asking: Asking
    patience: Patience
    arms: Mapping[str, Serving]
    budget: Budget
    flight: InFlight
    understand: Callable[[TrialRecord], Trace]
    watch: Callable[[TrialRecord, Trace], None]
    ended: set[str] = field(default_factory=set)
    again: list[Trial] = field(default_factory=list)
    after: Callable[[TrialRecord], Awaitable[None]] | None = None

    def unfinished(self, conversations: Iterable[tuple[Trial, ...]]) -> list[Trial]:
        """Return the trials of the conversations that have not ended; where a turn is left, the whole conversation is."""
        left = (turns for turns in conversations if not self.ended.issuperset(trial.trial_id for trial in turns))
        return list(chain.from_iterable(left))

    async def converse(self, conversation: tuple[Trial, ...], *, due_s: float, scheduled: bool) -> None:
        """Ask the turns in one session: the first when it is due, each later one when the one before has ended.

        An interrupted conversation of several turns starts again from its first turn, after the tasks of
        the earlier process are cancelled. At a stop, ``resume`` asks the turns that were not sent.
        A conversation of several turns that met a cold server becomes doubtful as a whole.
        """
        talks, arm = len(conversation) > 1, conversation[0].arm
        if talks:
            for trial in conversation:
                if (left := self.asking.book.pending(trial.trial_id)) is not None:
                    await self.asking.give_up(left)
        warms_up = talks and await self.patience.warms_up(arm)
        records: list[TrialRecord] = []
        try:
            await self._talk(conversation, records, due_s=due_s, scheduled=scheduled)
        finally:
            answered = bool(records) and all(record.ending in ENDED for record in records)
            if warms_up:
                self.patience.warmed_up(conversation[0], answered=answered)
        # An outage may have been noted since the end of a trial was committed.
        await self.patience.counts(records, cold=warms_up or any(map(self.patience.met_cold, records)))
        await self.recall()

    async def recall(self) -> None:
        """Commit the trials that a restart has made doubtful as ones to ask again."""
        while self.patience.doubtful:
            record = self.patience.doubtful.pop()
            self.ended.discard(record.trial.trial_id)
            self.again.append(record.trial)
            await self.asking.book.settle(replace(record, ending=Ending.CANCELLED, detail=DOUBTFUL))

    async def _talk(
        self, conversation: tuple[Trial, ...], records: list[TrialRecord], *, due_s: float, scheduled: bool
    ) -> None:
        before: TrialRecord | None = None
        for trial in conversation:
            if self.asking.stop.soft.is_set():
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
                await self.asking.book.settle(record)
            self.watch(record, trace)
            if self.after is not None:
                await self.after(record)
            before = record
            records.append(record)
            if record.ending not in ASK_AGAIN:
                self.ended.add(trial.trial_id)

    async def _insist(self, turn: _Turn) -> tuple[TrialRecord, Trace]:
        """Ask one trial, and ask it again if the server was away or its quota used up; commit each result.

        Only a trial that is ``alone`` in its session is asked again here: a later turn cannot be repeated
        in a session that already holds it. ``resume`` asks what a restart of the server has lost and this
        sitting could not repeat.
        """
        askings = 0
        for _ in range(MOST_ASKINGS):
            warms_up = turn.alone and await self.patience.warms_up(turn.trial.arm)
            record, trace = await self._once(turn, warms_up=warms_up)
            if record.detail == WARMED_UP and not self.asking.stop.soft.is_set():
                turn = replace(turn, due_s=None)
                continue
            again = await self.patience.again(record)
            askings += not self.patience.explains(record)
            if not again or not turn.alone or askings == ASKINGS_A_RUN:
                break
            if not turn.scheduled or record.ending is not Ending.RATE_LIMITED:
                turn = replace(turn, due_s=None)
        if record.ending is Ending.LOST and self.patience.explains(record):
            record = replace(record, ending=Ending.CANCELLED, detail=f"{LOST_BY_RESTART}: {record.detail}")
            trace = self.understand(record)
            await self.asking.book.settle(record, self.budget.account.to_json())
        self.patience.ended(record)
        return record, trace

    async def _once(self, turn: _Turn, *, warms_up: bool) -> tuple[TrialRecord, Trace]:
        """Ask one trial and commit its result; a trial that warms the server up is committed as one to ask again."""
        with self.asking.gauge.flying() as flight:
            answered = False
            try:
                record = await self._fly(turn)
                flight.over()
                record, trace = self._understood(record)
                # A trial that was only picked up after the restart sent no query, so it warmed nothing up.
                answered = record.ending in ENDED and not self.patience.is_before_return(record)
            finally:
                if warms_up:
                    self.patience.warmed_up(turn.trial, answered=answered)
            if (warms_up and answered) or (turn.alone and record.ending in ENDED and self.patience.met_cold(record)):
                record = replace(record, ending=Ending.CANCELLED, detail=WARMED_UP)
                trace = self.understand(record)
            await self.asking.book.settle(record, self.budget.account.to_json())
        return record, trace

    def _understood(self, record: TrialRecord) -> tuple[TrialRecord, Trace]:
        """Read the trace of a record and count what the trial spent.

        A task that ended at a rate limit counts as rate limited, and one that was cancelled on the server
        as cancelled: both are asked again. Reading a record is expensive, so the
        trace is read once and passed on.
        """
        trace = self.understand(record)
        record = replace(record, decoded=())  # no longer needed; frees memory while the ledger is written
        self.budget.count(record, trace)
        if record.ending is Ending.SETTLED and trace.outcome is Outcome.RATE_LIMITED:
            return replace(record, ending=Ending.RATE_LIMITED, detail=trace.outcome_detail), trace
        if record.ending is Ending.SETTLED and trace.outcome is Outcome.CANCELLED:
            detail = f"{CANCELLED_THERE}, by its shutdown or by another client: {trace.outcome_detail}"
            return replace(record, ending=Ending.CANCELLED, detail=detail), trace
        return record, trace

    async def _fly(self, turn: _Turn) -> TrialRecord:
        """Ask one trial, or cancel it at a hard stop."""
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
        earlier = self.asking.book.pending(trial.trial_id) if turn.alone else None
        if earlier is not None and (found := await self.asking.pick_up(earlier)) is not None:
            return found
        return await self.asking.ask(
            trial,
            self.arms[trial.arm].on(trial.server),
            attempts=self.asking.book.attempts(trial.trial_id) + 1,
            session_id=None if before is None else before.session_id,
            due_s=turn.due_s,
        )

    def _unasked(self, trial: Trial, before: TrialRecord) -> TrialRecord:
        """Return the record of a turn that was not asked because the turn before it failed."""
        return TrialRecord(
            trial=trial,
            expected=self.arms[trial.arm].on(trial.server),
            ending=before.ending,
            detail=f"not asked: turn {before.trial.turn} of the conversation ended {before.ending.value}",
            attempts=self.asking.book.attempts(trial.trial_id),
            session_id=before.session_id,
        )

    def _stopped(self, trial: Trial) -> TrialRecord:
        """Return the record of a trial that a hard stop cancelled."""
        sent = self.asking.book.pending(trial.trial_id)
        if sent is not None:
            return replace(sent, ending=Ending.CANCELLED)
        attempts = self.asking.book.attempts(trial.trial_id) + 1
        return TrialRecord(
            trial=trial,
            expected=self.arms[trial.arm].on(trial.server),
            ending=Ending.CANCELLED,
            detail="stopped before it was sent",
            attempts=attempts,
        )
