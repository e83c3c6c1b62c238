"""What a run directory promises: made once, found by name, read across versions, never half written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import uderia_bench as ub
from uderia_bench.errors import StoreError
from uderia_bench.runs import baselines, directory, files, find
from uderia_bench.runs.directory import RunDirectory

SCHEMA = pa.schema([("run_id", pa.string()), ("value", pa.int64())], metadata={"made": "by a test"})
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def run_with(output, run_id, frame, *, schema=SCHEMA, started="2026-01-01T00:00:00Z") -> RunDirectory:
    """Return a run directory holding one table."""
    run = directory.create(output, run_id)
    run.write_manifest({"run_id": run_id, "started_at": started})
    with run.table("trials", schema) as write:
        write(frame)
    return run


def frame(run_id="a", values=(1, 2)) -> pl.DataFrame:
    """Return a small table."""
    return pl.DataFrame({"run_id": [run_id] * len(values), "value": list(values)})


def test_a_run_is_made_once(tmp_path):
    """A run id that exists is refused, with the way to go on."""
    directory.create(tmp_path, "a")
    with pytest.raises(StoreError, match=r"run a exists in .*: go on with 'uderia-bench resume"):
        directory.create(tmp_path, "a")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a" * 101, "x\ny"])
def test_a_run_id_is_never_a_path(tmp_path, name):
    """A run id names a directory and nothing else."""
    with pytest.raises(StoreError, match="run id"):
        directory.create(tmp_path, name)


def test_no_run_is_called_latest(tmp_path):
    """The word always means the newest run."""
    with pytest.raises(StoreError, match="run id latest: means the newest run wherever RUN is given; choose another --run-id"):
        directory.create(tmp_path, "latest")
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_is_one_line(tmp_path):
    """A file where the output directory should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="name another with --output"):
        directory.create(tmp_path / "file", "a")


def test_a_run_is_its_owners(tmp_path):
    """Answers may be confidential."""
    assert directory.create(tmp_path, "a").path.stat().st_mode & 0o077 == 0


def test_a_run_is_found_by_id_directory_and_latest(tmp_path):
    """``latest`` goes by the manifests' start, not by name or file time."""
    run_with(tmp_path, "b", frame(), started="2026-01-02T00:00:00Z")
    run_with(tmp_path, "a", frame(), started="2026-01-03T00:00:00Z")
    os.utime(tmp_path / "b" / "manifest.json")
    assert find.directory("b", tmp_path).run_id == "b"
    assert find.directory(str(tmp_path / "b"), tmp_path / "elsewhere").run_id == "b"
    assert find.directory("latest", tmp_path).run_id == "a"


def test_an_unknown_run_lists_the_runs_there_are(tmp_path):
    """The error names the runs that exist, or how to make the first."""
    with pytest.raises(StoreError, match=r"no run in .* yet: start one with"):
        find.directory("latest", tmp_path)
    run_with(tmp_path, "b", frame())
    with pytest.raises(StoreError, match=r"there are b\)"):
        find.directory("c", tmp_path)


def test_runs_of_different_versions_read_as_one(tmp_path):
    """A column that only one run has is null in the other."""
    run_with(tmp_path, "a", frame())
    wider = pa.schema([*SCHEMA, pa.field("extra", pa.float64())])
    run_with(tmp_path, "b", frame("b").with_columns(extra=1.5), schema=wider)
    for runs in (f"{tmp_path}/*", f"{tmp_path}/*/trials/*.parquet", ["a", "b"]):
        rows = find.scan_table(runs, tmp_path).sort("run_id").collect()
        assert rows["extra"].to_list() == [None, None, 1.5, 1.5]


def parts_of(tmp_path, *columns):
    """Write a run for each of these columns of trials, and return a glob of them."""
    for place, column in enumerate(columns):
        folder = tmp_path / f"run-{place}/trials"
        folder.mkdir(parents=True)
        pl.DataFrame({"trial_id": [f"t{place}"], **column}).write_parquet(folder / "part-0.parquet")
        (folder.parent / "manifest.json").write_text("{}")
    return str(tmp_path / "run-*")


@pytest.mark.parametrize(
    ("one", "other", "kind", "values"),
    [
        ([1], [1.5], pl.Float64, [1.0, 1.5]),
        ([1.5], [1], pl.Float64, [1.5, 1.0]),
        ([True], [2], pl.Int64, [1, 2]),
        ([None], ["a"], pl.String, [None, "a"]),
        ([True], [0.5], pl.Float64, [1.0, 0.5]),
        (pl.Series([1], dtype=pl.Int32), [2], pl.Int64, [1, 2]),
        (pl.Series(["1.5"]).cast(pl.Decimal(10, 2)), [2], pl.Float64, [1.5, 2.0]),
        (pl.Series([2**63 + 2**12], dtype=pl.UInt64), [2], pl.Float64, [2.0**63 + 2**12, 2.0]),
        (pl.Series([0.5], dtype=pl.Float32), [1.5], pl.Float64, [0.5, 1.5]),
        (pl.Series([NOON], dtype=pl.Datetime("ms", "UTC")), [NOON], None, [NOON, NOON]),
    ],
)
def test_a_metric_that_changed_its_kind_reads_as_one(tmp_path, one, other, kind, values):
    """Whole numbers and booleans become fractions beside fractions; a column that one lacks stays null."""
    pattern = parts_of(tmp_path, {"metric": one}, {"metric": other, "more": [1]}, {})
    trials = find.load_table(pattern)
    assert trials["trial_id"].to_list() == ["t0", "t1", "t2"]
    assert trials["metric"].to_list() == [*values, None]
    assert trials["more"].to_list() == [None, 1, None]
    assert kind is None or trials.schema["metric"] == kind


