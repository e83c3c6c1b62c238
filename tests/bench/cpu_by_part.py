"""CPU time of a process by part of the program, from samples of its main thread at random moments.

Why not a timer on CPU time: the kernel checks those timers only at its ticks, 4 ms apart, and this project's work
every 10 and 20 ms stays in step with the ticks. Which part was sampled then depended on chance. Exponential intervals
stay in step with nothing (Wolff 1982, "Poisson arrivals see time averages").

Outside ``select`` the thread runs, so a part's share of the samples is its share of time and of CPU. Samples cannot
tell how long ``select`` works and how long it sleeps, so it gets the rest of the thread's CPU. A sample counts for the
innermost frame that belongs to a part. C code counts for its caller. Other threads get what the process used and the
main thread did not: here, the thread that writes the ledger. The cost of sampling is left out.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

APART_S = 0.003  # on average: a look takes 10 to 20 µs
HTTP, LEDGER, DECODE, READING = "HTTP", "ledger", "decoding", "reading the trace"
LOOP, REST, OTHER_THREADS = "event loop", "rest", "other threads"
WAITING = "select"
PACKAGE = "/uderia_bench/"
# Where a file's code belongs, the first that holds; the client decodes in functions of these names beside its HTTP.
PARTS = (
    (DECODE, (f"{PACKAGE}gateway/task_file", f"{PACKAGE}gateway/session_file")),
    (READING, (f"{PACKAGE}reading/",)),
    (LEDGER, (f"{PACKAGE}runs/ledger", f"{PACKAGE}runner/book", "/sqlite3/")),
    (
        HTTP,
        ("/aiohttp/", "/httpx/", "/yarl/", "/multidict/", f"{PACKAGE}gateway/", "/asyncio/selector_events"),
    ),
    (REST, (PACKAGE,)),
    (LOOP, ("/asyncio/", "/selectors.py")),
)
DECODERS = ("json", "_object", "_named")


def part_of(frame: FrameType | None) -> str:
    """Return the part of the program that a frame, or the nearest it was called from, belongs to."""
    while frame is not None:
        file, function = frame.f_code.co_filename, frame.f_code.co_name
        if function in DECODERS and f"{PACKAGE}gateway/" in file:
            return DECODE
        for part, places in PARTS:
            if any(place in file for place in places):
                return part
        frame = frame.f_back
    return REST


def cpu_s(moments: Mapping[str, int], *, wall_s: float, main_s: float) -> dict[str, float]:
    """Return the main thread's CPU by part, from how often each was met in ``wall_s`` and what the thread used in all."""
    each_s = wall_s / max(sum(moments.values()), 1)
    spent = {part: each_s * count for part, count in moments.items() if part != WAITING}
    spent[LOOP] = spent.get(LOOP, 0.0) + max(main_s - sum(spent.values()), 0.0)
    return spent


@contextmanager
def sampled(*, on: bool = True) -> Iterator[dict[str, float]]:
    """Yield a table that holds CPU seconds by part when the block has ended; it stays empty unless ``on``."""
    table: dict[str, float] = {}
    if not on:
        yield table
        return
    moments: Counter[str] = Counter()
    looking_s = 0.0

    def look(_: int, frame: FrameType | None) -> None:
        nonlocal looking_s
        begun_s = time.thread_time()
        moments[WAITING if frame is not None and frame.f_code.co_filename.endswith("/selectors.py") else part_of(frame)] += 1
        signal.setitimer(signal.ITIMER_REAL, random.expovariate(1 / APART_S))
        looking_s += time.thread_time() - begun_s

    before = signal.signal(signal.SIGALRM, look)
    wall_s, main_s, all_s = time.perf_counter(), time.thread_time(), time.process_time()
    signal.setitimer(signal.ITIMER_REAL, APART_S)
    try:
        yield table
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        wall_s, main_s, all_s = time.perf_counter() - wall_s, time.thread_time() - main_s, time.process_time() - all_s
        signal.signal(signal.SIGALRM, before)
        table |= cpu_s(moments, wall_s=wall_s, main_s=main_s - looking_s)
        table[OTHER_THREADS] = all_s - main_s
