"""Kill and stop the workers of a shared run over a bad store, and compare its results with the servers' own records.

    PYTHONPATH=tests python -m chaos.workers --rounds 100 [--on-dask]

Three worker processes, three embedded servers, and an S3 server that answers 409, 500 and late. Workers are killed, or
stopped for longer than the lease, and go on. With ``--on-dask`` they are the Dask workers of one command. It exits with 1
where a trial has not exactly one result, a query arrived more often than ``attempts`` says, or two arms ran on a server at
once.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import psutil
import zygote
from chaos import bad_store
from chaos.bad_store import BUCKET, BadStore
from chaos.chaos import ADMIN, ARMS, WELL_ENDED, _read
from rich.console import Console

from uderia_bench.documents.experiment import load
from uderia_bench.errors import StoreError
from uderia_bench.gateway import embedded
from uderia_bench.runner import plan, work
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import bucket, protocol, shared
from uderia_bench.runs.bucket import Bucket, Missing
from uderia_bench.runs.shared import SharedRun

SPEED = 30.0
LEASE_S = 3.0
LONGEST_ROUND_S = 240.0
INTERRUPTED = 4
RATES = {"409": 0.03, "500": 0.05, "lost": 0.05, "late": 0.03}


@dataclass(frozen=True)
class Size:
    """How much there is in a round."""

    servers: int = 3
    workers: int = 3
    queries: int = 24
    troubles: tuple[int, int] = (2, 6)  # kills and stops, least and most
    on_dask: bool = False  # the workers are processes that Dask starts


@dataclass
class Round:
    """One run: what happened to it, and the mistakes found."""

    seed: int
    happened: Counter[str] = field(default_factory=Counter)
    trials: int = 0
    extra: int = 0  # queries that arrived more than once
    counted: int = 0  # attempts beyond the first
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


def play(seed: int, folder: Path, size: Size = Size()) -> Round:
    """Run one round in an empty folder."""
    rng = random.Random(seed)
    played = Round(seed=seed)
    began = time.monotonic()
    store = BadStore(seed=seed, rates={kind: rng.random() * rate for kind, rate in RATES.items()})
    with ExitStack() as stack:
        servers = [stack.enter_context(embedded.serve(seed=seed * 10 + n, speed=SPEED)) for n in range(size.servers)]
        address = stack.enter_context(bad_store.serve(store))
        environ = {**_clean(), **bad_store.ENVIRONMENT, "AWS_ENDPOINT_URL": address, "XDG_CACHE_HOME": str(folder / "cache")}
        url = f"s3://{BUCKET}/runs/chaos"
        bucket._opened.cache_clear()  # each round has another server at the same address
        with _environment(environ):
            _begin(folder, servers, size.queries, rng, url)
        Crew(folder, url, environ, rng, played).work(size)
        store.rates = {}
        with _environment(environ):
            _judge(url, servers, played)
        played.happened.update({f"store {kind}": times for kind, times in store.happened.items()})
    played.took_s = time.monotonic() - began
    return played


def _clean() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UDERIA_", "AWS_"))}
    return {**kept, **ADMIN}


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Let this process see the store, as the workers see it."""
    with mock.patch.dict(os.environ, {name: environ[name] for name in environ if name.startswith(("AWS_", "XDG_"))}):
        yield


def _begin(folder: Path, servers: list[str], queries: int, rng: random.Random, url: str) -> None:
    asked = "\n".join(f"  - {{id: q{n}, prompt: 'list the tables in sales_db, question {n}'}}" for n in range(queries))
    (folder / "corpus.yaml").write_text(f"version: 1\nname: chaos\nqueries:\n{asked}\n")
    arms = "\n".join(f"  - {{name: {arm}, profile: {arm}}}" for arm in ARMS)
    (folder / "experiment.yaml").write_text(
        f"version: 1\nname: chaos\nservers: {servers}\ncorpus: corpus.yaml\narms:\n{arms}\nrepeats: 1\nwarmup: 0\n"
        f"load: {{concurrency: {rng.randint(2, 4)}, isolation: arm}}\ntimeout: 20s\ngrace: 1s\noutage: 20s\n"
    )
    experiment = load(folder / "experiment.yaml")
    around = Surroundings(environ={**ADMIN}, console=Console(file=io.StringIO()))
    store = Bucket(url.rpartition("/")[0])
    trials = plan.build(experiment, experiment.queries)
    while True:
        try:
            work.begin(experiment, trials, store, "chaos", around, datetime.now(UTC))
        except StoreError as error:
            if "exists" in str(error):  # its answer was lost
                return
        else:
            return


