"""This project's client in a separate process: one sitting of a run, and its measurements as JSON.

The sitting is what ``uderia-bench run`` does between its plan and its derivation: signing in, ledger, trials, the last
commit. CPU is that of the whole process meanwhile, threads included. A small sitting before it pays for the imports.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import clients, cpu_by_part, machine, server
from rich.console import Console

from uderia_bench.documents import experiment
from uderia_bench.documents.corpus import Corpus, Query
from uderia_bench.documents.yaml.document import Document
from uderia_bench.reading import metrics, profile_types
from uderia_bench.runner import plan, sitting
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import directory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import TrialRecord

SURROUNDINGS = Surroundings(
    environ={"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}, console=Console(file=io.StringIO())
)
_TIMES = tuple(metric for metric in metrics.BUILT_IN if metric.family == "time")


def main() -> None:
    """Ask, and print one line of JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("url")
    options.add_argument("trials", type=int)
    options.add_argument("--load", type=json.loads, default={}, help="the experiment's load, as JSON")
    options.add_argument("--also", type=json.loads, default={}, help="other fields of the experiment, as JSON")
    options.add_argument("--by-part", action="store_true", help="say where the CPU goes")
    asked = options.parse_args()
    machine.take(machine.client_core())
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        _sit(output, "warm-up", asked.url, trials=clients.WARM_UP, load={}, also={})
        gc.collect()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        with cpu_by_part.sampled(on=asked.by_part) as parts:
            run = _sit(output, "run", asked.url, trials=asked.trials, load=asked.load, also=asked.also)
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        with Ledger.open(run.ledger) as ledger:
            trials = [_seen(record) for record in ledger.records()]
        told = {"wall_s": wall_s, "cpu_s": cpu_s, "trials": trials, "parts": parts, "manifest": run.read_manifest()}
    sys.stdout.write(json.dumps(told, default=str) + "\n")


def _sit(
    output: Path, run_id: str, url: str, *, trials: int, load: dict[str, Any], also: dict[str, Any]
) -> directory.RunDirectory:
    """Ask ``trials`` questions of one arm, each once."""
    said = {
        "version": 1,
        "name": run_id,
        "server": url,
        "arms": [{"name": server.PROFILE, "profile": server.PROFILE}],
        "warmup": 0,
        "repeats": 1,
        "load": load,
        **also,
    }
    queries = tuple(Query(id=f"q{number:05}", prompt=server.PROMPT, turns=(server.PROMPT,)) for number in range(trials))
    made = experiment.parse(Document.of(said, file=run_id), (Corpus(name="bench", queries=queries),))
    run = directory.create(output, run_id)
    sitting.first(made, plan.build(made, made.queries), run, SURROUNDINGS, datetime.now(UTC))
    return run


def _seen(record: TrialRecord) -> dict[str, Any]:
    """Return a trial as the record and the metrics of time have it."""
    trace = profile_types.read(record)
    return {
        "task_id": record.task_id,
        "due_s": record.due_s,
        "sent_s": record.sent_s,
        "seen_s": record.seen_hi_s,
        "ending": record.ending.value,
        **{metric.name: metric.read(trace) for metric in _TIMES},
    }


if __name__ == "__main__":
    main()
