"""Frames of a sweep: a closed loop against a server of so many workers, simulated trial by trial, so that its knee is known."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

BEGUN = datetime(2026, 11, 24, 10, tzinfo=UTC)
LEVELS = (1, 2, 4, 8, 16, 32)


def swept(
    workers, *, levels=LEVELS, queries=12, repeats=2, seed=0, noise=0.1, fails=lambda _level, _arm, _query: False, **columns
):
    """Ask every query on every arm at every level; ``workers`` maps arms to what the server can do at a time.

    A trial takes two seconds, give or take the query and ``noise``, once a worker has it. Arms take turns of a level each.
    ``columns`` are functions of level, arm and query.
    """
    rng = np.random.default_rng(seed)
    own = {query: 2.0 * float(np.exp(rng.normal(0, 0.2))) for query in range(queries)}
    rows, clock = [], 0.0
    for place, level in enumerate(levels):
        for arm, capacity in workers.items():
            asked = [(query, repeat) for repeat in range(1, repeats + 1) for query in range(queries)]
            slots, busy = [clock] * level, [clock] * capacity
            for query, repeat in asked:
                sent = heapq.heappop(slots)
                begins = max(sent, heapq.heappop(busy))
                done = begins + own[query] * float(np.exp(rng.normal(0, noise)))
                heapq.heappush(busy, done)
                heapq.heappush(slots, done)
                failed = fails(level, arm, query)
                rows.append(
                    {
                        "query_id": f"q{query:02}",
                        "arm": arm,
                        "repeat": place * repeats + repeat,
                        "level": float(level),
                        "outcome": "timed_out" if failed else "answered",
                        "latency_s": None if failed else done - sent,
                        "sent_at": BEGUN + timedelta(seconds=sent),
                        "done_at": BEGUN + timedelta(seconds=done),
                        **{name: of(level, arm, query) for name, of in columns.items()},
                    }
                )
            clock = max(slots) + 5.0  # between two turns nothing is in flight
    return pl.DataFrame(rows, infer_schema_length=None)
