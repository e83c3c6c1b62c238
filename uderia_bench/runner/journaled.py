"""Writes the progress of trials into a ledger and into the journal of a shared run.

A query is sent once its claim is in both. What is known later (its task, its end) reaches the journal soon after, in one
entry with others: if this process dies before, the next one finds the query in its session.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Never

import anyio
from anyio import to_thread

from uderia_bench.runner.book import Book, LedgerThread
from uderia_bench.runs import shared
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry, State, Written
from uderia_bench.runs.protocol import Journal, Lease, LeaseLost

GATHER_S = 1.0  # an end waits this long for others, or for a claim, which takes it along
MOST = 256  # rows of one entry


class JournalWriter:
    """Commits entries to a ledger's thread and to a journal, one entry of the journal at a time."""

    def __init__(self, thread: LedgerThread, journal: Journal) -> None:
        self._thread = thread
        self._journal = journal
        self._waiting: list[tuple[Entry, anyio.Event]] = []
        self._claimed = anyio.Event()
        self._any = anyio.Event()

    async def write(self, entry: Written) -> None:
        """Return when an entry is committed: a claim in ledger and journal, all else in the ledger."""
        await self._thread.write(entry)
        if isinstance(entry, Entry):
            done = anyio.Event()
            self._waiting.append((entry, done))
            self._any.set()
            if entry.state is State.SENDING:
                self._claimed.set()
                await done.wait()

    async def keep(self) -> Never:
        """Write what waits until the ledger's thread fails or the lease is lost, and raise the error."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._thread.keep)
            while True:
                await self._any.wait()
                with anyio.move_on_after(GATHER_S):
                    await self._claimed.wait()
                await self.flush()
        raise AssertionError("the ledger's thread ends with an error")

    async def flush(self) -> None:
        """Write what waits, even if the caller is cancelled; raises ``LeaseLost``."""
        while self._waiting:
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if not self._waiting:
                self._any, self._claimed = anyio.Event(), anyio.Event()
            with anyio.CancelScope(shield=True):
                await self._journal.append(await to_thread.run_sync(shared.packed, [entry for entry, _ in taken]))
            for _, done in taken:
                done.set()


@asynccontextmanager
async def open_journaled(ledger: Ledger, journal: Journal, lease: Lease) -> AsyncGenerator[Book]:
    """Yield the book of one server's part of a shared run; everything is in the journal at its regular end.

    Raises ``StoreError`` if the ledger cannot be written, ``LeaseLost`` if another worker has the server.
    """

    def may_send() -> None:
        if not lease.ours:
            raise LeaseLost

    thread = LedgerThread(ledger.path)
    try:
        writer = JournalWriter(thread, journal)
        yield Book(ledger, writer, may_send)
        await writer.flush()
    finally:
        await thread.close()
