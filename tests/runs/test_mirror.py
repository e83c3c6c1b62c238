"""Mirrors of stores: what is fetched when, and what foreign, broken or missing objects do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from runs import manifest_of

import uderia_bench as ub
from uderia_bench.errors import StoreError
from uderia_bench.runs import bucket, files, find, mirror

TRIALS = pl.DataFrame({"arm": ["IDEAT", "OPTIM"], "outcome": ["answered"] * 2, "latency_s": [1.0, 2.0]})


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Return a store of two runs in a directory, with an empty cache of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for run_id in ("one", "two"):
        _write(tmp_path / "store", run_id)
    yield f"file://{tmp_path}/store"
    bucket._opened.cache_clear()


def _write(store, run_id):
    for table in ("trials", "steps"):
        (store / run_id / table).mkdir(parents=True)
        TRIALS.write_parquet(store / run_id / table / "part-0.parquet")
    (store / run_id / "manifest.json").write_text(json.dumps(manifest_of(run_id).to_json()))
    (store / run_id / "report.json").write_text("{}")


def test_latest_is_the_newest_run_that_can_be_read(store, tmp_path):
    """A broken manifest is an error for that run only."""
    (tmp_path / "store/two/manifest.json").write_text("[]")
    assert find.directory("latest", mirror.folder(store)).run_id == "one"
    with pytest.raises(StoreError, match=r"two/manifest\.json: not a manifest"):
        find.directory(f"{store}/two", tmp_path).read_manifest()


@pytest.mark.parametrize("name", ["..", "..%2Fup", "a b", ".servers", "ünï"])
def test_a_name_that_is_no_run_id_is_no_run(store, tmp_path, name):
    """It could lead out of the mirror."""
    before = set(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=r"no run here, as .* is no run id"):
        mirror.run(f"{store}/{name}")
    assert set(tmp_path.rglob("*")) == before


def _copied(made):
    return {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file() and not path.name.startswith(".")}


def test_a_list_of_runs_fetches_no_tables(store):
    """Tables come when they are read, and only those that are read."""
    made = mirror.folder(store)
    listed = {f"{run_id}/{name}" for run_id in ("one", "two") for name in ("manifest.json", "report.json")}
    assert _copied(made) == listed
    assert ub.load("o*", output=store).height == 2
    assert _copied(made) == {*listed, "one/trials/part-0.parquet"}
    assert ub.load(store).height == ub.scan(store).collect().height == 4
    assert ub.steps(f"{store}/two").height == 2
    tables = {"one/trials/part-0.parquet", "two/trials/part-0.parquet", "two/steps/part-0.parquet"}
    assert _copied(made) == {*listed, *tables}


def test_a_directory_of_runs_is_all_of_them(tmp_path):
    """On this machine as in a store."""
    for run_id in ("one", "two"):
        _write(tmp_path / "store", run_id)
    assert ub.load(tmp_path / "store").height == 4
    assert ub.percentiles(ub.scan(tmp_path / "store"), "latency_s")["n"].to_list() == [2, 2]


@pytest.fixture
def fetched(monkeypatch):
    """Return the names that are asked for, and whether each was new."""
    asked, fetch = [], bucket.Bucket.fetch

    def noted(self, name, known=None):
        found = fetch(self, name, known)
        asked.append((name, found is not None))
        return found

    monkeypatch.setattr(bucket.Bucket, "fetch", noted)
    return asked


def test_a_table_of_many_runs_is_one_request_for_each(store, fetched):
    """Neither manifests nor lists of files, and no body that the mirror has."""
    parts = [f"{run_id}/trials/part-0.parquet" for run_id in ("one", "two")]
    for new in (True, False):
        fetched.clear()
        assert ub.scan("*", output=store).collect().height == 4
        assert sorted(fetched) == [(name, new) for name in parts]
    fetched.clear()
    assert ub.load(f"{store}/o*").height == 2
    assert fetched == [(parts[0], False)]


def test_files_are_fetched_again_when_they_have_changed(store, tmp_path):
    """A table, a table that is gone, and a manifest."""
    assert ub.load(store).height == 4
    TRIALS.head(1).write_parquet(tmp_path / "store/one/trials/part-0.parquet")
    assert ub.load(store).height == 3
    (tmp_path / "store/one/trials/part-0.parquet").unlink()
    assert ub.load(store).height == 2
    assert mirror.listed(f"{store}/one").name == "one"
    (tmp_path / "store/one/manifest.json").write_text(json.dumps({**manifest_of("one").to_json(), "seed": 8}))
    assert find.directory(f"{store}/one", tmp_path).read_manifest()["seed"] == 8


@pytest.mark.parametrize("torn", [lambda copy: copy.write_bytes(b"PAR1"), Path.unlink])
def test_a_copy_that_a_power_cut_has_torn_is_fetched_again(store, torn):
    """Copies are not synced, and the notes may reach the disk first."""
    assert ub.load(f"{store}/one").height == 2
    copy = mirror.listed(f"{store}/one") / "trials/part-0.parquet"
    fetched_ns = copy.stat().st_mtime_ns
    torn(copy)
    if copy.exists():
        os.utime(copy, ns=(fetched_ns, fetched_ns))
    assert ub.load(f"{store}/one").height == 2


def test_tables_that_were_derived_in_the_mirror_stay(store):
    """They are not what was fetched, and newer."""
    assert ub.load(f"{store}/one").height == 2
    copy = mirror.listed(f"{store}/one") / "trials/part-0.parquet"
    TRIALS.select("arm").head(1).write_parquet(copy)
    assert ub.load(f"{store}/one").shape == (1, 1)
    assert pl.read_parquet(mirror.run(f"{store}/one") / "trials/part-0.parquet").height == 1


def _grown(path, size):
    with path.open("ab") as file:
        file.truncate(size)


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("manifest.json", (64 << 20) + 1, "one/manifest.json: larger than 64 MiB: not a file of a run"),
        ("report.json", (1 << 30) + 1, "one/report.json: larger than 1024 MiB: not a file of a run"),
        (
            "trials/part-0.parquet",
            1 << 42,
            r"one/trials/part-0.parquet: 4398.0 GB, and its copy may have .* set XDG_CACHE_HOME",
        ),
        ("ledger.sqlite", 1 << 42, r"one/ledger.sqlite: 4398.0 GB, and its copy may have "),
    ],
)
def test_a_file_that_is_too_large_is_not_fetched(store, tmp_path, name, size, said):
    """The limits are those of a run directory; tables and ledgers have to fit on the disk."""
    _grown(tmp_path / "store/one" / name, size)
    with pytest.raises(StoreError, match=said):
        mirror.run(f"{store}/one")


def test_a_large_table_is_copied_chunk_by_chunk(store, tmp_path, monkeypatch):
    """The bytes are the same, and memory has a chunk at a time."""
    monkeypatch.setattr(bucket, "CHUNK", 1000)
    body = os.urandom(10_500)
    (tmp_path / "store/one/trials/part-0.parquet").write_bytes(body)
    fetched = bucket.Bucket(store).fetch("one/trials/part-0.parquet")
    chunks = list(fetched.chunks)
    assert b"".join(chunks) == body
    assert len(chunks) > 1
    assert (mirror.run(f"{store}/one") / "trials/part-0.parquet").read_bytes() == body


def test_a_run_that_left_the_store_leaves_the_list(store, tmp_path):
    """What the user added to it in the mirror, such as labels, stays."""
    made = mirror.folder(store)
    (made / "one/labels.jsonl").write_text("{}")
    (tmp_path / "store/one/manifest.json").unlink()
    assert [run.run_id for run in find.runs(mirror.folder(store))] == ["two"]
    assert (made / "one/labels.jsonl").exists()
    with pytest.raises(StoreError, match=f"{store}/one: no run here"):
        find.directory(f"{store}/one", tmp_path)


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fout", "a/b/c/deep", ".mirror.json", "ledger.sqlite-wal", "é.json", "%2e%2e/out", "-", "a b"]
)
def test_foreign_objects_are_not_copied(store, tmp_path, name):
    """They neither leave the mirror nor take the place of its own files."""
    path = tmp_path / "store/one" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("foreign")
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "cache")}
    made = mirror.run(f"{store}/one")
    assert "foreign" not in {path.read_text() for path in made.rglob("*") if path.is_file() and path.suffix != ".parquet"}
    assert _copied(made) == {"manifest.json", "report.json", "trials/part-0.parquet", "steps/part-0.parquet"}
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "cache")} == before


def test_several_processes_fill_a_mirror_at_once(store):
    """Each waits for the others, and reads whole files."""
    code = "import sys, uderia_bench as ub; print(ub.load(sys.argv[1]).height)"
    several = [subprocess.Popen([sys.executable, "-c", code, store], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0] for process in several] == ["4\n"] * 3


def test_a_mirror_that_lost_its_notes_is_filled_again(store):
    """A torn file of notes is read as an empty one."""
    made = mirror.folder(store)
    (made / "one/.mirror.json").write_text('{"manifest.json": ')
    (made / "one/manifest.json").write_text("torn")
    assert ub.load(f"{store}/one").height == 2


def test_a_cache_that_cannot_be_written_is_named(store, tmp_path, monkeypatch):
    """The message has the directory and the variable that names another one."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match=r"file/uderia-bench/runs/\w+: runs of a store are copied there: .*XDG_CACHE_HOME"):
        ub.load(store)


