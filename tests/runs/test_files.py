"""A run directory that somebody else sent: nothing outside it is touched, and no command waits or grows without end."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tracemalloc
from contextlib import closing, suppress
from pathlib import Path

import pytest
import traces
import zygote
from ledgers import settle
from runs import manifest_of

from uderia_bench import plugins
from uderia_bench.commands.conclude import conclude
from uderia_bench.errors import StoreError
from uderia_bench.runs import directory, files, find
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run

OWN = "alias ls='ls --color'\n"
REPLACED = ("report.md", "report.html", "report.json", "results.jsonl", "manifest.json")
OLD_NAMES = (*(f"{name}.tmp" for name in REPLACED), "trials/part-0.tmp")  # temporary files of version 0.1
OPENED = ("log.jsonl", "judgements.jsonl", ".lock", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")
BY_FILE = {"manifest.json": ("history", "--output", "output"), "ledger.sqlite": ("watch", "r", "--once")}
MEMORY = 3 << 30  # bytes a command may map; imports take about 2 GB of addresses


@pytest.fixture(scope="module")
def concluded(tmp_path_factory):
    """Return the directory of a concluded run of two trials."""
    output = tmp_path_factory.mktemp("sent") / "output"
    made = directory.create(output, "r")
    trials = [traces.trial(trial_id=f"t{n}", seq=n, query_id=f"q{n}") for n in range(2)]
    arm = traces.expected(server="http://s")
    with Ledger.create(made.ledger, trials, {"A": arm}) as ledger:
        for trial in trials:
            settle(ledger, traces.record(trial=trial, expected=arm))
    said = manifest_of("r", server="http://s")
    conclude(Run(directory=made, manifest=said).written(said), plugins.load())
    return made.path


@pytest.fixture
def sent(concluded, tmp_path):
    """Return a copy of the run beside a file of the user's own."""
    shutil.copytree(concluded, tmp_path / "output/r")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/.bashrc").write_text(OWN)
    return RunDirectory(tmp_path / "output/r")


def put(path, make):
    """Put something else in a file's place."""
    path.unlink(missing_ok=True)
    make(path)


def said_by(sent, *arguments):
    """Run a command with bounded memory; return its exit code and its output. A hang fails the test."""
    process = zygote.start(*arguments, cwd=sent.path.parents[1], env=os.environ, limits={"RLIMIT_AS": MEMORY})
    out, err = process.communicate()
    return process.wait(), out + err


@pytest.mark.parametrize("name", [*OLD_NAMES, *REPLACED, *OPENED])
def test_a_link_in_a_files_place_leads_nowhere(sent, name):
    """Deriving the run writes into none of the user's files, whatever link has a name that we write."""
    own = sent.path.parents[1] / "own/.bashrc"
    put(sent.path / name, lambda path: path.symlink_to(own))
    with suppress(StoreError):
        conclude(Run.open(sent), plugins.load())
    with suppress(StoreError), sent.claimed():
        pass
    assert own.read_text() == OWN


def test_a_link_in_a_folders_place_is_named(sent):
    """No table is written through it."""
    elsewhere = sent.path.parents[1] / "own"
    shutil.rmtree(sent.path / "trials")
    (sent.path / "trials").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="a symbolic link: remove it"):
        conclude(Run.open(sent), plugins.load())
    assert [file.name for file in elsewhere.iterdir()] == [".bashrc"]


@pytest.mark.parametrize("name", ["manifest.json", "results.jsonl", "trials/part-0.parquet", "ledger.sqlite"])
@pytest.mark.parametrize("kind", ["a FIFO", "a device", "a directory"])
def test_no_command_waits_for_a_fifo_or_reads_a_device_to_its_end(sent, name, kind):
    """Each ends with one line."""
    makers = {"a FIFO": os.mkfifo, "a device": lambda path: path.symlink_to("/dev/zero"), "a directory": Path.mkdir}
    put(sent.path / name, makers[kind])
    code, said = said_by(sent, *BY_FILE.get(name, ("report", "r")))
    assert code in (0, 2, 3), said
    assert "Traceback" not in said
    assert "internal error" not in said


def test_another_programs_database_is_left_as_it_is(sent):
    """A link to it is refused; a copy in the ledger's place is no ledger, and keeps its journal mode."""
    other = sent.path.parents[1] / "own/app.sqlite"
    with closing(sqlite3.connect(other)) as database, database:
        database.execute("CREATE TABLE t (a)")
    before = other.read_bytes()
    put(sent.ledger, lambda path: path.symlink_to(other))
    with pytest.raises(StoreError, match="a symbolic link"):
        Ledger.open(sent.ledger)
    put(sent.ledger, lambda path: shutil.copy(other, path))
    with pytest.raises(StoreError, match="ledger format 0"):
        Ledger.open(sent.ledger)
    assert sent.ledger.read_bytes() == other.read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE VIEW more AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT x FROM c", "view 'more'"),
        ("CREATE TRIGGER t AFTER INSERT ON arms BEGIN SELECT 1; END", "trigger 't'"),
        ("CREATE TABLE g (a, b AS (a + 1))", "table 'g'"),
    ],
)
def test_a_ledger_that_computes_is_not_opened(sent, statement, named):
    """A view could compute for ever."""
    with closing(sqlite3.connect(sent.ledger)) as database, database:
        database.execute(statement)
    with pytest.raises(StoreError, match=named):
        Ledger.open(sent.ledger)


