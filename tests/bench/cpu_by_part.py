"""Where a process's CPU goes, by part of the program: a sampler on the CPU clock, cheap enough to run beside a benchmark.

The timer fires on CPU time used, not on time passed. A sample gives what the main thread has used since the last one to the
part of the program it is in: that of its innermost frame that belongs to one. C code counts where it is called from. Other
threads are what the process used and the main thread did not: here the one that keeps the ledger.
"""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERVAL_S = 0.001  # a kernel may fire less often, which a sample's weight takes into account
HTTP, LEDGER, DECODE, READING = "HTTP", "ledger", "decoding", "reading the trace"
LOOP, REST, OTHER_THREADS = "event loop", "rest", "other threads"
PACKAGE = "/uderia_bench/"
# Where a file's code belongs, the first that holds; the client decodes in functions of these names beside its HTTP.
PARTS = (
    (DECODE, (f"{PACKAGE}gateway/task_file", f"{PACKAGE}gateway/session_file")),
    (READING, (f"{PACKAGE}profile_types/",)),
    (LEDGER, (f"{PACKAGE}ledger", f"{PACKAGE}bookkeeping", "/sqlite3/")),
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


@contextmanager
def sampled(*, on: bool = True) -> Iterator[dict[str, float]]:
    """Yield a table that holds CPU seconds by part when the block has ended; it stays empty unless ``on``."""
    table: dict[str, float] = {}
    if not on:
        yield table
        return
    spent: defaultdict[str, float] = defaultdict(float)
    main_s, all_s = time.thread_time(), time.process_time()
    last_s = main_s

    def sample(_: int, frame: FrameType | None) -> None:
        nonlocal last_s
        now_s = time.thread_time()
        spent[part_of(frame)] += now_s - last_s
        last_s = now_s

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
    try:
        yield table
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        table |= spent
        table[OTHER_THREADS] = (time.process_time() - all_s) - (time.thread_time() - main_s)
