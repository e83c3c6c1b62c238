"""How soon a resume asks: 10,000 settled trials in the ledger, one left; from the command's start to its first query."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
from ledgers import settle

from uderia_bench.documents import experiment
from uderia_bench.documents.corpus import Corpus, Query
from uderia_bench.documents.yaml.document import Document
from uderia_bench.gateway import embedded
from uderia_bench.runner import plan
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Ending, TrialRecord

QUERIES = 1_000
REPEATS = 10
BODY = orjson.dumps({"task_id": "task-1", "status": "complete", "events": [{"n": n, "text": "x" * 40} for n in range(300)]})


def main() -> None:
    """Print the seconds."""
    with tempfile.TemporaryDirectory() as folder, embedded.serve(seed=7, speed=200.0) as server:
        run = _interrupted(Path(folder), server)
        env = {**os.environ, "UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
        began = datetime.now(UTC)
        started_s = time.monotonic()
        # The run was cut short by a budget, and a budget is the whole run's.
        command = [sys.executable, "-m", "uderia_bench", "resume", str(run), "--set", f"budget.trials={2 * QUERIES * REPEATS}"]
        subprocess.run(command, env=env, capture_output=True, check=False, timeout=300)
        whole_s = time.monotonic() - started_s
        with Ledger.open(run / "ledger.sqlite") as ledger:
            *_, last = ledger.records()
        assert last.sent_at is not None
        assert last.sent_at > began, "the resume asked nothing"
        asks_s = (last.sent_at - began).total_seconds()
        print(f"resume of 10,000 settled trials: asks after {asks_s:.2f} s, {whole_s:.1f} s with report")


def _interrupted(folder: Path, server: str) -> Path:
    """Make a run with one trial left, without asking for the others."""
    corpus = folder / "corpus.yaml"
    corpus.write_text("version: 1\nqueries:\n" + "".join(f"  - {{id: q{n}, prompt: question {n}}}\n" for n in range(QUERIES)))
    data = {"version": 1, "name": "big", "server": server, "arms": [{"name": "IDEAT", "profile": "IDEAT"}], "repeats": REPEATS}
    file = folder / "experiment.yaml"
    file.write_text(json.dumps({**data, "corpus": "corpus.yaml", "warmup": 1, "budget": {"trials": 1}}))
    env = {**os.environ, "UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
    command = [sys.executable, "-m", "uderia_bench", "run", str(file), "--output", str(folder), "--run-id", "big"]
    subprocess.run(command, env=env, capture_output=True, check=False, timeout=300)
    queries = tuple(Query(id=f"q{n}", prompt=f"question {n}", turns=(f"question {n}",)) for n in range(QUERIES))
    made = experiment.parse(Document.of({**data, "warmup": 1}, file="e"), (Corpus(name="c", queries=queries),))
    trials = plan.build(made, queries)
    with Ledger.open(folder / "big/ledger.sqlite", writing=True) as ledger:
        arm = ledger.arms()["IDEAT"]
        record = TrialRecord(
            trial=trials[0],
            expected=arm,
            ending=Ending.SETTLED,
            detail=None,
            session_id="s",
            task_id="t",
            sent_s=1.0,
            sent_at=datetime.now(UTC),
            task=BODY,
        )
        for trial in trials[:-1]:
            settle(ledger, replace(record, trial=trial))
    return folder / "big"


if __name__ == "__main__":
    main()
