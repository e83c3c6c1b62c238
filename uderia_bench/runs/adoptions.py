"""The tests of ``uderia-bench try`` in one output directory, so that their false adoptions stay rare over all nights.

Each test gets its level before its first trial, from the results of the tests before it
(``stats.online``). A test without a result counts as one that adopted nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from uderia_bench.errors import StoreError
from uderia_bench.stats.online import level

FILE = "adoptions.sqlite"
ALPHA = 0.05
"""The share of adopting tests that may adopt something without effect, in expectation over all tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test: its number in the directory, from 1, and its level."""

    number: int
    level: float


def begin(output: Path, run_id: str) -> Test:
    """Note a new test and return it; one that is noted already keeps its level."""
    with _open(output) as kept:
        rows = kept.execute("SELECT number, run, level, adopted FROM tests ORDER BY number").fetchall()
        for number, run, own, _ in rows:
            if run == run_id:
                return Test(number=number, level=own)
        made = Test(number=len(rows) + 1, level=level([bool(orjson.loads(adopted or "[]")) for *_, adopted in rows], ALPHA))
        kept.execute("INSERT INTO tests (number, run, level) VALUES (?, ?, ?)", (made.number, run_id, made.level))
        return made


def count(output: Path) -> int:
    """Return how many tests the directory has."""
    if not (output / FILE).exists():
        return 0
    with _open(output) as kept:
        return int(kept.execute("SELECT count(*) FROM tests").fetchone()[0])


def end(output: Path, run_id: str, adopted: Sequence[str]) -> None:
    """Note what a test adopted."""
    with _open(output) as kept:
        kept.execute("UPDATE tests SET adopted = ? WHERE run = ?", (orjson.dumps(list(adopted)).decode(), run_id))


@contextmanager
def _open(output: Path) -> Iterator[sqlite3.Connection]:
    """Open the file for one change, alone."""
    path = output / FILE
    try:
        output.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as kept:
            kept.execute("BEGIN IMMEDIATE")
            kept.execute(
                "CREATE TABLE IF NOT EXISTS tests (number INTEGER PRIMARY KEY, run TEXT UNIQUE, level REAL, adopted TEXT)"
            )
            yield kept
            kept.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: cannot note the test: {error}") from error
