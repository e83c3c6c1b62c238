"""Writes the progress of every trial into the ledger, and reads back which trials are in doubt after a crash.

Every step is committed before the run continues. If the process dies, it loses at most what a trial
received since its last commit, and the next sitting finds the query:

- before ``mark_sending`` is committed, no query was sent;
- before ``mark_asked`` is committed, the trial is ``sending``: its session is known and names its task;
- before ``settle`` is committed, the trial is ``asked``: its task is on the server under a known id.

Why the run waits for all three commits and not for ``mark_sending`` alone: a wait lasts 1 ms, or 10 ms
under load, and no clock of the trial runs in it. It bounds the queue by the number of trials in flight,
and a trial reads its own writes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Never, Protocol

import anyio
from anyio import from_thread
from anyio.lowlevel import current_token

from uderia_bench.errors import StoreError
from uderia_bench.runs.actions import Action
from uderia_bench.runs.ledger import ASK_AGAIN, Ledger, is_out_of_sight
from uderia_bench.runs.ledger_rows import Entry, Moved, State, Written
from uderia_bench.trial import Ending, Trial, TrialRecord

COMMIT_EVERY_S = 0.01  # entries that arrive within this time share a commit and a wake-up of the event loop
SYNC_EVERY_S = 1.0  # a power cut loses at most this much; a sync takes 4 ms
ENDS_A_COMMIT = 16  # compressing and writing a body of 45 KB takes about 0.4 ms


class Writer(Protocol):
    """Commits entries, as ``LedgerThread`` does."""

    async def write(self, entry: Written) -> None:
        """Return when an entry is committed, even if the caller is cancelled."""

    async def keep(self) -> Never:
        """Wait until a commit fails, and raise the error."""


class Book:
    """Reads and writes the ledger of one sitting.

    ``may_send`` is called right before a query is sent. It raises where this process must not send any more.
    """

    def __init__(self, ledger: Ledger, writer: Writer, may_send: Callable[[], None] = lambda: None) -> None:
        self.may_send = may_send
        self._ledger = ledger
        self._writer = writer
        self._attempts = ledger.attempts()
        self._in_doubt = ledger.in_doubt()

    def attempts(self, trial_id: str) -> int:
        """Return how often a trial was attempted before, as long as it may be attempted again."""
        return self._attempts.get(trial_id, 0)

    def pending(self, trial_id: str) -> TrialRecord | None:
        """Return the record of a trial whose query may be on the server and whose end is unknown, else None."""
        return self._ledger.pending(trial_id) if trial_id in self._in_doubt else None

    def in_doubt(self) -> tuple[TrialRecord, ...]:
        """Return the records of all trials whose query may be on the server and whose end is unknown."""
        return tuple(record for trial_id in sorted(self._in_doubt) if (record := self.pending(trial_id)) is not None)

    async def mark_sending(self, record: TrialRecord) -> None:
        """Commit that a query is about to be sent: it may be on the server from now on, and counts as an attempt."""
        await self._write(State.SENDING, record)

    async def mark_asked(self, record: TrialRecord) -> None:
        """Commit that a query was accepted, so that its task can be found by id after a crash."""
        await self._write(State.ASKED, record)

    async def settle(self, record: TrialRecord, account: str | None = None) -> None:
        """Commit how a trial ended, with its bodies and with the run's spending so far."""
        await self._write(State.SETTLED, record, account)

    def settled(self, trial_id: str) -> TrialRecord | None:
        """Return the record of a trial that has settled, else None."""
        return self._ledger.record(trial_id) if trial_id in self._ledger.settled() else None

    def last_ended(self, server: str, arms: Collection[str]) -> TrialRecord | None:
        """Return the record of the trial that a server ended last before this sitting, else None; ``arms`` are asked there."""
        return self._ledger.last_ended(server, arms)

    async def act(self, action: Action) -> None:
        """Commit an action of a person."""
        await self._writer.write(action)

    async def move(self, trials: Sequence[Trial]) -> None:
        """Commit that trials are asked on another server from now on; a query of theirs on the one before is given up."""
        await self._writer.write(Moved(trials=tuple(trials)))
        self._in_doubt.difference_update(trial.trial_id for trial in trials)

    async def keep(self) -> Never:
        """Wait until a commit fails, and raise ``StoreError``."""
        await self._writer.keep()

    async def _write(self, state: State, record: TrialRecord, account: str | None = None) -> None:
        await self._writer.write(Entry(state=state, record=record, account=account))
        trial_id, settled = record.trial.trial_id, state is State.SETTLED
        # Trials that are settled for good are forgotten, so that memory stays constant.
        if not settled or record.ending in ASK_AGAIN or record.ending is Ending.LOST:
            self._attempts[trial_id] = record.attempts
        else:
            self._attempts.pop(trial_id, None)
        if not settled or is_out_of_sight(record):
            self._in_doubt.add(trial_id)
        else:
            self._in_doubt.discard(trial_id)


