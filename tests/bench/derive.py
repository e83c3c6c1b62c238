"""Derivation of a run with bodies of captured size: ledger to Parquet, at 1,000 and at 10,000 trials.

The two sizes show that memory stays flat. The trials are those of ``tests/exchanges.py``, with results as large as
those captured from a real server (about 75 KB per trial for a planner). Each size runs in a separate process.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import exchanges
import traces
from ledgers import settle

from uderia_bench.reading import derive
from uderia_bench.runs import directory
from uderia_bench.runs.ledger import Ledger

SIZES = (1_000, 10_000)
PLANNER_BYTES, AGENT_BYTES = 75_000, 24_000  # task and session together, as captured (docs/reference/measured.md, "Endpoints")
_COPIES = 3  # a result stands in the task, in its last event, and here in the session
_ROW_BYTES = 64


def planner(number: int) -> list[dict]:
    """Return a planner's exchange with its planning, two data phases, an error, a correction and a report."""
    middle = (
        exchanges.PLANNED,
        exchanges.phase_start(1, 2.0, "base_tableList"),
        exchanges.fastpath(1, 2.1, "base_tableList"),
        exchanges.tool("base_tableList", 2.2, 1, status="error"),
        exchanges.log("System Self-Correction", 2.3, {"summary": "Tool failed. Attempting self-correction (1/2)."}),
        exchanges.llm("Calling LLM for Self-Correction", 2.4, "c-correct", (400, 30)),
        exchanges.tool("base_tableList", 2.5, 1, arguments={"n": number}),
        exchanges.phase_end(1, 2.9),
        *exchanges.REPORT,
    )
    return _grown(exchanges.planner_run(*middle, spent=(1600, 120)), PLANNER_BYTES)


def agent(number: int) -> list[dict]:
    """Return an agent's exchange with three steps and two tools."""
    steps = (
        exchanges.step(1.0, (100, 10)),
        *exchanges.agent_tool(1.5, "base_tableList", '{"status": "success"}', {"n": number}),
        exchanges.step(2.0, (100, 10)),
        *exchanges.agent_tool(2.5, "base_columnList", '{"status": "success"}'),
        exchanges.step(3.0, (100, 10), "Response Generation"),
    )
    return _grown(exchanges.agent_run(*steps), AGENT_BYTES)


def _grown(bodies: tuple[dict, dict], size: int) -> list[dict]:
    """Fill an exchange up with busy and idle events, as a server emits them, then with rows of data."""
    task, session = bodies
    filler = [
        exchanges.event("status_indicator_update", 0.2 + n / 1000, target="db", state="busy" if n % 2 == 0 else "idle")
        for n in range(30)
    ]
    task["events"][1:1] = filler
    missing = size - len(orjson.dumps(task)) - len(orjson.dumps(session))
    wanted = missing // _COPIES // _ROW_BYTES
    rows = [{"DataBaseName": f"db_{n}", "TableName": f"table_{n}", "RowCount": n} for n in range(wanted)]
    task["result"]["collected_data"] = {"key": rows}
    session["rag_cases"] = rows
    return [task, session]


def build(run: directory.RunDirectory, trials: int) -> int:
    """Write a ledger of this many trials; return the bytes of their bodies."""
    plan = [
        traces.trial(trial_id=f"t{n}", seq=n, block=n // 2, query_id=f"q{n // 20}", arm=("IDEAT", "OPTIM")[n % 2])
        for n in range(trials)
    ]
    total = 0
    with Ledger.create(run.ledger, plan, {arm: traces.expected() for arm in ("IDEAT", "OPTIM")}) as ledger:
        for trial in plan:
            task, session = (orjson.dumps(body) for body in (planner if trial.arm == "OPTIM" else agent)(trial.seq))
            total += len(task) + len(session)
            settle(ledger, traces.record(task, session, trial=trial, sent_s=1.0, accepted_s=1.05))
    return total


def measure(path: Path) -> None:
    """Derive the run in this process and print what it took."""
    run = directory.RunDirectory(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    trials = derive.run(run, derive.Reading())
    took = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{trials:>6} trials: {took:6.2f} s of one core, {1000 * took / trials:.2f} ms per trial, {trials / took:,.0f} per s,"
        f" peak RSS {peak / 1024:.0f} MB ({(peak - before) / 1024:.0f} MB over the start)"
    )


def main() -> None:
    """Build and derive a run of each size."""
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            run = directory.create(Path(folder), f"r{size}")
            total = build(run, size)
            print(f"{size:>6} trials: {total / size / 1000:.0f} KB per trial, ledger {run.ledger.stat().st_size / 1e6:.0f} MB")
            subprocess.run([sys.executable, __file__, str(run.path)], check=True)


if __name__ == "__main__":
    measure(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
