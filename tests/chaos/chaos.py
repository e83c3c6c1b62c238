"""Run against seeded faults, kill at random, resume to the end, and compare the run's records with the server's.

    PYTHONPATH=tests python -m chaos.chaos --rounds 100 --at-once 2

prints a table of the faults, how often each was planted, and how the trials ended; it exits with 1 where anything was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import zygote

from uderia_bench.gateway import embedded

QUERIES = 12
ARMS = ("IDEAT", "OPTIM")
MOST_KILLS = 3
LONGEST_AWAY_S = 30.0
MOST_SITTINGS = 8  # after the kills, until nothing is left
LONGEST_SITTING_S = 300  # every third query in an unknown state, one trial at a time: 10 s each until it is known
TO_BE_RESUMED = (3, 4)  # no server answered the sign-in; interrupted
WELL_ENDED = (0, 5)  # done; done, and too little was answered for a comparison
SPEED = 200.0
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
# Each fault with the highest rate it is drawn with: what costs a whole time-out is rarer.
WIRE = {
    ("http_429", None): 0.03,
    ("http_429_header", "session"): 0.10,
    ("http_429_body", "query"): 0.10,
    ("http_500", None): 0.04,
    ("http_502", "task"): 0.10,
    ("http_503", "query"): 0.10,
    ("html", "task"): 0.05,
    ("html", "query"): 0.10,
    ("missing", "details"): 0.15,
    ("missing", "task"): 0.01,
    ("reset", None): 0.04,
    ("reset_after", "query"): 0.15,
    ("reset_after", None): 0.02,
    ("cut_off", None): 0.04,
    ("malformed", None): 0.04,
    ("stalled_body", None): 0.01,
    ("huge", "task"): 0.1,
    ("token_expiry", None): 0.02,
    ("restart", "task"): 0.03,
    ("away", "task"): 0.1,
}
FACTOR = 3  # seconds of a stall or of an absence, more megabytes of a huge answer
AGENT = {
    "tool_failure": 0.2,
    "plan_failure": 0.1,
    "stall": 0.05,
    "lost": 0.1,
    "stuck": 0.03,
    "submit_error": 0.3,
    "submit_lost": 0.15,
    "poll_error": 0.1,
    "quota": 0.1,
}
COUNTED_AS_THEY_COME = {"submit_error", "poll_error"}  # by the server; of the others the truth of a task tells
SHOWN_AS = {"tool_failed": "tool_failure"}
CLOCK = "clock set between sittings"
CLOCK_RATE, CLOCK_HOURS = 0.3, (-20, -3, 3, 20)
HARMLESS = {"stuck", "lost", "submit_error", "submit_lost", "poll_error"}  # an answer that was given stays one


@dataclass
class Round:
    """One run from its first sitting to its last: its kills and faults, how it ended, and the mistakes found."""

    seed: int
    planted: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    sittings: int = 0
    extra_askings: int = 0
    counted_askings: int = 0
    last_exit: int = 0
    wrong: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)  # trial to task, of what was answered before a kill


def play(seed: int, folder: Path) -> Round:
    """Run one round in an empty folder."""
    rng = random.Random(seed)
    played = Round(seed=seed)
    _write_documents(folder, rng)
    with embedded.serve(seed=seed, speed=SPEED, faults=folder / "faults.yaml") as server:
        arguments = ["run", "experiment.yaml", "--server", server, "--run-id", "chaos"]
        kills = rng.randint(1, MOST_KILLS)
        for sitting in range(kills + MOST_SITTINGS):
            delay_s = rng.uniform(0.0, 2.0) if sitting < kills else None
            played.last_exit = _sit(folder, arguments, delay_s, rng, played)
            _compare_with_before(folder, played)
            if delay_s is None and played.last_exit not in TO_BE_RESUMED:
                break
            if (folder / "output/chaos/manifest.json").exists():
                arguments = ["resume", "chaos"]
                if rng.random() < CLOCK_RATE:
                    _set_the_clock(folder, rng.choice(CLOCK_HOURS))
                    played.planted[CLOCK] += 1
            elif (folder / "output/chaos").exists():  # killed before there was a run: nothing was asked
                arguments[-1] = "chaos"
                _remove(folder / "output/chaos")
        _judge(folder, server, played)
    return played


def _write_documents(folder: Path, rng: random.Random) -> None:
    queries = "\n".join(f"  - {{id: q{n}, prompt: 'list the tables in sales_db, question {n}'}}" for n in range(QUERIES))
    (folder / "corpus.yaml").write_text(f"version: 1\nname: chaos\nqueries:\n{queries}\n")
    arms = "\n".join(f"  - {{name: {arm}, profile: {arm}}}" for arm in ARMS)
    isolation = rng.choice(["arm", "arm", "trial"])
    (folder / "experiment.yaml").write_text(
        f"version: 1\nname: chaos\nserver: sim\ncorpus: corpus.yaml\narms:\n{arms}\nrepeats: 1\nwarmup: 0\n"
        f"load: {{concurrency: {rng.randint(2, 6)}, isolation: {isolation}}}\ntimeout: 15s\ngrace: 1s\noutage: 10s\n"
        "on_quota: continue\n"
    )
    lines = [
        f"  - {{kind: {kind}, rate: {rng.uniform(0, rate):.4f}" + (f", call: {call}" if call else "") + f", factor: {FACTOR}}}"
        for (kind, call), rate in rng.sample(sorted(WIRE.items(), key=str), k=rng.randint(2, 6))
    ]
    lines += [
        f"  - {{kind: {kind}, rate: {rng.uniform(0, rate):.4f}}}"
        for kind, rate in rng.sample(sorted(AGENT.items()), k=rng.randint(1, 4))
    ]
    (folder / "faults.yaml").write_text("server: {login_limit: 0}\nfaults:\n" + "\n".join(lines) + "\n")


def _sit(folder: Path, arguments: list[str], delay_s: float | None, rng: random.Random, played: Round) -> int:
    """Run one process, kill it after a delay if one is given, and return its exit code."""
    played.sittings += 1
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UDERIA_")}
    with (folder / f"sitting-{played.sittings}.txt").open("wb") as said:
        process = zygote.start(*arguments, cwd=folder, env={**clean, **ADMIN}, limits={}, streams={1: said, 2: said})
        process.close()
        try:
            if delay_s is not None:
                _wait_for_work(folder, process)
                time.sleep(delay_s)
                number = rng.choice(SIGNALS)
                if process.poll() is None:
                    process.send_signal(number)
                    played.signals[number.name] += 1
            return process.wait(LONGEST_SITTING_S)
        except subprocess.TimeoutExpired:
            played.wrong.append(f"sitting {played.sittings} did not end within {LONGEST_SITTING_S} s")
            process.kill()
            return process.wait()


def _wait_for_work(folder: Path, process: zygote.Process) -> None:
    """Wait until a process has claimed the run."""
    log = folder / "output/chaos/log.jsonl"
    before = log.stat().st_size if log.exists() else 0
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.stat().st_size > before:
            return
        time.sleep(0.01)


def _ledger(folder: Path) -> list[tuple[str, str, str | None, str | None, int]]:
    path = folder / "output/chaos/ledger.sqlite"
    if not path.exists():
        return []
    database = sqlite3.connect(path)
    try:
        return database.execute("SELECT trial_id, state, ending, task_id, attempts FROM trials").fetchall()
    except sqlite3.OperationalError:  # killed before it had tables
        return []
    finally:
        database.close()


def _set_the_clock(folder: Path, hours: int) -> None:
    """Move the stored timestamps by some hours, as if the clock was set between two processes."""
    database = sqlite3.connect(folder / "output/chaos/ledger.sqlite")
    with database:
        for trial, text in database.execute("SELECT trial_id, times FROM trials WHERE times IS NOT NULL").fetchall():
            times = {
                name: (datetime.fromisoformat(value) - timedelta(hours=hours)).isoformat() if name.endswith("_at") else value
                for name, value in json.loads(text).items()
            }
            database.execute("UPDATE trials SET times = ? WHERE trial_id = ?", (json.dumps(times), trial))
    database.close()


def _compare_with_before(folder: Path, played: Round) -> None:
    """Check that a task that ended keeps its end."""
    settled = {trial: task for trial, state, ending, task, _ in _ledger(folder) if state == "settled" and ending == "settled"}
    for trial, task in played.kept.items():
        if settled.get(trial) != task:
            played.wrong.append(f"{trial} had ended as {task}, and is {settled.get(trial)} after sitting {played.sittings}")
    played.kept = settled


def _judge(folder: Path, server: str, played: Round) -> None:
    """Compare the run's records with its plan and with the server's records."""
    truth = {task["task_id"]: task for task in _read(f"{server}/sim/truth")}
    known = _read(f"{server}/sim/faults")
    played.planted.update(known["planted"])
    for task in truth.values():
        played.planted.update({SHOWN_AS.get(fault, fault) for fault in task["faults"]} & set(AGENT) - COUNTED_AS_THEY_COME)
    try:
        trials = pl.read_parquet(folder / "output/chaos/trials/*.parquet")
    except (OSError, pl.exceptions.PolarsError) as error:
        played.wrong.append(f"no trials: {error}")
        return
    played.outcomes.update(trials["outcome"].to_list())
    planned = {row[0] for row in _ledger(folder)}
    if len(planned) != QUERIES * len(ARMS) or sorted(trials["trial_id"]) != sorted(planned):
        played.wrong.append(f"{trials.height} rows, {trials['trial_id'].n_unique()} of them unlike, {len(planned)} planned")
    if played.last_exit not in WELL_ENDED:
        played.wrong.append(f"the last sitting ended with {played.last_exit}")
    played.wrong += _untrue(trials, known, truth)
    if left := sorted(path.name for path in (folder / "output/chaos").rglob("*.tmp")):
        played.wrong.append(f"half-written: {left}")
    for said in folder.glob("sitting-*.txt"):
        if "Traceback" in (text := said.read_text()) or "internal error" in text:
            played.wrong.append(f"{said.name}: {text[-300:]}")
    played.extra_askings = sum(max(row["times"] - 1, 0) for row in known["asked"])
    played.counted_askings = int((trials["attempts"] - 1).clip(0).sum())


def _untrue(trials: pl.DataFrame, known: dict, truth: dict[str, dict]) -> list[str]:
    """Return the trials with too few counted queries, or with another ending than on the server."""
    wrong: list[str] = []
    sessions = {task["session_id"]: task for task in truth.values()}
    asked = {(row["profile_tag"], row["prompt"]): row["times"] for row in known["asked"]}
    for row in trials.iter_rows(named=True):
        number = row["query_id"].removeprefix("q")
        times = asked.get((row["arm"], f"list the tables in sales_db, question {number}"), 0)
        if times > row["attempts"]:
            wrong.append(f"{row['trial_id']} was asked {times} times and counts {row['attempts']}")
        # A turn found in its session need not name its task.
        known_as = truth.get(row["task_id"]) or sessions.get(row["session_id"], {})
        if (
            row["outcome"] in ("failed", "timed_out")
            and known_as.get("latency_s") is not None
            and HARMLESS.issuperset(known_as["faults"])
        ):
            wrong.append(f"{row['trial_id']} {row['outcome']} ({row['outcome_detail']}), and the server knows its answer")
        if row["outcome"] == "answered" and known_as.get("latency_s") is None:
            wrong.append(f"{row['trial_id']} is answered, and the server knows of no answer of {row['task_id']}")
    return wrong


def _read(url: str):
    """Read JSON from the server. A planted restart may leave it away for some seconds."""
    deadline = time.monotonic() + LONGEST_AWAY_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _table(rounds: list[Round], took_s: float) -> str:
    """Return the rounds and their results as Markdown."""
    trials = sum(played.outcomes.total() for played in rounds)
    signals = sum((played.signals for played in rounds), Counter())
    lines = [
        f"{len(rounds)} rounds, {trials} trials, {sum(played.sittings for played in rounds)} sittings in {took_s:.0f} s;",
        f"killed by {', '.join(f'{name} {times}x' for name, times in sorted(signals.items()))};",
        f"last exits {dict(sorted(Counter(played.last_exit for played in rounds).items()))};",
        f"{sum(played.extra_askings for played in rounds)} queries arrived more than once,",
        f"{sum(played.counted_askings for played in rounds)} askings counted beyond the first.",
    ]
    planted = sum((played.planted for played in rounds), Counter())
    hit = Counter(name for played in rounds for name in played.planted)
    kinds = sorted({*(kind for kind, _ in WIRE), *AGENT, CLOCK, *planted})
    lines += ["", "| fault | times | in rounds |", "|---|---:|---:|"]
    lines += [f"| {name} | {planted[name]} | {hit[name]} |" for name in kinds]
    lines += ["", "| outcome | trials |", "|---|---:|"]
    lines += [f"| {name} | {times} |" for name, times in sorted(sum((p.outcomes for p in rounds), Counter()).items())]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run many rounds and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first round's seed")
    parser.add_argument("--at-once", type=int, default=3)
    options = parser.parse_args()
    began = time.monotonic()

    def one(seed: int) -> Round:
        with tempfile.TemporaryDirectory(prefix=f"chaos-{seed}-") as folder:
            played = play(seed, Path(folder))
            if played.wrong:
                for text in played.wrong:
                    print(f"round {seed}: {text}", flush=True)
                for said in sorted(Path(folder).glob("sitting-*.txt")):
                    print(f"--- round {seed}, {said.name}\n{said.read_text()[-1500:]}", flush=True)
            return played

    with ThreadPoolExecutor(options.at_once) as pool:
        rounds = list(pool.map(one, range(options.first, options.first + options.rounds)))
    print(_table(rounds, time.monotonic() - began))
    wrong = [played.seed for played in rounds if played.wrong]
    print(f"{len(wrong)} rounds with something wrong{': seeds ' + ', '.join(map(str, wrong)) if wrong else ''}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
