"""Benchmark smoke for CI: fail when ``derive`` or ``analyse`` slows down threefold.

A machine in CI is slow one day and fast the next, so no time is compared with a clock. Each round measures a fixed
reference computation and the two functions, and what counts is the ratio of the best of five rounds. The reference
uses what the two use: Python objects, orjson, zstd, numpy and polars. ``make smoke`` gives each library one thread.

When a change makes one of them slower or faster on purpose, run ``make smoke`` on a quiet machine and set ``USUAL`` to
the printed ratios.
"""

from __future__ import annotations

import gc
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import zstandard
from bench import derive as derive_bench
from bench import intervals

from uderia_bench.analysis.analyse import analyse
from uderia_bench.reading import derive
from uderia_bench.runs import directory

TRIALS, QUERIES, ROUNDS = 500, 50, 5
LIMIT = 2.5  # times the usual ratio: a threefold slow-down fails, and the 5 % of a busy machine do not
USUAL = {"derive": 4.2, "analyse": 2.3}
"""CPU time of each function as a multiple of the reference: the medians of five runs on Linux x86-64 with Python 3.11.

The runs of 2026-11-30 gave 3.97 to 4.44 and 2.22 to 2.40, on two cores that were also used by other processes.
"""


def reference() -> None:
    """Do a fixed amount of the kinds of work that the two functions do."""
    rows = [{"id": f"row-{n}", "name": f"table_{n % 50}", "count": n, "tags": ["a", "b"]} for n in range(2_000)]
    for _ in range(30):
        read = orjson.loads(zstandard.decompress(zstandard.compress(orjson.dumps(rows), 3)))
        for _ in range(6):
            totals: dict[str, int] = {}
            for row in read:
                totals[row["name"]] = totals.get(row["name"], 0) + row["count"] + len(row["tags"])
    rng = np.random.default_rng(1)
    values = rng.normal(size=(1_000, 500))
    for _ in range(3):
        np.sort(rng.permuted(values, axis=1), axis=1).mean(axis=0)
        values[:500] @ values.T
    frame = pl.DataFrame({"key": np.arange(200_000) % 997, "value": values.ravel()[:200_000]})
    for _ in range(3):
        frame.group_by("key").agg(middle=pl.col("value").median(), spread=pl.col("value").std()).sort("key")


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU time of this process that some work takes, without garbage that earlier work left."""
    gc.collect()
    gc.freeze()  # objects that earlier work keeps would make every collection slower
    began = time.process_time()
    work()
    took = time.process_time() - began
    gc.unfreeze()
    return took


def ratios(works: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the CPU time of each work as a multiple of the reference, each the best of some interleaved rounds."""
    best = dict.fromkeys(("reference", *works), float("inf"))
    for _ in range(rounds):
        for name, work in {"reference": reference, **works}.items():
            best[name] = min(best[name], cpu_s(work))
    return {name: best[name] / best["reference"] for name in works}


def too_slow(measured: dict[str, float]) -> list[str]:
    """Return an error for each ratio over the limit."""
    return [
        f"{name} takes {ratio / USUAL[name]:.1f} times its usual CPU time (limit: {LIMIT:g} times). Find what slowed it down,"
        " or set USUAL in tests/bench/smoke.py when the change is on purpose."
        for name, ratio in measured.items()
        if ratio > LIMIT * USUAL[name]
    ]


def works(folder: Path) -> dict[str, Callable[[], Any]]:
    """Build a run and a frame of trials, and return the two works on them."""
    run = directory.create(folder, "smoke")
    derive_bench.build(run, TRIALS)
    frame, definitions = intervals.trials(QUERIES), intervals.definitions()
    seeds = itertools.count(1)  # an analysis with a known seed reuses its resamples
    return {
        "derive": lambda: derive.run(run, derive.Reading(), processes=1),  # CPU time of others would not count
        "analyse": lambda: analyse(
            frame, metrics=definitions, contrasts=(intervals.ARMS,), margins={"m00": 0.1}, seed=next(seeds)
        ),
    }


def main() -> int:
    """Measure both, print the ratios, and return 1 when one is over its limit."""
    with tempfile.TemporaryDirectory() as folder:
        measured = ratios(works(Path(folder)))
    for name, ratio in measured.items():
        print(f"{name}: {ratio:.2f} times the reference (usual {USUAL[name]:.2f})")
    broken = too_slow(measured)
    print(*broken, sep="\n", end="\n" if broken else "")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