class Crew:
    """The processes of a round: workers that are commands, or one command with its Dask workers."""

    def __init__(self, folder: Path, url: str, environ: dict[str, str], rng: random.Random, played: Round) -> None:
        self._folder, self._url, self._environ = folder, url, environ
        self._rng, self._played = rng, played
        self._started = 0
        self._options: tuple[str, ...] = ()
        self._asleep: dict[int, float] = {}  # process ids, and until when
        self.commands: list[zygote.Process] = []

    def _start(self) -> zygote.Process:
        self._started += 1
        arguments = ("work", self._url, "--lease", f"{LEASE_S}s", *self._options)
        with (self._folder / f"worker-{self._started}.txt").open("wb") as said:
            process = zygote.start(*arguments, cwd=self._folder, env=self._environ, limits={}, streams={1: said, 2: said})
        process.close()
        return process

    def work(self, size: Size) -> None:
        """Start the workers, and trouble them until all have ended."""
        if size.on_dask:
            self._options = ("--on", f"dask:local:{size.workers}")
        self.commands = [self._start() for _ in range(1 if size.on_dask else size.workers)]
        deadline = time.monotonic() + LONGEST_ROUND_S
        left, next_s = self._rng.randint(*size.troubles), time.monotonic() + self._rng.uniform(0.5, 3.0)
        while any(command.poll() is None for command in self.commands):
            now = time.monotonic()
            if now > deadline:
                self._played.wrong.append(f"no end within {LONGEST_ROUND_S:.0f} s")
                for command in self.commands:
                    command.kill()
                break
            self._wake(now)
            if left and now > next_s and self._trouble(now):
                left, next_s = left - 1, now + self._rng.uniform(0.2, 3.0)
            self._start_again()
            time.sleep(0.05)
        self._wake(float("inf"))
        self._judge_ends()

    def _workers(self) -> list[int]:
        """Return the process ids of the workers. Those of Dask are forked from a child of the command."""
        running = [command.pid for command in self.commands if command.poll() is None]
        if not self._options:
            return running
        with suppress(psutil.NoSuchProcess):
            children = [child for pid in running for child in psutil.Process(pid).children()]
            return [worker.pid for child in children for worker in child.children()]
        return []

    def _wake(self, now: float) -> None:
        for pid in [pid for pid, until in self._asleep.items() if now > until]:
            _signal(pid, signal.SIGCONT)
            del self._asleep[pid]

    def _trouble(self, now: float) -> bool:
        """Kill a worker, or stop it for a while; return whether there was one."""
        awake = [pid for pid in self._workers() if pid not in self._asleep]
        if not awake:
            return False
        pid = self._rng.choice(awake)
        if self._rng.random() < 0.5:
            _signal(pid, signal.SIGKILL)
            self._played.happened["SIGKILL"] += 1
        else:
            _signal(pid, signal.SIGSTOP)
            self._played.happened["SIGSTOP"] += 1
            self._asleep[pid] = now + self._rng.uniform(0.5, 2.5) * LEASE_S
        return True

    def _start_again(self) -> None:
        """Start commands again that were killed, or that trouble of the store has interrupted."""
        for number, command in enumerate(self.commands):
            if command.poll() in (INTERRUPTED, -signal.SIGKILL):
                self._played.happened["started again"] += command.poll() == INTERRUPTED
                self.commands[number] = self._start()

    def _judge_ends(self) -> None:
        codes = [command.wait(10) for command in self.commands]
        self._played.wrong += [f"a command ended with {code}" for code in codes if code not in WELL_ENDED]
        for said in self._folder.glob("worker-*.txt"):
            if "Traceback" in (text := said.read_text()) or "internal error" in text:
                self._played.wrong.append(f"{said.name}: {text[-1500:]}")


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _judge(url: str, servers: list[str], played: Round) -> None:
    """Compare the run with its plan, and with the servers' records."""
    run = SharedRun.open(url)
    results: Counter[str] = Counter()
    claims: Counter[str] = Counter()
    for server in run.servers:
        names = list(run.bucket.found(run.journal(server)))
        for body in (run.bucket.read(name) for name in names):
            for row in shared.rows(protocol.content(body)):
                claims[row.columns[-1]] += row.columns[0] == "sending"
                results[row.columns[-1]] += row.columns[:2] == ("settled", "settled")
    planned = Counter(trial.trial_id for trial in run.plan)
    if results != planned:
        played.wrong.append(f"results differ from the plan: {(results - planned) + (planned - results)}")
        return
    try:
        fetched = run.bucket.fetch("chaos/trials/part-0.parquet")
    except Missing:
        played.wrong.append("the run is complete, and its files are not in the store")
        return
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.writelines(fetched.chunks)
        file.flush()
        trials = pl.read_parquet(file.name)
    played.trials = trials.height
    if sorted(trials["trial_id"]) != sorted(planned):
        played.wrong.append(f"{trials.height} rows of {len(planned)} trials")
    if foreign := set(trials["server"]) - set(servers):
        played.wrong.append(f"trials of other servers: {sorted(foreign)}")
    played.counted = int((trials["attempts"] - 1).clip(0).sum())
    for server in servers:
        _judge_server(server, trials.filter(pl.col("server") == server), claims, played)


