"""Run one plan on one server, on a pool of four, and on a pool that loses one; each server has 2.5 tasks a second.

    python -m bench.pool [repeats]

Prints the time of asking (the first query sent to the last end), the ratio of latency between the arms
with its interval, and how many trials were asked twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import polars as pl
from bench import figures
from bench.figures import Figure

import uderia_bench as ub

SERVERS = 4
SPEED = 20
TASKS_PER_S = 2.5
QUERIES = 48
COMMAND = [sys.executable, "-m", "uderia_bench"]


def main() -> None:
    """Print the three runs."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        alone_s = _measure(there, "one", repeats, servers=1)
        pool_s = _measure(there, "four", repeats, servers=SERVERS)
        _measure(there, "killed", repeats, servers=SERVERS, kill_after_s=pool_s / 2)
        conditions = f"{TASKS_PER_S:g} tasks/s each, {2 * QUERIES * repeats} trials of two arms"
        name = f"time on one server, relative to a pool of {SERVERS}"
        figures.tell(
            "pool", [Figure(name=name, value=alone_s / pool_s, unit="times", conditions=conditions, asked="≥ 3.6 times")]
        )


def _measure(folder: Path, name: str, repeats: int, *, servers: int, kill_after_s: float | None = None) -> float:
    """Run the plan on new servers, and return the seconds of asking."""
    (folder / "faults.yaml").write_text(f"server: {{tasks_per_s: {TASKS_PER_S / SPEED}}}\n")
    (folder / "corpus.yaml").write_text(
        "version: 1\nqueries:\n"
        + "".join(f"  - {{id: q{n}, prompt: how many rows has table {n}?, complexity: simple}}\n" for n in range(QUERIES))
    )
    with ExitStack() as stack:
        children = [stack.enter_context(_server(folder)) for _ in range(servers)]
        said = {
            "version": 1,
            "servers": [address for _, address in children],
            "corpus": "corpus.yaml",
            "arms": [{"name": "IDEAT", "profile": "IDEAT"}, {"name": "OPTIM", "profile": "OPTIM"}],
            "repeats": repeats,
            "outage": "4s",
            "load": {"concurrency": 12},
        }
        (folder / "experiment.yaml").write_text(json.dumps(said))
        env = {**os.environ, "UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
        command = [*COMMAND, "run", str(folder / "experiment.yaml"), "--output", str(folder), "--run-id", name]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        run = stack.enter_context(subprocess.Popen(command, env=env, **quiet))
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            children[-1][0].kill()
        _, errors = run.communicate(timeout=900)
        if run.returncode not in (0, 5):
            raise SystemExit(errors)
    return _told(folder / name)


def _server(folder: Path) -> _Server:
    return _Server(["sim", "--port", "0", "--seed", "7", "--speed", str(SPEED), "--faults", str(folder / "faults.yaml")])


class _Server:
    """One embedded server as a process, with its address."""

    def __init__(self, arguments: list[str]) -> None:
        self._child = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> tuple[subprocess.Popen[str], str]:
        assert self._child.stdout is not None, "its standard output is a pipe"
        line = self._child.stdout.readline()
        return self._child, json.loads(line)["url"] if line.startswith("{") else line.split()[-1]

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()


def _told(run: Path) -> float:
    """Print one run, and return its seconds of asking."""
    trials = ub.load(str(run)).filter(pl.col("stage") == "measured")
    times = trials.select(took=pl.col("done_at").max() - pl.col("sent_at").min())
    took_s = float(times["took"][0].total_seconds())
    asked = {"metrics": ["latency_s"], "margins": {"latency_s": 0.1}, "seed": 7}
    (found,) = ub.compare(trials, baseline="IDEAT", candidate="OPTIM", **asked)
    effect, again = found.effect, trials.filter(pl.col("attempts") > 1)
    print(
        f"{run.name}: {trials.height} trials on {trials['server'].n_unique()} servers in {took_s:.1f} s; latency OPTIM/IDEAT "
        f"{effect.value:.3f} ({effect.lo:.3f} to {effect.hi:.3f}), {found.verdict}; {again.height} asked again, "
        f"{trials.filter(pl.col('outcome') != 'answered').height} not answered"
    )
    for note in found.warnings:
        print(f"  {note}")
    return took_s


if __name__ == "__main__":
    main()
