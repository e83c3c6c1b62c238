"""A long run, seen from outside of its clock: memory and open files after 2,000 of 20,000 trials, and at the end.

One sitting of a run, as ``uderia-bench run`` has it between plan and derivation; the embedded server is another process. Fails
where memory has moved by more than ``ALLOWED_MB``.
"""

from __future__ import annotations

import io
import os
import sqlite3
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import figures
from bench.figures import Figure
from rich.console import Console

from uderia_bench.documents import experiment
from uderia_bench.documents.corpus import Corpus, Query
from uderia_bench.documents.yaml.document import Document
from uderia_bench.gateway import embedded
from uderia_bench.runner import plan, sitting
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import directory

TRIALS = 20_000
EARLY = 2_000  # trials after which everything that is made once has been made
ALLOWED_MB = 20.0  # the aim: noise of the allocator, and no trial kept
CONCURRENCY = 64
SPEED = 200.0
SAMPLE_S = 0.5
_MB = 2**20


def main() -> int:
    """Tell what was seen; 1 where memory grew."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    with tempfile.TemporaryDirectory() as folder, embedded.serve(seed=7, speed=SPEED) as url:
        queries = tuple(Query(id=f"q{n:05}", prompt=f"question {n}", turns=(f"question {n}",)) for n in range(trials))
        said = {"version": 1, "name": "soak", "server": url, "arms": [{"name": "IDEAT", "profile": "IDEAT"}], "warmup": 0}
        document = Document.of({**said, "repeats": 1, "load": {"concurrency": CONCURRENCY}}, file="soak")
        made = experiment.parse(document, (Corpus(name="soak", queries=queries),))
        run = directory.create(Path(folder), "soak")
        around = Surroundings(
            environ={"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}, console=Console(file=io.StringIO())
        )
        samples: list[tuple[int, float, int]] = []
        over = threading.Event()
        sampler = threading.Thread(target=_sample, args=(run.ledger, samples, over))
        sampler.start()
        began_s = time.monotonic()
        try:
            sitting.first(made, plan.build(made, made.queries), run, around, datetime.now(UTC))
        finally:
            over.set()
            sampler.join()
        took_s = time.monotonic() - began_s
    early = next(sample for sample in samples if sample[0] >= EARLY)
    last = samples[-1]
    for settled, mb, files in (early, *samples[:: max(len(samples) // 10, 1)], last):
        print(f"after {settled:6} trials {mb:7.1f} MB, {files:4} open files")
    grown_mb = last[1] - early[1]
    conditions = (
        f"{trials:,} trials in {took_s:.0f} s, {CONCURRENCY} in flight; {last[1]:.1f} MB at the end, {last[2]} open files"
    )
    told = Figure(
        name=f"memory, grown since trial {early[0]:,}",
        value=grown_mb,
        unit="MB",
        asked=f"± {ALLOWED_MB:g} MB",
        conditions=conditions,
    )
    figures.tell("soak", [told])
    return abs(grown_mb) > ALLOWED_MB


def _sample(ledger: Path, samples: list[tuple[int, float, int]], over: threading.Event) -> None:
    """Look at trials settled, resident memory and open files now and then, until the run is over."""
    while not over.wait(SAMPLE_S):
        if not ledger.exists():
            continue
        database = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
        try:
            settled = database.execute("SELECT COUNT(*) FROM payloads").fetchone()[0]
        except sqlite3.OperationalError:  # it has no tables yet
            continue
        finally:
            database.close()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        samples.append((settled, pages * os.sysconf("SC_PAGE_SIZE") / _MB, sum(1 for _ in Path("/proc/self/fd").iterdir())))


if __name__ == "__main__":
    sys.exit(main())
