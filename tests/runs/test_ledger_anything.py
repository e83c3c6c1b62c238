"""Whatever became of a ledger's file, reading it gives trials or one of our errors: bytes changed, cut off or made up."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from bounded import bounded, examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from records import ARM, record, trial

from uderia_bench.errors import StoreError
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry, State

TRIALS = 12
BODY = bytes(range(256)) * 40
CHILDREN = (b'{"id": "planner-1"}', BODY)  # the sessions of a coordinator's experts
COLUMNS = ("planned", "state", "ending", "detail", "attempts", "polls", "session_id", "task_id", "times", "notes", "arm")
VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=12) | st.binary(max_size=12) | st.floats()
DAMAGE = st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=64)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Return the file of a ledger whose trials are settled."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with Ledger.create(path, [trial(n) for n in range(TRIALS)], {"OPTIM": ARM}) as made:
        for n in range(TRIALS):
            made.write([Entry(state=State.SETTLED, record=record(n, task=BODY, children=CHILDREN[: n % 3]), account="{}")])
    return path


def read_everything(path: Path) -> None:
    """Read all there is to read; our errors are answers too."""
    try:
        with Ledger.open(path) as ledger:
            found = len(list(ledger.records()))
            named = ledger.damaged()
            assert found <= TRIALS
            assert len(set(named)) == len(named)
            for read in (
                ledger.plan,
                ledger.unsettled,
                ledger.arms,
                ledger.counts,
                ledger.sessions,
                ledger.attempts,
                ledger.in_doubt,
                ledger.account,
            ):
                try:
                    read()
                except StoreError as error:
                    assert str(error).isprintable()  # noqa: PT017 - as below
            for n in range(TRIALS):
                try:
                    ledger.pending(f"t{n}")
                except StoreError:
                    continue
    except StoreError as error:
        assert str(error).isprintable()  # noqa: PT017 - whether it is raised is the file's business


@settings(max_examples=examples(), deadline=None)
@example([(4055, b"\x1b")], None)  # the kind of an index
@given(DAMAGE, st.none() | st.integers(0, 2**17))
def test_damaged_files_are_read_around_or_named(whole, damage, cut):
    """Bytes overwritten anywhere, the end cut off."""
    body = bytearray(whole.read_bytes())
    for place, garbage in damage:
        start = place % len(body)
        body[start : start + len(garbage)] = garbage
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        path.write_bytes(body[:cut] if cut is not None else body)
        with bounded():
            read_everything(path)


def test_a_damaged_row_number_is_not_counted_up_to(whole):
    """Where the table cannot be searched, rows are looked for one by one: no more of them than the file has room for."""
    leaf, page = 0x0D, 4096  # of a table's tree (sqlite.org/fileformat2.html, 1.6)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(whole, folder))
        database = sqlite3.connect(path)
        with database:
            database.execute("UPDATE trials SET rowid = ? WHERE rowid = ?", (2**40, TRIALS))
        database.close()
        body = path.read_bytes()
        read = []
        for start in range(page, len(body), page):
            if body[start] == leaf:
                path.write_bytes(body[:start] + b"\xff" + body[start + 1 :])
                with bounded(), Ledger.open(path) as ledger, suppress(StoreError):
                    read.append(len(list(ledger.records())))
    assert any(0 < found < TRIALS - 1 for found in read)


@settings(max_examples=examples(), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(COLUMNS), st.integers(0, TRIALS - 1), VALUES), min_size=1, max_size=6), st.binary())
def test_made_up_values_are_read_around_or_named(whole, values, frame):
    """A sound file with nonsense in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(whole, folder))
        database = sqlite3.connect(path)
        with database:
            for column, row, value in values:
                try:
                    database.execute(f"UPDATE trials SET {column} = ? WHERE rowid = ?", (value, row + 1))
                except sqlite3.IntegrityError:
                    continue
            database.execute("UPDATE payloads SET frame = ? WHERE rowid = 1", (frame,))
            database.execute("UPDATE OR IGNORE account SET spent = ?", (values[0][2],))
        database.close()
        with bounded():
            read_everything(path)
