"""The book of a run: what is committed, in which order, and what remains after an error."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from benches import AtOnce
from hypothesis import given, settings
from hypothesis import strategies as st
from records import ARM, record, trial

from uderia_bench.errors import StoreError
from uderia_bench.runner import book as book_module
from uderia_bench.runner.book import ENDS_A_COMMIT, Book, LedgerThread, open_book
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry, State
from uderia_bench.trial import Ending

pytestmark = pytest.mark.anyio
TRIALS = 3 * ENDS_A_COMMIT


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    """Run on real clocks: one that jumps would not wait for a thread."""
    return request.param


@pytest.fixture
def path(tmp_path):
    """Return the file of a ledger of planned trials."""
    file = tmp_path / "ledger.sqlite"
    Ledger.create(file, [trial(n) for n in range(TRIALS)], {"OPTIM": ARM}).close()
    return file


def end(seq: int) -> Entry:
    """Return the entry of an answered trial."""
    return Entry(state=State.SETTLED, record=record(seq))


def mark(seq: int) -> Entry:
    """Return the entry of an accepted query."""
    return Entry(state=State.ASKED, record=record(seq, task=None, session=None))


def committed(path) -> dict[str, str]:
    """Return the state of every trial, as another process would read it."""
    with closing(sqlite3.connect(path)) as database:
        return dict(database.execute("SELECT trial_id, state FROM trials WHERE state != 'planned'"))


class Held:
    """Stands before ``Ledger.write``: lets the first commit wait for ``go``, and keeps what came after as groups."""

    def __init__(self, monkeypatch) -> None:
        self.groups, self.begun, self.go = [], threading.Event(), threading.Event()
        real = Ledger.write

        def write(ledger, entries):
            if not self.begun.is_set():
                self.begun.set()
                assert self.go.wait(5)
            else:
                self.groups.append([entry.state for entry in entries])
            real(ledger, entries)

        monkeypatch.setattr(Ledger, "write", write)


async def test_an_entry_is_committed_when_write_returns(path):
    """Another connection reads the entry as soon as ``write`` returns."""
    thread = LedgerThread(path)
    async with anyio.create_task_group() as group:

        async def one(seq: int) -> None:
            await thread.write(mark(seq))
            assert committed(path)[f"t{seq}"] == "asked"
            await thread.write(end(seq))
            assert committed(path)[f"t{seq}"] == "settled"

        for seq in range(TRIALS):
            group.start_soon(one, seq)
    await thread.close()
    with Ledger.open(path) as ledger:
        assert list(ledger.records()) == [record(seq) for seq in range(TRIALS)]


async def test_queued_marks_share_the_next_commit_with_few_ends(path, monkeypatch):
    """A query that is about to be sent waits for no more than a few bodies."""
    held = Held(monkeypatch)
    thread = LedgerThread(path)
    async with anyio.create_task_group() as group:
        group.start_soon(thread.write, mark(0))
        await anyio.to_thread.run_sync(held.begun.wait)
        for seq in range(1, TRIALS - 1):
            group.start_soon(thread.write, end(seq))
        group.start_soon(thread.write, mark(TRIALS - 1))
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    await thread.close()
    assert held.groups[0] == [State.ASKED] + [State.SETTLED] * ENDS_A_COMMIT
    assert [len(ends) for ends in held.groups[1:]] == [ENDS_A_COMMIT, ENDS_A_COMMIT - 2]
    assert {state for ends in held.groups[1:] for state in ends} == {State.SETTLED}


async def test_ends_are_committed_during_a_stream_of_marks(path, monkeypatch):
    """In an open loop marks arrive all the time, and ends hold slots and memory until they are committed."""
    monkeypatch.setattr(book_module, "COMMIT_EVERY_S", 0.001)
    thread = LedgerThread(path)
    settled, under_way = anyio.Event(), anyio.Event()
    marks = 0

    async def arrivals() -> None:
        nonlocal marks
        while not settled.is_set():
            async with anyio.create_task_group() as two:  # so that one is always waiting
                for _ in range(2):
                    two.start_soon(thread.write, mark(marks % TRIALS))
                    marks += 1
            if marks >= TRIALS:
                under_way.set()

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(arrivals)
        await under_way.wait()
        with anyio.fail_after(60):
            begun = marks
            await thread.write(end(0))
            waited = marks - begun
        settled.set()
    await thread.close()
    assert waited < 4 * TRIALS


async def test_a_cancelled_writer_still_waits_for_its_commit(path, monkeypatch):
    """A cancelled trial reads its own last entry."""
    held = Held(monkeypatch)
    thread = LedgerThread(path)

    async def stopped() -> None:
        with anyio.CancelScope() as scope:
            group.start_soon(cancel, scope)
            await thread.write(mark(0))
            assert committed(path) == {"t0": "asked"}
            await anyio.sleep(5)
            raise AssertionError("nobody cancelled")

    async def cancel(scope: anyio.CancelScope) -> None:
        scope.cancel()
        held.go.set()

    async with anyio.create_task_group() as group:
        group.start_soon(stopped)
    await thread.close()


async def test_an_error_reaches_every_caller_and_rolls_the_commit_back(path, monkeypatch):
    """When a commit fails, waiting callers, later callers and ``keep`` raise, and nothing of the commit remains."""
    held = Held(monkeypatch)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO payloads VALUES ('another', 0, 0, x'')")
        database.execute("CREATE UNIQUE INDEX one_row ON payloads ((1))")  # from now on the INSERT of a body fails
    thread = LedgerThread(path)
    heard = []

    async def one(entry: Entry) -> None:
        with pytest.raises(StoreError, match="UNIQUE constraint failed") as error:
            await thread.write(entry)
        heard.append(error.value)

    async with anyio.create_task_group() as group:
        group.start_soon(thread.write, mark(0))
        await anyio.to_thread.run_sync(held.begun.wait)
        for seq in (1, 2):
            group.start_soon(one, end(seq))
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    await one(mark(3))
    with pytest.raises(StoreError, match="UNIQUE constraint failed"):
        await thread.keep()
    with pytest.raises(StoreError, match="UNIQUE constraint failed"):
        await thread.close()
    assert len(heard) == 3
    assert committed(path) == {"t0": "asked"}


async def test_a_removed_ledger_is_noticed_without_a_write(path, monkeypatch):
    """SQLite would continue to write to the removed file."""
    monkeypatch.setattr(book_module, "SYNC_EVERY_S", 0.01)
    thread = LedgerThread(path)
    await thread.write(mark(0))
    path.unlink()
    with anyio.fail_after(60), pytest.raises(StoreError, match="removed while the run went on"):
        await thread.keep()


async def test_a_write_after_the_end_fails(path):
    """A write after the end raises an error instead of waiting for ever."""
    thread = LedgerThread(path)
    await thread.close()
    with pytest.raises(StoreError, match="closed during the run"):
        await thread.write(mark(0))
    assert committed(path) == {}


async def test_a_file_that_is_not_a_ledger_raises_store_error(tmp_path):
    """The thread opens the file itself."""
    thread = LedgerThread(tmp_path / "none.sqlite")
    with pytest.raises(StoreError, match="no ledger here"):
        await thread.write(mark(0))


FEW = 3
STEPS = st.lists(
    st.tuples(
        st.integers(0, FEW - 1),
        st.sampled_from(["mark_sending", "mark_asked", "settle"]),
        st.sampled_from(Ending),
        st.sampled_from(["task-1", None]),
        st.sampled_from([datetime(2026, 1, 2, tzinfo=UTC), None]),
        st.integers(1, 4),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_an_open_book_agrees_with_a_reopened_one(steps):
    """For every trial that may be asked again: how often it was asked, and whether its query may be on the server."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with Ledger.create(path, [trial(n) for n in range(FEW)], {"OPTIM": ARM}) as ledger:
            book = Book(ledger, AtOnce(ledger))

            async def go() -> None:
                for seq, step, ending, task_id, sent_at, attempts in steps:
                    left = record(seq, ending=ending, task_id=task_id, sent_at=sent_at, attempts=attempts)
                    await getattr(book, step)(left)

            anyio.run(go, backend="trio")
            for again in ledger.unsettled():
                reopened = Book(ledger, AtOnce(ledger))
                assert book.attempts(again.trial_id) == reopened.attempts(again.trial_id)
                assert book.pending(again.trial_id) == reopened.pending(again.trial_id)


async def test_a_trial_settled_for_good_is_forgotten(tmp_path):
    """The memory of a long run stays constant."""
    with Ledger.create(tmp_path / "ledger.sqlite", [trial(0)], {"OPTIM": ARM}) as ledger:
        book = Book(ledger, AtOnce(ledger))
        await book.mark_sending(record())
        await book.mark_asked(record())
        assert (book.attempts("t0"), book.pending("t0").task_id) == (2, "task-1")
        await book.settle(record())
        assert (book.attempts("t0"), book.pending("t0")) == (0, None)


async def test_an_opened_book_is_committed_when_it_closes(tmp_path):
    """Closing a book whose ledger was removed raises ``StoreError``."""
    path = tmp_path / "ledger.sqlite"
    with Ledger.create(path, [trial(0)], {"OPTIM": ARM}) as ledger:

        async def settle_and(then) -> None:
            async with open_book(ledger) as book:
                await book.settle(record())
                then()

        await settle_and(lambda: None)
        assert list(ledger.records()) == [record()]
        with pytest.raises(StoreError, match="removed"):
            await settle_and(path.unlink)