def test_a_scan_is_lazy_and_reads_what_is_asked_of_it(tmp_path):
    """A notebook scans any number of runs; ``load`` is the same, read."""
    pattern = parts_of(tmp_path, {"metric": [1.0]}, {"metric": [3.0]})
    found = ub.scan(pattern)
    assert isinstance(found, pl.LazyFrame)
    assert found.select(pl.col("metric").mean()).collect().item() == 2.0
    assert found.collect().equals(ub.load(pattern))


def test_only_the_columns_asked_for_are_read(tmp_path):
    """A column that the run does not have is left out."""
    parts_of(tmp_path, {"metric": [1.0], "more": ["x"]})
    run = RunDirectory(tmp_path / "run-0")
    assert run.trials(("more", "other", "more")).columns == ["more"]
    shutil.copytree(run.path / "trials", run.path / "steps")
    assert run.derived("steps", ("metric", "other")).columns == ["metric"]


@pytest.mark.parametrize(
    ("one", "other"),
    [(["a"], [1]), (["a"], [["a"]]), ([[1]], [1]), ([NOON], [1]), ([NOON], ["2026"]), ([NOON], [NOON.date()])],
)
def test_kinds_without_a_common_one_are_one_line(tmp_path, one, other):
    """The error names the column, both kinds and both files, and what to do."""
    pattern = parts_of(tmp_path, {"metric": one}, {"metric": other})
    with pytest.raises(StoreError, match=r"column 'metric' is .* in .*run-1.* and .* in .*run-0.*: load these runs one by one"):
        find.load_table(pattern)


def test_damage_inside_a_part_is_one_line(tmp_path):
    """Its schema can still be read, its rows cannot."""
    pattern = parts_of(tmp_path, {"metric": list(range(5000))[:1]})
    part = tmp_path / "run-0/trials/part-0.parquet"
    body = bytearray(part.read_bytes())
    body[4:60] = b"\xff" * 56
    part.write_bytes(body)
    with pytest.raises(StoreError, match="its Parquet cannot be read"):
        find.load_table(pattern)


def test_reading_nothing_says_to_derive(tmp_path):
    """A run without Parquet is derived first."""
    directory.create(tmp_path, "a").write_manifest({})
    with pytest.raises(StoreError, match="uderia-bench derive RUN"):
        find.scan_table("a", tmp_path)


def test_a_failed_derivation_leaves_the_old_table(tmp_path):
    """Half a table never replaces a whole one."""
    run = run_with(tmp_path, "a", frame())

    def fail_halfway():
        with run.table("trials", SCHEMA) as write:
            write(frame(values=(7,)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert run.trials()["value"].to_list() == [1, 2]
    assert [path.name for path in (run.path / "trials").iterdir()] == ["part-0.parquet"]


def test_schema_metadata_reaches_the_file(tmp_path):
    """Units and docs travel with the data."""
    run = run_with(tmp_path, "a", frame())
    assert pl.read_parquet_metadata(run.path / "trials" / "part-0.parquet")["made"] == "by a test"


def test_a_second_claim_in_one_process_leaves_the_first_in_force(tmp_path):
    """It is refused, and another process is refused afterwards too."""
    run = directory.create(tmp_path, "a")
    code = f"import sqlite3; sqlite3.connect({str(run.path / '.lock')!r}, timeout=0).execute('BEGIN EXCLUSIVE')"
    with run.claimed():
        with pytest.raises(StoreError, match="being worked on"), run.claimed():
            pass
        other = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
        assert "database is locked" in other.stderr
    with run.claimed():
        pass


def test_a_broken_manifest_is_one_line(tmp_path):
    """Not JSON, or no object."""
    run = directory.create(tmp_path, "a")
    for text in ("{", "[]"):
        (run.path / "manifest.json").write_text(text)
        with pytest.raises(StoreError, match=r"manifest\.json"):
            run.read_manifest()


@pytest.mark.parametrize("body", [b"", b"PAR1", b"nothing of the kind" * 99])
def test_a_part_that_cannot_be_read_is_one_line_that_says_how_to_make_it_again(tmp_path, body):
    """Empty, cut off or something else; of the trials, and of any other table."""
    run = run_with(tmp_path, "a", frame())
    (run.path / "trials/part-0.parquet").write_bytes(body)
    (run.path / "steps").mkdir()
    (run.path / "steps/part-0.parquet").write_bytes(body)
    for read in (run.trials, lambda: run.derived("steps")):
        with pytest.raises(StoreError, match=r"cannot be read .*make it again with 'uderia-bench derive'") as error:
            read()
        assert str(error.value).isprintable()


@pytest.fixture
def read_only(tmp_path):
    """Return a directory that nothing can be made in; root may write everywhere but among the kernel's own files."""
    if os.geteuid() == 0:
        return Path("/proc/self")
    (tmp_path / "read-only").mkdir(mode=0o500)
    return tmp_path / "read-only"


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda folder: directory.create(folder, "r"), "cannot write there"),
        (lambda folder: directory.create(folder / "new", "r"), "cannot write there"),
        (lambda folder: files.write(folder / "report.md", "text"), "report.md: cannot write"),
        (lambda folder: RunDirectory(folder).claimed().__enter__(), "cannot be claimed"),
        (lambda folder: RunDirectory(folder).table("trials", SCHEMA).__enter__(), "trials: cannot write"),
    ],
)
def test_a_directory_that_is_read_only_is_one_line(read_only, work, says):
    """A new run, a file of an old one, going on with it, deriving it."""
    with pytest.raises(StoreError, match=says) as error:
        work(read_only)
    assert str(error.value).isprintable()


