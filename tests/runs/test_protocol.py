"""The protocol of shared runs, step by step: what a lost answer, a silence and a late holder do."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest

from uderia_bench.runs.protocol import LENGTH_S, SENDS, Journal, Lease, LeaseLost, Log, NoClearAnswer

pytestmark = pytest.mark.anyio


class Store:
    """Objects in memory. ``lose`` answers are lost after their effect."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.lose = 0

    async def create(self, name, body):
        """Create an object."""
        made = self.objects.setdefault(name, body) is body
        if self.lose:
            self.lose -= 1
            raise NoClearAnswer
        return made

    async def read(self, names):
        """Return objects."""
        return [self.objects[name] for name in names]

    async def names(self, folder, after):
        """Return the names in a folder."""
        return sorted(name for name in self.objects if name.startswith(f"{folder}/") and name > after)


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self):
        """Return seconds."""
        return self.time

    async def sleep(self, seconds):
        """Move on."""
        self.time += seconds


class Bench:
    """One server's lease and journal, as several workers see them."""

    def __init__(self) -> None:
        self.store = Store()
        self.clock = Hands()

    def lease(self, worker, run="r", timeout_s=600.0):
        """Return one worker's view of the lease."""
        return Lease(self.store, "lease", self.clock, worker=worker, run=run, timeout_s=timeout_s)

    def journal(self, worker, lease):
        """Return one worker's view of the journal."""
        return Journal(self.store, "journal", worker, self.clock, lease)


async def test_a_server_is_held_until_it_is_released():
    """The second one learns who holds it, and takes it once it is free."""
    bench = Bench()
    one, other = bench.lease("one"), bench.lease("other")
    assert await one.take()
    assert not await other.take()
    assert other.holder == "one"
    await one.release()
    assert not one.ours
    assert await other.take()
    assert other.ours


@pytest.mark.parametrize("lost", [True, False], ids=["answer lost", "cut off"])
async def test_a_release_follows_a_renewal_that_was_written_unseen(monkeypatch, lost):
    """Without it another run waits until the trials of a worker that has ended could no longer run: ten minutes."""
    bench = Bench()
    one, other = bench.lease("one"), bench.lease("other", run="another")
    assert await one.take()
    create = bench.store.create

    async def written(name, body):
        await create(name, body)
        if lost:
            raise NoClearAnswer
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope, monkeypatch.context() as patch, suppress(NoClearAnswer):
        patch.setattr(bench.store, "create", written)
        await one.renew()
    await one.release()
    assert await other.take()


async def test_a_release_leaves_the_server_to_another_worker():
    """The lease had ended, and somebody else has taken the server."""
    bench = Bench()
    one, other = bench.lease("one"), bench.lease("other")
    assert await one.take()
    assert not await other.take()
    bench.clock.time += LENGTH_S
    assert await other.take()
    await one.release()
    assert not await bench.lease("third").take()
    await other.renew()


async def test_a_silent_lease_ends_earlier_for_its_holder_than_for_others():
    """The holder stops sending at two thirds of the length, others take over after the whole length of silence."""
    bench = Bench()
    one, other = bench.lease("one"), bench.lease("other")
    assert await one.take()
    assert not await other.take()
    bench.clock.time += LENGTH_S * SENDS
    assert not one.ours
    assert not await other.take()
    bench.clock.time += LENGTH_S * (1 - SENDS)
    assert await other.take()
    with pytest.raises(LeaseLost):
        await one.renew()


async def test_another_run_waits_for_the_queries_that_may_still_run():
    """It cannot look into the sessions of the run that held the server, so it waits for a trial's timeout too."""
    bench = Bench()
    other = bench.lease("other", run="another")
    assert await bench.lease("one", timeout_s=30.0).take()
    assert not await other.take()
    bench.clock.time += LENGTH_S
    assert not await other.take()
    bench.clock.time += 30.0
    assert await other.take()


async def test_a_lease_counts_from_the_first_try_of_its_entry():
    """The entry may be there since the first try, whose answer was lost: others count from there."""
    bench = Bench()
    one = bench.lease("one")
    assert await one.take()
    bench.store.lose = 1
    with pytest.raises(NoClearAnswer):
        await one.renew()
    bench.clock.time += LENGTH_S / 2
    await one.renew()
    bench.clock.time += LENGTH_S * SENDS - LENGTH_S / 2
    assert not one.ours


async def test_a_new_holder_reads_every_claim_and_the_earlier_one_can_add_none():
    """Also where the answer to the opening was lost, and where the earlier holder wakes up much later."""
    bench = Bench()
    one = bench.lease("one")
    assert await one.take()
    journal = bench.journal("one", one)
    assert await journal.open() == []
    await journal.append(b"claim")
    bench.clock.time += LENGTH_S
    other = bench.lease("other")
    assert not await other.take()
    bench.clock.time += LENGTH_S
    assert await other.take()
    bench.store.lose = 1
    after = bench.journal("other", other)
    assert await after.open() == [b"", b"claim"]
    with pytest.raises(LeaseLost):
        await journal.append(b"result")
    await after.append(b"result of the new holder")
    assert await bench.journal("other", other).open() == [b"", b"claim", b"", b"result of the new holder"]


async def test_a_log_with_a_gap_is_read_up_to_it():
    """A list that lacks an entry must not hide that there is one more to come."""
    bench = Bench()
    bench.store.objects = {"journal/000000001": b"a", "journal/000000003": b"c"}
    log = Log(bench.store, "journal")
    assert await log.news() == [b"a"]
    assert log.last == 1
    assert await log.newest() == b"c"
    assert log.last == 3