def _judge_server(server: str, trials: pl.DataFrame, claims: Counter[str], played: Round) -> None:
    """Compare the trials of a server with what it was asked, and when."""
    asked = {(row["profile_tag"], row["prompt"]): row["times"] for row in _read(f"{server}/sim/faults")["asked"]}
    played.extra += sum(times - 1 for times in asked.values())
    for row in trials.iter_rows(named=True):
        prompt = f"list the tables in sales_db, question {row['query_id'].removeprefix('q')}"
        times = asked.get((row["arm"], prompt), 0)
        if not 1 <= times <= min(row["attempts"], claims[row["trial_id"]]):
            played.wrong.append(f"{row['trial_id']} was asked {times} times and counts {row['attempts']}")
    played.wrong += _overlaps(_read(f"{server}/sim/truth"))


def _overlaps(truth: list[dict[str, Any]]) -> list[str]:
    """Return the tasks of one arm that began before a task of another arm had ended."""
    tasks = sorted((task["arrived_at"], task["arrived_at"] + task["task_s"], task["profile_tag"]) for task in truth)
    wrong, end, arm = [], 0.0, ""
    for began, ended, tag in tasks:
        if tag != arm and began < end:
            wrong.append(f"{tag} began {end - began:.3f} s before {arm} had ended")
        if ended > end or tag != arm:
            end, arm = max(end, ended), tag
    return wrong


def main() -> int:
    """Run many rounds and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first round's seed")
    parser.add_argument("--on-dask", action="store_true", help="the workers are processes that Dask starts")
    options = parser.parse_args()
    size = Size(on_dask=options.on_dask)
    rounds = []
    for seed in range(options.first, options.first + options.rounds):
        with tempfile.TemporaryDirectory(prefix=f"workers-{seed}-") as folder:
            played = play(seed, Path(folder), size)
            rounds.append(played)
            print(f"round {seed}: {played.took_s:.0f} s, {dict(played.happened)}", flush=True)
            for text in played.wrong:
                print(f"round {seed}: {text}", flush=True)
            if played.wrong:
                for said in sorted(Path(folder).glob("worker-*.txt")):
                    print(f"--- round {seed}, {said.name}\n{said.read_text()[-1500:]}", flush=True)
    happened = sum((played.happened for played in rounds), Counter[str]())
    wrong = [played.seed for played in rounds if played.wrong]
    print(f"{len(rounds)} rounds, {sum(played.trials for played in rounds)} trials; {dict(sorted(happened.items()))}")
    print(f"{sum(played.extra for played in rounds)} queries arrived again, {sum(played.counted for played in rounds)} counted")
    print(f"{len(wrong)} rounds with something wrong{': seeds ' + ', '.join(map(str, wrong)) if wrong else ''}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
