"""The thread that alone writes a running run's ledger: what comes within 10 ms is one commit, synced once a second.

No writing, compressing or syncing runs on the event loop, where it would stall the clock of the trials in flight. Who writes
waits for the commit of its own entry, which bounds the queue by what is in flight.

Why a commit takes every mark and few ends: the sending of a query waits for its mark, which so waits for ``ENDS_A_COMMIT``
bodies at most; and ends go with every commit, as arrivals by the clock may bring a mark for each.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Never

import anyio
from anyio import from_thread
from anyio.lowlevel import current_token

from uderia_bench.errors import StoreError
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry, State

COMMIT_EVERY_S = 0.01  # at most: what comes meanwhile shares a commit and a wake-up of the event loop
SYNC_EVERY_S = 1.0  # what a power cut may take; a sync takes 4 ms
ENDS_A_COMMIT = 16  # bodies of 45 KB take about 0.4 ms each to compress and write


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    """An entry on its way to the disk; ``error`` says why it is not there, once ``done``."""

    entry: Entry
    done: anyio.Event
    error: BaseException | None = None


class LedgerThread:
    """Writes entries from one event loop into a ledger of its own; made inside the loop, and to be closed there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inbox: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._marks: deque[_Waiting] = deque()
        self._ends: deque[_Waiting] = deque()
        self._group: list[_Waiting] = []
        self._ended = anyio.Event()
        self._error: BaseException | None = None
        self._loop = current_token()
        # A daemon: where the loop is gone, or the disk hangs, the process does not wait for it.
        threading.Thread(target=self._run, name="ledger", daemon=True).start()

    async def write(self, entry: Entry) -> None:
        """Return when the entry is committed, cancelled or not; raises ``StoreError`` where it is not, and nothing of it is."""
        if self._ended.is_set():
            raise self._trouble()
        waiting = _Waiting(entry=entry, done=anyio.Event())
        self._inbox.put(waiting)
        with anyio.CancelScope(shield=True):
            await waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error

    async def keep(self) -> Never:
        """Wait for trouble and raise it: a sync that fails has nobody else waiting for it."""
        await self._ended.wait()
        raise self._trouble()

    async def close(self) -> None:
        """Return when everything is committed and synced and the thread has ended; raises what it failed with."""
        self._inbox.put(None)
        with anyio.CancelScope(shield=True):
            await self._ended.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with Ledger.open(self._path) as ledger:
                self._work(ledger)
        except BaseException as failure:  # noqa: BLE001 - raised again by whoever waits, on the event loop
            error = failure
        with suppress(anyio.RunFinishedError):
            from_thread.run_sync(self._end, error, token=self._loop)

    def _work(self, ledger: Ledger) -> None:
        """Write until told to end; what is then left is written first."""
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
        """Sort what has come in, waiting for it where there is nothing else to do; True where the end is asked for."""
        with suppress(Empty):
            block = not (self._marks or self._ends)
            while (waiting := self._inbox.get(block=block, timeout=max(wait_s, 0.0))) is not None:
                (self._ends if waiting.entry.state is State.SETTLED else self._marks).append(waiting)
                block = False
            return True
        return False

    def _tell(self) -> None:
        """Let those go on whose entries are committed. Runs on the event loop, while the thread waits for it."""
        for waiting in self._group:
            waiting.done.set()
        self._group.clear()

    def _end(self, error: BaseException | None) -> None:
        """Let everybody go on, none of whom is committed. Runs on the event loop, and from here on nothing is queued."""
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
        """Return why nothing is written any more."""
        return self._error or StoreError(f"{self._path}: the ledger was closed while the run went on")
