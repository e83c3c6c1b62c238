"""The protocol by which workers share the servers and the trials of runs, through a store of objects.

Any number of processes on any machines may work on a run. The store needs one strong operation: to create an object
only where there is none (``Store.create``). A log is a sequence of such objects, numbered from 1. The process that
creates entry n+1 decides what follows entry n, and the others learn of it because their own entry n+1 is refused.

Who decides what:

1. *Who may use a server* is decided by the log of its lease, which all runs of a store share. A worker takes a server
   whose last entry releases it, or whose log was silent for the lease's length on the worker's own clock. The holder
   renews by a new entry. It stops sending after ``SENDS`` of the length, counted on its own clock from before it asked
   for the entry. The rest covers clocks that drift and queries that arrive late. No two clocks are ever compared.
   A worker of another run waits for one trial's timeout in addition, since it cannot look into this run's sessions.
2. *Whether a query may be sent* is decided by its claim, an entry in the journal of this run and server. It names the
   trial, the attempt and the session. The claim is in the journal before the query is sent, so ``attempts`` counts
   every query that can have arrived.
3. *What counts as a result* is decided by the journal too. An entry is never replaced. A new holder opens the journal
   by an entry of its own before it acts, so an earlier holder can add nothing after it, however late it wakes up.
   Therefore each trial has one result.
4. *What happens to a claim without a result* is decided by the server: the new holder looks into the session and waits
   for the end of what runs there. It asks again only where the session shows no trace of the query.
5. *Whether the run is complete* is decided by the plan: every trial of it has a result in a journal.

The caller may lose every answer of the store: it repeats the same bytes, and bytes that are there already are its own.
``tests/chaos/model.py`` runs this file on a simulated store, with workers that crash and pause and clocks that drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from uderia_bench.errors import StoreError

LENGTH_S = 60.0  # of a lease: how long a server waits for its next worker when one dies
SENDS = 2 / 3  # of a lease's length: how long its holder sends without a renewal
RENEWS = 1 / 4  # of a lease's length: how often its holder renews it
RETRY_S = 0.25  # between two calls of a store that gave no clear answer


class NoClearAnswer(Exception):
    """The store failed or was late: what was asked may have happened, and may still happen."""


class LeaseLost(StoreError):
    """Another worker has the server, or the lease ended before the store answered. The run goes on."""

    def __init__(self) -> None:
        super().__init__("the lease on the server has ended: another worker continues there")


class Store(Protocol):
    """Objects by name. Every call ends within seconds; ``NoClearAnswer`` says that it failed."""

    async def create(self, name: str, body: bytes) -> bool:
        """Create an object; False where there is one."""

    async def read(self, names: Sequence[str]) -> list[bytes]:
        """Return the bodies of objects that exist."""

    async def names(self, folder: str, after: str) -> list[str]:
        """Return the names in a folder that sort after ``after``, sorted."""


class Clock(Protocol):
    """A clock that is right about durations, at least within 10 %; it goes on while the process is stopped."""

    def now(self) -> float:
        """Return seconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Log:
    """A sequence of objects in one folder, each created once. ``last`` is the number of the last known entry."""

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = folder
        self.last = 0

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number:09d}"

    async def news(self) -> list[bytes]:
        """Return the entries after the last known one, in order."""
        found = await self._store.names(self._folder, self._name(self.last))
        expected = [self._name(self.last + 1 + place) for place in range(len(found))]
        whole = [name for name, due in zip(found, expected, strict=True) if name == due]
        bodies = await self._store.read(whole)
        self.last += len(bodies)
        return bodies

    async def newest(self) -> bytes | None:
        """Return the newest entry if there is one after the last known one. Older ones may have been deleted."""
        found = await self._store.names(self._folder, self._name(self.last))
        if not found:
            return None
        (body,) = await self._store.read(found[-1:])
        self.last = int(found[-1].rpartition("/")[2])
        return body

    async def append(self, body: bytes) -> bool:
        """Create the next entry; False where another one has its number. Repeat the same bytes after ``NoClearAnswer``."""
        name = self._name(self.last + 1)
        if not await self._store.create(name, body) and await self._store.read([name]) != [body]:
            return False
        self.last += 1
        return True