@contextmanager
def a_disk_with_room_for(size: int):
    """Let no file of this process grow beyond some bytes; what is written then fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_does_not_fit_leaves_the_old_one_and_no_half(tmp_path):
    """One line that names it; what stood there stands there still."""
    path = files.write(tmp_path / "report.md", "old")
    with a_disk_with_room_for(4096), pytest.raises(StoreError, match=r"report\.md: cannot write: File too large"):
        files.write(path, "new" * 4096)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["report.md"]


def test_a_table_that_does_not_fit_leaves_the_old_one_and_no_half(tmp_path):
    """Parquet as well."""
    run = run_with(tmp_path, "a", frame())
    noise = pl.DataFrame({"run_id": [os.urandom(9).hex() for _ in range(9000)], "value": range(9000)})
    with (
        a_disk_with_room_for(4096),
        pytest.raises(StoreError, match="trials: cannot write"),
        run.table("trials", SCHEMA) as write,
    ):
        write(noise)
    assert run.trials()["value"].to_list() == [1, 2]
    assert [each.name for each in (run.path / "trials").iterdir()] == ["part-0.parquet"]


def test_a_file_is_on_the_disk_before_it_takes_its_place_and_so_is_its_place(tmp_path, monkeypatch):
    """A power cut leaves the old one or the new: the file is synced under its temporary name, its folder after the renaming."""
    synced: list[tuple[int, bool]] = []
    path = tmp_path / "manifest.json"
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append((os.fstat(fd).st_ino, path.exists())), real(fd)))
    files.write(path, "{}")
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_run_whose_process_is_gone_is_abandoned(tmp_path):
    """The manifest still says ``running``, and the lock of the process is free."""
    run = directory.create(tmp_path, "r")
    run.write_manifest({"run_id": "r", "state": "running"})
    assert run.abandoned()
    with run.claimed():
        assert not run.abandoned()
    assert run.abandoned()
    run.write_manifest({"run_id": "r", "state": "interrupted"})
    assert not run.abandoned()


LONG = "x" * 5000
"""A name that no file system can look up."""


def test_names_that_cannot_be_looked_up_lead_to_no_run(tmp_path):
    """Those of the user, of a foreign manifest and of foreign baselines."""
    directory.create(tmp_path, "a").write_manifest({"experiment_file": f"/{LONG}/e.yaml"})
    for name in (LONG, f"{LONG}*", f"{LONG}.parquet"):
        with pytest.raises(StoreError, match=r"^no run 'x+.*: neither a run directory nor an id|^no tables of x"):
            find.load_table(name, tmp_path)
    with pytest.raises(StoreError, match="no run 'b'"):
        find.directory("b", tmp_path)
    (tmp_path / baselines.FILE).write_text(json.dumps({"b": LONG, "c": "nul\0"}))
    for name in ("b", "c"):
        with pytest.raises(StoreError, match="points at"):
            find.directory(name, tmp_path, beside=tmp_path)


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.write_text("[" * 200_000)]
)
def test_a_file_of_baselines_is_a_file_of_json(tmp_path, make):
    """No command waits for a FIFO or reads a device to its end."""
    make(tmp_path / baselines.FILE)
    with pytest.raises(StoreError, match=r"baselines\.json: not a file of baselines"):
        baselines.load(tmp_path / baselines.FILE)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "text", "nothing"])
def test_a_lock_that_no_process_can_hold_claims_nothing(tmp_path, kind):
    """Such a run is not waited for. A copy may lack the lock, and one that came by mail may have anything in its place."""
    run = directory.create(tmp_path, "r")
    run.write_manifest({"state": "running"})
    lock = run.path / directory.LOCK
    lock.unlink(missing_ok=True)
    if kind == "folder":
        lock.mkdir()
    elif kind == "fifo":
        os.mkfifo(lock)
    elif kind == "link":
        lock.symlink_to("/dev/zero")
    elif kind == "text":
        lock.write_text("garbage")
    assert run.abandoned()