def test_one_statement_is_bounded_by_time(sent, monkeypatch):
    """SQLite interrupts it, and the error names the ledger."""
    monkeypatch.setattr("uderia_bench.runs.ledger.LONGEST_S", -1.0)
    with Ledger.open(sent.ledger) as ledger:
        ledger._db.set_progress_handler(lambda: True, 1)
        with pytest.raises(StoreError, match="interrupted"):
            ledger.plan()


def test_reading_changes_nothing_and_needs_no_right_to_write(sent):
    """A read-only directory serves; no file appears and none changes."""
    before = {file.name: file.read_bytes() for file in sent.path.iterdir() if file.is_file()}
    for path in (*sent.path.iterdir(), sent.path):
        path.chmod(path.stat().st_mode & ~0o222)
    with Ledger.open(sent.ledger) as ledger:
        assert len(ledger.settled()) == 2
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ledger._db.execute("DELETE FROM trials")
    sent.path.chmod(0o700)
    after = {file.name: file.read_bytes() for file in sent.path.iterdir() if file.is_file()}
    assert after == before


def test_a_file_of_a_run_is_bounded(tmp_path):
    """One that is too large is named, not read."""
    (tmp_path / "manifest.json").write_bytes(b"x" * 1025)
    with pytest.raises(StoreError, match="not a file of a run"):
        files.read(tmp_path / "manifest.json", largest=1024)


@pytest.mark.parametrize("place", ["proj[1]", "[team a] x", "a*b?", "{x}"])
def test_a_path_is_taken_literally(concluded, tmp_path, place):
    """Brackets in a folder's name match no sibling: the run reads its own tables, and is found by its path."""
    shutil.copytree(concluded, tmp_path / place / "output/r")
    shutil.copytree(concluded, tmp_path / "proj1/output/r")
    (tmp_path / "proj1/output/r/trials/part-0.parquet").unlink()
    run = Run.open(RunDirectory(tmp_path / place / "output/r"))
    assert run.trials().height == 2
    assert run.derived("steps") is not None
    assert find.scan_table(str(run.path)).collect().height == 2
    assert find.scan_table("r", tmp_path / place / "output").collect().height == 2
    assert find.directory("latest", tmp_path / place / "output").path == run.path.resolve()


@pytest.mark.parametrize("place", ["proj[1]", "[", "~", "file:x", "**"])
def test_a_relative_path_and_a_pattern_below_it_are_taken_literally(concluded, tmp_path, monkeypatch, place):
    """Columns of any table are read, and ``*`` matches runs of this folder only, whatever the folder is called."""
    for name in (place, "proj1"):
        shutil.copytree(concluded, tmp_path / name / "output/r")
    monkeypatch.chdir(tmp_path)
    run = RunDirectory(Path(place) / "output/r")
    assert run.trials(["trial_id"]).height == 2
    steps = run.derived("steps", ["trial_id", "no_such"])
    assert steps is not None
    assert steps.columns == ["trial_id"]
    for patterns in (("r*", f"{place}/output"), (f"{place}/output/r*",), (f"{place}/output/r/trials/*.parquet",)):
        assert find.load_table(*patterns).height == 2


def test_a_folder_of_a_store_is_taken_literally_where_it_exists(concluded, tmp_path, monkeypatch):
    """Brackets in the name of a store's folder match no sibling. In the last part of an address they are a pattern."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for place in ("proj[1]", "proj1"):
        shutil.copytree(concluded, tmp_path / place / "r")
    assert find.load_table(f"file://{tmp_path}/proj[1]").height == 2
    assert find.load_table(f"file://{tmp_path}/proj[1]/[r]").height == 2


def test_a_folder_whose_name_is_not_utf_8_is_refused_before_anything_is_asked(concluded, tmp_path):
    """Parquet cannot be written there, so such a run would be paid for and have no report."""
    place = tmp_path / os.fsdecode(b"Gr\xf6\xdfe")
    with pytest.raises(StoreError, match="UTF-8: rename the folder"):
        directory.create(place / "output", "r")
    shutil.copytree(concluded, place / "r")
    with pytest.raises(StoreError, match="UTF-8: rename the folder"):
        RunDirectory(place / "r").trials()


@pytest.mark.parametrize("name", ["CON", "nul", "nul.", "com1", "LPT9.old", "run."])
def test_a_run_id_is_a_directory_on_every_system(tmp_path, name):
    """Names that Windows reserves, or cuts, are refused."""
    with pytest.raises(StoreError, match="Windows cannot have a directory of that name"):
        directory.create(tmp_path, name)


def test_a_small_file_is_read_with_little_memory(tmp_path):
    """The limit of 1 GB must not be reserved: a command may have less."""
    path = files.write(tmp_path / "small", b"x" * 1000)
    tracemalloc.start()
    assert files.read(path) == b"x" * 1000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
