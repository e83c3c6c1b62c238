"""Restart the embedded server during runs that compare an arm with itself, and check what the report makes of it.

    PYTHONPATH=tests python -m chaos.restarts --rounds 40 --at-once 2

A round plants two or three restarts: after SIGKILL the server is gone at once, after SIGTERM it cancels tasks for some
seconds first. Then no trial may be charged with a restart, the report must name every outage, and at most 3 of 40
comparisons may find a difference. Exits with 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import zygote

from uderia_bench.gateway import embedded

QUERIES = 40
ARMS = ("A", "B")
SPEED = 60.0  # a query takes about 0.3 s
LONGEST_S = 400
ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
WELL_ENDED = 0
MOST_REJECTS = 3  # of 40
NOTICED_S = 60.0  # a restart may be noticed only when the next window begins
SLACK_S = 2.0
LATENCY_SLACK_S = 0.2


@dataclass
class Restart:
    """A planted restart: whether it was a shutdown, and when the server stopped, left and returned."""

    shutdown_s: float
    began: datetime
    left: datetime
    back: datetime

    def __str__(self) -> str:
        """Return a line for people."""
        kind = f"SIGTERM with {self.shutdown_s:.1f} s of shutdown" if self.shutdown_s else "SIGKILL"
        return f"{kind} at {self.began:%H:%M:%S.%f}, away {(self.back - self.left).total_seconds():.1f} s"


@dataclass
class Round:
    """One run: the restarts that were planted, the outages the run stored, and what is wrong."""

    seed: int
    planted: list[Restart] = field(default_factory=list)
    outages: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


def play(seed: int, folder: Path) -> Round:
    """Run one round in an empty folder."""
    rng = random.Random(seed)
    played = Round(seed=seed)
    began_s = time.monotonic()
    _write_documents(folder, rng)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UDERIA_")}
    with (
        embedded.serve(seed=seed, speed=SPEED, faults=folder / "faults.yaml") as server,
        (folder / "said.txt").open("wb") as said,
    ):
        arguments = ["run", "experiment.yaml", "--server", server, "--run-id", "restarts"]
        process = zygote.start(*arguments, cwd=folder, env={**clean, **ADMIN}, limits={}, streams={1: said, 2: said})
        process.close()
        ended = threading.Event()
        planter = threading.Thread(target=_plant, args=(folder, server, rng, played, ended))
        planter.start()
        try:
            code = process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        ended.set()
        planter.join()
        truth = {task["task_id"]: task for task in _read(f"{server}/sim/truth")}
    if code != WELL_ENDED:
        played.wrong.append(f"ended with {code}: {(folder / 'said.txt').read_text()[-300:]}")
    if (folder / "output/restarts/report.json").exists():
        _judge(folder / "output/restarts", truth, played)
    else:
        played.wrong.append("no report")
    played.took_s = time.monotonic() - began_s
    return played


def _write_documents(folder: Path, rng: random.Random) -> None:
    queries = "\n".join(f"  - {{id: q{n}, prompt: 'list the tables in sales_db, question {n}'}}" for n in range(QUERIES))
    (folder / "corpus.yaml").write_text(f"version: 1\nname: restarts\nqueries:\n{queries}\n")
    arms = "\n".join(f"  - {{name: {arm}, profile: OPTIM}}" for arm in ARMS)
    load = f"{{concurrency: {rng.randint(1, 4)}, isolation: {rng.choice(['arm', 'arm', 'trial'])}}}"
    (folder / "experiment.yaml").write_text(
        f"version: 1\nname: restarts\nserver: sim\ncorpus: corpus.yaml\narms:\n{arms}\nrepeats: 1\nwarmup: 1\n"
        f"seed: {rng.randint(1, 999)}\n"
        f"load: {load}\ntimeout: 60s\noutage: 60s\nmargins: {{latency_s: 10%, total_tokens: 10%}}\n"
    )
    (folder / "faults.yaml").write_text("server: {login_limit: 0, chance: false}\n")


def _plant(folder: Path, server: str, rng: random.Random, played: Round, ended: threading.Event) -> None:
    """Restart the server each time so many trials have ended."""
    for settled in sorted(rng.sample(range(5, 2 * QUERIES - 10), rng.randint(2, 3))):
        shutdown_s, away_s = rng.choice([0.0, rng.uniform(0.3, 3.0)]), rng.uniform(0.2, 4.0)
        while not ended.wait(0.02) and _settled(folder) < settled:
            pass
        if ended.wait(rng.uniform(0.0, 0.4)):
            return
        began = datetime.now(UTC)
        request = urllib.request.Request(f"{server}/sim/restart?shutdown={shutdown_s:.3f}&away={away_s:.3f}", method="POST")
        with urllib.request.urlopen(request, timeout=30):
            left = datetime.now(UTC)
        time.sleep(away_s)
        played.planted.append(Restart(shutdown_s, began, left, datetime.now(UTC)))


def _settled(folder: Path) -> int:
    path = folder / "output/restarts/ledger.sqlite"
    if not path.exists():
        return 0
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return int(database.execute("SELECT count(*) FROM trials WHERE state = 'settled'").fetchone()[0])
    except sqlite3.OperationalError:  # it has no tables yet
        return 0
    finally:
        database.close()


def _judge(run: Path, truth: dict[str, dict], played: Round) -> None:
    trials = pl.read_parquet(run / "trials/*.parquet").filter(pl.col("stage") == "measured")
    if trials.height != QUERIES * len(ARMS):
        played.wrong.append(f"{trials.height} trials")
    for row in trials.iter_rows(named=True):
        played.wrong += _charged(row, truth)
    report, text = json.loads((run / "report.json").read_text()), (run / "report.md").read_text()
    outages = json.loads((run / "manifest.json").read_text())["outages"]
    played.outages = [f"{outage['cause']} {outage['began_at'][11:23]} to {outage['ended_at'][11:23]}" for outage in outages]
    last = trials["done_at"].max()
    _match([one for one in played.planted if one.back < last], outages, played)
    if (named := text.count("outage of http")) < len(outages):
        played.wrong.append(f"the report names {named} of {len(outages)} outages")
    played.rejected = [
        f"{each['metric']} {each['verdict']}"
        for each in report["comparisons"]
        if each["margin"] is not None and each["stratum"] == "all" and each["verdict"] in ("better", "worse")
    ]


def _charged(row: dict, truth: dict[str, dict]) -> list[str]:
    """Return what a trial was charged with: no answer, a cold server, or time that the server knows nothing of."""
    if row["outcome"] != "answered":
        return [f"{row['trial_id']} {row['outcome']}: {row['outcome_detail']}"]
    known = truth.get(row["task_id"])
    if known is None or known["latency_s"] is None:
        return [f"{row['trial_id']} is answered, and the server knows of no answer"]
    if known["cold"]:
        return [f"{row['trial_id']} was the first after a start"]
    if row["latency_s"] is not None and abs(row["latency_s"] - known["latency_s"]) > LATENCY_SLACK_S:
        return [f"{row['trial_id']} took {row['latency_s']:.2f} s, by the server {known['latency_s']:.2f} s"]
    return []


def _match(planted: list[Restart], outages: list[dict], played: Round) -> None:
    """Name the restarts that no outage explains. A restart between two requests is noticed later, before the next one."""
    left = [(datetime.fromisoformat(each["began_at"]), datetime.fromisoformat(each["ended_at"])) for each in outages]
    both, slack = tuple(left), timedelta(seconds=SLACK_S)
    for place, one in enumerate(planted):
        until = planted[place + 1].began if place + 1 < len(planted) else one.back + timedelta(seconds=NOTICED_S)
        if any(began <= one.began <= ended for began, ended in both):  # during an outage that the run knew of
            continue
        found = next((each for each in left if each[1] >= one.began - slack and each[0] <= max(until, one.back) + slack), None)
        if found is None:
            played.wrong.append(f"no outage for {one}")
        else:
            left.remove(found)


def _read(url: str) -> list[dict]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def main() -> int:
    """Run many rounds and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="the first round's seed")
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args()

    def one(seed: int) -> Round:
        with tempfile.TemporaryDirectory(prefix=f"restarts-{seed}-") as folder:
            played = play(seed, Path(folder))
            print(f"round {seed}: {played.took_s:.0f} s; planted {'; '.join(map(str, played.planted))}", flush=True)
            print(
                f"  outages {'; '.join(played.outages)}{'; rejected ' + ', '.join(played.rejected) if played.rejected else ''}"
            )
            for text in played.wrong:
                print(f"  WRONG {text}", flush=True)
            if played.wrong:
                print((Path(folder) / "said.txt").read_text()[-3000:], flush=True)
            return played

    with ThreadPoolExecutor(options.at_once) as pool:
        rounds = list(pool.map(one, range(options.first, options.first + options.rounds)))
    wrong, rejects = [each.seed for each in rounds if each.wrong], [each.seed for each in rounds if each.rejected]
    print(
        f"{len(rounds)} rounds, {sum(len(each.planted) for each in rounds)} restarts, "
        f"{sum(len(each.outages) for each in rounds)} outages; "
        f"{len(wrong)} rounds with something wrong {wrong or ''}; {len(rejects)} rejected {rejects or ''}"
    )
    return 1 if wrong or len(rejects) > MOST_REJECTS * options.rounds / 40 else 0


if __name__ == "__main__":
    sys.exit(main())