@asynccontextmanager
async def open_book(ledger: Ledger) -> AsyncGenerator[Book]:
    """Yield the book of a ledger that a thread writes; everything is committed and synced at the end.

    Raises ``StoreError`` if the ledger cannot be written.
    """
    thread = LedgerThread(ledger.path)
    try:
        yield Book(ledger, thread)
    finally:
        await thread.close()


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    """An entry that is not committed yet; ``error`` is set before ``done`` if the commit failed."""

    entry: Written
    done: anyio.Event
    error: BaseException | None = None


class LedgerThread:
    """Writes a ledger in a thread; create and close it inside the event loop.

    Entries that arrive within 10 ms share one commit; the file is synced once a second. No writing,
    compressing or syncing runs on the event loop, where it would delay the clocks of the trials in
    flight. A caller waits for the commit of its entry, so the queue is never longer than the number of
    trials in flight.

    A commit takes every mark but few ends. The sending of a query waits for its mark, which therefore
    waits for at most ``ENDS_A_COMMIT`` bodies. Ends go into every commit, since in an open loop every
    commit may bring a new mark.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inbox: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._marks: deque[_Waiting] = deque()
        self._ends: deque[_Waiting] = deque()
        self._group: list[_Waiting] = []
        self._ended = anyio.Event()
        self._error: BaseException | None = None
        self._loop = current_token()
        # A daemon thread: the process can end while the disk hangs.
        threading.Thread(target=self._run, name="ledger", daemon=True).start()

    async def write(self, entry: Written) -> None:
        """Return when the entry is committed, even if the caller is cancelled.

        Raises ``StoreError`` if the entry could not be committed.
        """
        if self._ended.is_set():
            raise self._trouble()
        waiting = _Waiting(entry=entry, done=anyio.Event())
        self._inbox.put(waiting)
        with anyio.CancelScope(shield=True):
            await waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error

    async def keep(self) -> Never:
        """Wait until the thread fails, and raise its error; a failed sync has no other caller."""
        await self._ended.wait()
        raise self._trouble()

    async def close(self) -> None:
        """Return when everything is committed and synced and the thread has ended; raise the thread's error."""
        self._inbox.put(None)
        with anyio.CancelScope(shield=True):
            await self._ended.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with Ledger.open(self._path, writing=True) as ledger:
                self._work(ledger)
        except BaseException as failure:  # noqa: BLE001 - raised again on the event loop
            error = failure
        with suppress(anyio.RunFinishedError):
            from_thread.run_sync(self._end, error, token=self._loop)

    def _work(self, ledger: Ledger) -> None:
        """Write entries until the end is requested and no entry is left."""
        sync_s = time.monotonic() + SYNC_EVERY_S
        commit_s = 0.0
        closing = False
        while not closing or self._marks or self._ends:
            closing = self._take_in(sync_s - time.monotonic()) or closing
            if self._marks or self._ends:
                if not closing and (early_s := commit_s - time.monotonic()) > 0:
                    time.sleep(early_s)
                    closing = self._take_in(0.0)
                commit_s = time.monotonic() + COMMIT_EVERY_S
                self._group.extend(self._marks)
                self._marks.clear()
                self._group.extend(self._ends.popleft() for _ in range(min(ENDS_A_COMMIT, len(self._ends))))
                ledger.write([waiting.entry for waiting in self._group])
                from_thread.run_sync(self._tell, token=self._loop)
            if time.monotonic() >= sync_s:
                ledger.sync()
                sync_s = time.monotonic() + SYNC_EVERY_S
        ledger.sync()

    def _take_in(self, wait_s: float) -> bool:
        """Sort new entries into marks and ends; wait for one if idle. Return True if the end is requested."""
        with suppress(Empty):
            block = not (self._marks or self._ends)
            while (waiting := self._inbox.get(block=block, timeout=max(wait_s, 0.0))) is not None:
                settles = isinstance(waiting.entry, Entry) and waiting.entry.state is State.SETTLED
                (self._ends if settles else self._marks).append(waiting)
                block = False
            return True
        return False

    def _tell(self) -> None:
        """Release the callers whose entries are committed. Runs on the event loop while the thread waits."""
        for waiting in self._group:
            waiting.done.set()
        self._group.clear()

    def _end(self, error: BaseException | None) -> None:
        """Release the callers whose entries were not committed. Runs on the event loop; later writes fail at once."""
        self._error = error
        self._ended.set()
        left = [*self._group, *self._marks, *self._ends]
        while not self._inbox.empty():
            if (waiting := self._inbox.get()) is not None:
                left.append(waiting)
        for waiting in left:
            waiting.error = self._trouble()
            waiting.done.set()

    def _trouble(self) -> BaseException:
        """Return the error that a write raises after the thread has ended."""
        return self._error or StoreError(f"{self._path}: the ledger was closed during the run")