class Lease:
    """One worker's view of who may use a server. One call at a time.

    ``run`` is what the worker works on, and ``timeout_s`` how long a query of it runs on the server at most.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        clock: Clock,
        *,
        worker: str,
        run: str,
        timeout_s: float,
        length_s: float = LENGTH_S,
    ) -> None:
        self._log = Log(store, folder)
        self._clock = clock
        self._worker = worker
        self._length_s = length_s
        self._said = {"worker": worker, "run": run, "timeout_s": timeout_s, "length_s": length_s}
        self._until = float("-inf")
        self._asked: tuple[int, float] | None = None  # the number of an entry, and when it was first asked for
        self._newest: Mapping[str, Any] = {"held": False, "worker": None}
        self._seen = 0.0

    @property
    def ours(self) -> bool:
        """Whether a query may be sent now. Ask directly before sending."""
        return self._clock.now() < self._until

    @property
    def holder(self) -> str | None:
        """The worker that was seen to hold the server last, None after it released the server."""
        return self._newest["worker"] if self._newest["held"] else None

    @property
    def run(self) -> str | None:
        """The run that the holder works on, None after it released the server."""
        return self._newest["run"] if self._newest["held"] else None

    async def take(self) -> bool:
        """Take the server if it is free, or was silent for its lease; False otherwise. Ask again until it is True."""
        newest = await self._log.newest()
        if newest is not None:
            self._newest, self._seen = orjson.loads(newest), self._clock.now()
        return self._free() and await self._append(held=True)

    def _free(self) -> bool:
        newest = self._newest
        if not newest["held"] or newest["worker"] == self._worker:
            return True
        drains_s = 0.0 if newest["run"] == self._said["run"] else newest["timeout_s"]
        return bool(self._clock.now() - self._seen >= newest["length_s"] + drains_s)

    async def renew(self) -> None:
        """Renew the lease; raises ``LeaseLost`` where it has ended."""
        if not self.ours or not await self._append(held=True):
            self._until = float("-inf")
            raise LeaseLost

    async def release(self) -> None:
        """Release the server, once no query of this worker runs there.

        The last renewal may have been cut off, or its answer lost, after it was written: then the release follows it.
        """
        self._until = float("-inf")
        while not await self._append(held=False):
            newest = await self._log.newest()
            if newest is None or orjson.loads(newest)["worker"] != self._worker:
                return

    async def _append(self, *, held: bool) -> bool:
        """Append an entry. The lease counts from when it was first asked for, since it may have been there since."""
        number = self._log.last + 1
        if self._asked is None or self._asked[0] != number:
            self._asked = number, self._clock.now()
        entry = {**self._said, "held": held}
        if not await self._log.append(orjson.dumps(entry)):
            return False
        self._newest = entry
        self._until = self._asked[1] + self._length_s * SENDS if held else float("-inf")
        return True


class Journal:
    """Claims and results of one run on one server, written by one holder of the server's lease after the other."""

    def __init__(self, store: Store, folder: str, worker: str, clock: Clock, lease: Lease) -> None:
        self._store, self._folder = store, folder
        self._log = Log(store, folder)
        self._worker = worker.encode()
        self._clock = clock
        self._lease = lease

    async def open(self) -> list[bytes]:
        """Return all entries so far. No earlier holder can add one after this. Raises ``LeaseLost`` as ``append`` does."""
        self._log = Log(self._store, self._folder)
        entries: list[bytes] = []
        while self._lease.ours:
            entries += map(content, await self._log.news())
            if await self._written(b""):
                return entries
        raise LeaseLost

    async def append(self, said: bytes) -> None:
        """Append an entry; raises ``LeaseLost`` where another worker opened the journal or the lease ended meanwhile."""
        if not await self._written(said):
            raise LeaseLost

    async def _written(self, said: bytes) -> bool:
        """Append an entry, again until the store answers clearly; False where another entry has its place."""
        body = b"%s %d\n%s" % (self._worker, self._log.last + 1, said)
        while True:
            try:
                return await self._log.append(body)
            except NoClearAnswer:
                if not self._lease.ours:
                    raise LeaseLost from None
            await self._clock.sleep(RETRY_S)


def content(entry: bytes) -> bytes:
    """Return what a journal's entry says, without its head, which names the writer; empty where a holder begins."""
    return entry.partition(b"\n")[2]
