"""The real command in a separate process and an empty directory, and an embedded server for tests that sign in."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zygote
from waiting import until

from uderia_bench.gateway import embedded

FINISHED = (0, 5)  # exit codes of a finished run: 5 if the machine was so busy that trials were sent late
CORPUS = """
version: 1
name: small
queries:
  - {id: db-count, prompt: how many databases are on the system?, complexity: simple, tags: [metadata]}
  - {id: tables, prompt: list the tables in sales_db, complexity: simple}
  - {id: version, prompt: which version do we run?, complexity: simple}
  - {id: users, prompt: list the users of the system, complexity: complex}
"""
EXPERIMENT = """
version: 1
name: small
server: {sim: {speed: 200, seed: 7}}
corpus: corpus.yaml
arms:
  - {name: IDEAT, profile: "@IDEAT"}
  - {name: OPTIM, profile: OPTIM}
repeats: 1
load: {concurrency: 4}
"""


@dataclass(frozen=True)
class Command:
    """``uderia-bench`` as a user runs it, in one directory."""

    cwd: Path
    started: list[zygote.Process] = field(default_factory=list)

    def start(
        self,
        *arguments: str,
        env: dict[str, str] | None = None,
        limits: dict[str, int] | None = None,
        streams: dict[int, Any] | None = None,
    ) -> zygote.Process:
        """Start it and return the process, with limits of resources and other streams (see ``zygote.start``)."""
        process = zygote.start(
            *arguments, cwd=self.cwd, env={**os.environ, **(env or {})}, limits=limits or {}, streams=streams or {}
        )
        self.started.append(process)
        return process

    def __call__(self, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end; ``--timeout`` ends a wait in vain."""
        process = self.start(*arguments, **how)
        out, err = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def end(self) -> None:
        """Kill what still runs and close its files, so that a failed test does not fail the tests after it."""
        for process in self.started:
            process.kill()
            process.wait()
            process.close()

    def write(self, name: str, text: str) -> Path:
        """Write a file where it runs."""
        path = self.cwd / name
        path.write_text(text, encoding="utf-8")
        return path


def placed(folder: Path) -> Command:
    """Return the command in a directory with a small corpus and experiment."""
    made = Command(folder)
    made.write("corpus.yaml", CORPUS)
    made.write("experiment.yaml", EXPERIMENT)
    return made


@pytest.fixture
def command(tmp_path) -> Iterator[Command]:
    """Return the command in an empty directory."""
    made = placed(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Path:
    """Return the directory of a small run that was made once; to be read, and copied by who changes it."""
    command = placed(tmp_path_factory.mktemp("once"))
    done = command("run", "experiment.yaml", "--run-id", "whole", "--set", "repeats=1")
    assert done.returncode == 0, done.stderr
    return command.cwd / "output/whole"


@pytest.fixture
def whole(command, once) -> Path:
    """Return the directory of a small run that is done, where the command finds it as ``whole``."""
    return Path(shutil.copytree(once, command.cwd / "output/whole"))


@pytest.fixture(scope="session")
def server():
    """Return the address of an embedded server that is asked like a real one."""
    with embedded.serve(seed=7, speed=200.0) as url:
        yield url


def in_progress(command, *options) -> zygote.Process:
    """Start a run ``r`` that takes a minute and more, and wait until it has a settled trial and one in flight."""
    process = command.start("run", "experiment.yaml", "--set", "sim.speed=10", "--repeats", "30", "--run-id", "r", *options)
    wait_for_trials(command, "r", process)
    return process


def shortened(command, run_id="r", *, planned=2) -> int:
    """Leave a run that was interrupted so many trials to ask, for the test's time; return how many trials it has then."""
    with closing(sqlite3.connect(command.cwd / "output" / run_id / "ledger.sqlite")) as database, database:
        kept = "SELECT trial_id FROM trials WHERE state = 'planned' ORDER BY seq LIMIT ?"
        database.execute(f"DELETE FROM trials WHERE state = 'planned' AND trial_id NOT IN ({kept})", (planned,))
        return database.execute("SELECT COUNT(*) FROM trials").fetchone()[0]


def wait_for_trials(command, run_id, process, *, ended=1, in_flight=1) -> None:
    """Wait until so many trials of a run have ended and so many are in flight."""

    def at_work() -> bool:
        with suppress(sqlite3.OperationalError):  # there is no ledger yet, or it has no tables
            return len(settled(command, run_id)) >= ended and asked(command, run_id) >= in_flight
        return False

    until(at_work, f"{ended} trials of {run_id} have ended and {in_flight} are in flight", process=process)


def settled(command, run_id):
    """Return the tasks of settled trials, from the ledger."""
    database = sqlite3.connect(f"file:{command.cwd}/output/{run_id}/ledger.sqlite?mode=ro", uri=True)  # or it would make one
    try:
        return dict(database.execute("SELECT trial_id, task_id FROM trials WHERE state = 'settled'").fetchall())
    finally:
        database.close()


def asked(command, run_id):
    """Return how many trials are in flight, by the ledger."""
    database = sqlite3.connect(f"file:{command.cwd}/output/{run_id}/ledger.sqlite?mode=ro", uri=True)  # or it would make one
    try:
        return database.execute("SELECT COUNT(*) FROM trials WHERE state IN ('sending', 'asked')").fetchone()[0]
    finally:
        database.close()
