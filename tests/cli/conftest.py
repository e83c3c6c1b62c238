"""The real command in a process of its own, in an empty directory, and an embedded server for tests that sign in themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from uderia_bench import embedded

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
repeats: 2
load: {concurrency: 4}
"""


def hear_hang_ups() -> None:
    """Undo what nohup or a CI runner may have set and children inherit: a test that hangs up must be heard."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass(frozen=True)
class Command:
    """``uderia-bench`` as a user runs it."""

    cwd: Path

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it and return the process."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("UDERIA_")}
        return subprocess.Popen(
            [sys.executable, "-m", "uderia_bench", *arguments],
            cwd=self.cwd,
            env={**clean, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_hang_ups,  # noqa: PLW1509 - the tests start no threads
        )

    def __call__(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        process = self.start(*arguments, env=env)
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def write(self, name: str, text: str) -> Path:
        """Write a file where it runs."""
        path = self.cwd / name
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def command(tmp_path) -> Command:
    """Return the command in a directory with a small corpus and experiment."""
    made = Command(tmp_path)
    made.write("corpus.yaml", CORPUS)
    made.write("experiment.yaml", EXPERIMENT)
    return made


@pytest.fixture(scope="session")
def server():
    """Return the address of an embedded server that is asked like a real one."""
    with embedded.serve(seed=7, speed=200.0) as url:
        yield url