def test_a_foreign_directory_is_no_mirror(tmp_path, monkeypatch):
    """A folder from somebody else cannot send what is run or read in it to a store of its author."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _write(tmp_path / "output", "one")
    (tmp_path / "output" / mirror.ORIGIN).write_text(f"file://{tmp_path}/elsewhere")
    assert mirror.origin(tmp_path / "output") is None
    assert find.directory("latest", tmp_path / "output").run_id == "one"
    assert ub.load("one", output=tmp_path / "output").height == 2
    assert not (tmp_path / "elsewhere").exists()


def test_an_error_names_the_address_of_the_run(store, tmp_path):
    """Users do not know the copy. Where a file of the copy cannot be used, the directory is named too."""
    (tmp_path / "store/two/manifest.json").write_text("[]")
    with pytest.raises(StoreError) as broken:
        find.directory(f"{store}/two", tmp_path).read_manifest()
    assert mirror.told(broken.value) == f"{store}/two/manifest.json: not a manifest"
    copy = find.directory(f"{store}/one", tmp_path).path
    (copy / "judgements.jsonl").mkdir()
    with pytest.raises(StoreError) as refused:
        files.write(copy / "judgements.jsonl", "")
    told = mirror.told(refused.value)
    assert told.startswith(f"{store}/one/judgements.jsonl: cannot write: ")
    assert told.endswith(f" (its copy is in {tmp_path}/cache/uderia-bench/runs)")
    assert mirror.told(StoreError(f"{tmp_path}/elsewhere: broken")) == f"{tmp_path}/elsewhere: broken"


def test_a_hint_names_what_a_command_finds_the_run_by(store, tmp_path, monkeypatch):
    """The id in the default directory, else the path or the address, in quotes that may stand inside single ones."""
    monkeypatch.chdir(tmp_path)
    assert mirror.typed(tmp_path / "output" / "one") == "one"
    assert mirror.typed(find.directory(f"{store}/one", tmp_path).path) == f"{store}/one"
    assert mirror.typed(tmp_path / "a [b] $c" / "one") == f'"{tmp_path}/a [b] \\$c/one"'
