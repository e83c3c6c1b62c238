"""Stalls of the event loop by the ledger: 10,000 trials of 45 KB at 250/s, written on the loop and in a thread.

A stall is how much too long a sleep of 1 ms took. A mark is what the sending of a query waits for. A first pass
without any write shows the machine's own stalls.
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Never

import anyio
import anyio.to_thread
import orjson

from uderia_bench.runner.book import Book, open_book
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry
from uderia_bench.trial import Ending, Serving, Stage, Trial, TrialRecord

TRIALS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
RATE = 250.0  # a second: as many as the gateway sends without queueing on itself
TICK_S = 0.001
ARM = Serving(server="http://s", profile_id="p", profile_tag="OPTIM", profile_type="tool_enabled")


class Nowhere:
    """A ledger that discards every write."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def write(self, entry: Entry) -> None:
        """Forget the entry."""

    async def keep(self) -> Never:
        """Have no trouble."""
        await anyio.sleep_forever()
        raise AssertionError


class OnTheLoop(Nowhere):
    """Commits every entry on the event loop, and syncs there once a second in a thread of the pool, as it was done before."""

    async def write(self, entry: Entry) -> None:
        """Commit."""
        self._ledger.write([entry])

    async def keep(self) -> Never:
        """Sync."""
        while True:
            await anyio.sleep(1.0)
            await anyio.to_thread.run_sync(self._ledger.sync)


def main() -> None:
    """Print a line a way of writing."""
    ways: dict[str, Callable[[Ledger], AbstractAsyncContextManager[Book]]] = {
        "nothing written": _with(Nowhere),
        "on the event loop": _with(OnTheLoop),
        "in a thread": open_book,
    }
    body = _body()
    print(f"{TRIALS} trials of {len(body) / 1000:.0f} KB at {RATE:g}/s, times in ms")
    print(
        f"{'':18} {'loop CPU/trial':>15}"
        + "".join(f"{name:>10}" for name in ("stall p99", "worst", "mark p50", "p99", "worst"))
    )
    for name, opened in ways.items():
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            plan = [_trial(number) for number in range(TRIALS)]
            with Ledger.create(Path(folder) / "ledger.sqlite", plan, {"OPTIM": ARM}) as ledger:
                gc.collect()
                gc.freeze()
                cpu_ms, stalls, marks = anyio.run(_write_all, ledger, opened, plan, body)
        tails = (_p99(stalls), max(stalls), statistics.median(marks), _p99(marks), max(marks))
        print(f"{name:18} {cpu_ms:15.3f}" + "".join(f"{figure:10.2f}" for figure in tails))


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[-1]


def _with(kind: type[Nowhere]) -> Callable[[Ledger], AbstractAsyncContextManager[Book]]:
    @asynccontextmanager
    async def opened(ledger: Ledger) -> AsyncGenerator[Book]:
        yield Book(ledger, kind(ledger))

    return opened


async def _write_all(
    ledger: Ledger, opened: Callable[[Ledger], AbstractAsyncContextManager[Book]], plan: list[Trial], body: bytes
) -> tuple[float, list[float], list[float]]:
    """Take every trial through its three commits; return CPU per trial, stalls and waits for a mark, in ms."""
    stalls: list[float] = []
    marks: list[float] = []

    async def tick() -> None:
        while True:
            began_s = time.perf_counter()
            await anyio.sleep(TICK_S)
            stalls.append((time.perf_counter() - began_s - TICK_S) * 1000)

    async def one(book: Book, trial: Trial) -> None:
        now = datetime.now(UTC)
        book.attempts(trial.trial_id)
        book.pending(trial.trial_id)
        record = TrialRecord(
            trial=trial, expected=ARM, ending=Ending.CANCELLED, detail=None, session_id="s", sent_s=1.0, sent_at=now, due_s=1.0
        )
        began_s = time.perf_counter()
        await book.mark_sending(record)
        marks.append((time.perf_counter() - began_s) * 1000)
        record = replace(record, task_id=trial.trial_id, accepted_s=1.0, accepted_at=now)
        await anyio.sleep(0.05)
        await book.mark_asked(record)
        await anyio.sleep(1.0)
        await book.settle(replace(record, ending=Ending.SETTLED, task=body, session=body[: len(body) // 2]))

    async with opened(ledger) as book, anyio.create_task_group() as around:
        around.start_soon(book.keep)
        around.start_soon(tick)
        began_s, cpu_s = anyio.current_time(), time.thread_time()
        async with anyio.create_task_group() as group:
            for number, trial in enumerate(plan):
                await anyio.sleep_until(began_s + number / RATE)
                group.start_soon(one, book, trial)
        cpu_ms = (time.thread_time() - cpu_s) * 1000 / len(plan)
        around.cancel_scope.cancel()
    return cpu_ms, stalls, marks


def _trial(number: int) -> Trial:
    return Trial(
        trial_id=f"OPTIM-q{number:05}-r1",
        seq=number,
        block=number,
        window=0,
        stage=Stage.MEASURED,
        query_id=f"q{number:05}",
        prompt="which tables are in the sales database?",
        complexity=None,
        tags=(),
        arm="OPTIM",
        repeat=1,
    )


def _body() -> bytes:
    """Return 45 KB of JSON that compresses about as well as a task: few kinds of events with varying words and numbers."""
    rng = random.Random(7)
    words = ["phase", "tool", "call", "token", "plan", "result", "database", "table", "column", "answer"]
    events = [
        {
            "event_type": rng.choice(words),
            "timestamp": 1.7e9 + rng.random(),
            "event_data": {"details": " ".join(rng.choices(words, k=20)), "input_tokens": rng.randrange(9999)},
        }
        for _ in range(190)
    ]
    return orjson.dumps({"task_id": "task-1", "status": "complete", "events": events})


if __name__ == "__main__":
    main()
