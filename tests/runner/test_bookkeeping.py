"""What the book of a sitting promises: it answers as the ledger does, and remembers nothing of what is settled for good."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from benches import AtOnce
from hypothesis import given, settings
from hypothesis import strategies as st
from records import ARM, record, trial

from uderia_bench.errors import StoreError
from uderia_bench.runner import bookkeeping
from uderia_bench.runner.bookkeeping import Bookkeeper
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Ending

TRIALS = 3
STEPS = st.lists(
    st.tuples(
        st.integers(0, TRIALS - 1),
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
def test_a_live_book_says_what_a_reopened_one_would(steps):
    """Of every trial that may be asked again: how often it was asked, and whether its query may be on the server."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with Ledger.create(path, [trial(n) for n in range(TRIALS)], {"OPTIM": ARM}) as ledger:
            book = Bookkeeper(ledger, AtOnce(ledger))

            async def go() -> None:
                for seq, step, ending, task_id, sent_at, attempts in steps:
                    left = record(seq, ending=ending, task_id=task_id, sent_at=sent_at, attempts=attempts)
                    await getattr(book, step)(left)

            anyio.run(go, backend="trio")
            for again in ledger.unsettled():
                reopened = Bookkeeper(ledger, AtOnce(ledger))
                assert book.attempts(again.trial_id) == reopened.attempts(again.trial_id)
                assert book.pending(again.trial_id) == reopened.pending(again.trial_id)


@pytest.mark.anyio
async def test_nothing_is_remembered_of_what_is_settled_for_good(tmp_path):
    """A long run's memory stays flat."""
    with Ledger.create(tmp_path / "ledger.sqlite", [trial(0)], {"OPTIM": ARM}) as ledger:
        book = Bookkeeper(ledger, AtOnce(ledger))
        await book.mark_sending(record())
        await book.mark_asked(record())
        assert (book.attempts("t0"), book.pending("t0").task_id) == (2, "task-1")
        await book.settle(record())
        assert (book.attempts("t0"), book.pending("t0")) == (0, None)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_opened_book_is_committed_when_it_closes(tmp_path):
    """And one that cannot be says so as it closes."""
    path = tmp_path / "ledger.sqlite"
    with Ledger.create(path, [trial(0)], {"OPTIM": ARM}) as ledger:

        async def settle_and(then) -> None:
            async with bookkeeping.opened(ledger) as book:
                await book.settle(record())
                then()

        await settle_and(lambda: None)
        assert list(ledger.records()) == [record()]
        with pytest.raises(StoreError, match="removed"):
            await settle_and(path.unlink)
