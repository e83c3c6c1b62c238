"""What a run asks of its ledger and writes into it: which trials are in doubt, how often they were asked, every step.

Every step is committed before the run goes on with it. So a process that dies, at any instant, loses of a trial only what came
in the milliseconds since its last commit, and leaves it in doubt; the next sitting looks for it and asks nothing uncounted:

- before ``mark_sending`` is committed, nothing was sent;
- before ``mark_asked`` is, the trial is ``sending``: its session is known, and names its task;
- before ``settle`` is, the trial is ``asked``: its task, ended or not, is on the server under a known id.

Why all three are waited for, and not ``mark_sending`` alone: the wait is a millisecond, or ten under load, in which none of a
trial's clocks runs; it bounds what is queued by what is in flight; and what a trial reads of itself is what it wrote.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Never, Protocol

from uderia_bench.runner.book import LedgerThread
from uderia_bench.runs.ledger import ASK_AGAIN, Ledger, is_out_of_sight
from uderia_bench.runs.ledger_rows import Entry, State
from uderia_bench.trial import TrialRecord


class Writes(Protocol):
    """What commits entries; ``LedgerThread`` is one."""

    async def write(self, entry: Entry) -> None:
        """Return when an entry is committed, cancelled or not."""

    async def keep(self) -> Never:
        """Wait for trouble and raise it."""


class Bookkeeper:
    """The book of one sitting. It reads from a ledger that is open already and never waits for who writes."""

    def __init__(self, ledger: Ledger, writes: Writes) -> None:
        self._ledger = ledger
        self._writes = writes
        self._attempts = ledger.attempts()
        self._in_doubt = ledger.in_doubt()

    def attempts(self, trial_id: str) -> int:
        """Return how often a trial was asked before, where it may be asked again."""
        return self._attempts.get(trial_id, 0)

    def pending(self, trial_id: str) -> TrialRecord | None:
        """Return a trial whose query is, or may be, on the server, and whose end nobody saw; else None."""
        return self._ledger.pending(trial_id) if trial_id in self._in_doubt else None

    async def mark_sending(self, record: TrialRecord) -> None:
        """Commit that a query is about to be sent: from now on it may be on the server, and is counted."""
        await self._write(State.SENDING, record)

    async def mark_asked(self, record: TrialRecord) -> None:
        """Commit that a query was accepted, so that its task can be picked up by id after a crash."""
        await self._write(State.ASKED, record)

    async def settle(self, record: TrialRecord, account: str | None = None) -> None:
        """Commit how a trial ended, with its bodies and with what the run has spent by then."""
        await self._write(State.SETTLED, record, account)

    async def keep(self) -> Never:
        """Wait for trouble with what was committed, and raise it as ``StoreError``."""
        await self._writes.keep()

    async def _write(self, state: State, record: TrialRecord, account: str | None = None) -> None:
        await self._writes.write(Entry(state=state, record=record, account=account))
        trial_id, settled = record.trial.trial_id, state is State.SETTLED
        # Of trials that are settled for good nothing is kept: memory stays flat.
        if not settled or record.ending in ASK_AGAIN:
            self._attempts[trial_id] = record.attempts
        else:
            self._attempts.pop(trial_id, None)
        if not settled or is_out_of_sight(record):
            self._in_doubt.add(trial_id)
        else:
            self._in_doubt.discard(trial_id)


@asynccontextmanager
async def opened(ledger: Ledger) -> AsyncGenerator[Bookkeeper]:
    """Yield the book of a ledger, written in a thread; all of it is committed and synced when this ends.

    Raises ``StoreError`` where that fails.
    """
    thread = LedgerThread(ledger.path)
    try:
        yield Bookkeeper(ledger, thread)
    finally:
        await thread.close()
