"""A run directory: where its files are, its manifest, its Parquet parts, and how a run is found. Nothing is computed here.

Files are written under a temporary name, synced and renamed, so that a reader never meets half of one.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from uderia_bench import baselines
from uderia_bench.errors import StoreError

MANIFEST = "manifest.json"
LEDGER = "ledger.sqlite"
LOG = "log.jsonl"
LOCK = ".lock"
_PART = "part-0.parquet"
OWNER_ONLY = 0o600  # answers may be confidential
_ERROR_TEXT = 200  # characters of another library's error: enough to recognise it, one line
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a directory name on every file system, never a path


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The files of one run, by name."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run's name, which is its directory's."""
        return self.path.name

    @property
    def ledger(self) -> Path:
        """The SQLite ledger."""
        return self.path / LEDGER

    @property
    def log(self) -> Path:
        """The structured log, one JSON object a line."""
        return self.path / LOG

    @property
    def begun(self) -> bool:
        """Whether there is a run to go on with: the manifest comes when all that needs is there."""
        return (self.path / MANIFEST).exists()

    def manifest(self) -> dict[str, Any]:
        """Read the manifest; raises ``StoreError`` where it is missing or broken."""
        path = self.path / MANIFEST
        try:
            data = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise StoreError(f"{path}: {_words(error)}; is {self.path} a run directory?") from error
        if not isinstance(data, dict):
            raise StoreError(f"{path}: not a manifest")
        return data

    def write_manifest(self, facts: dict[str, Any]) -> None:
        """Write the manifest whole."""
        self.write(MANIFEST, orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))

    def write(self, name: str, content: bytes | str) -> Path:
        """Write one file of the run, whole or not at all."""
        return write_file(self.path / name, content)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Work on the run alone; raises ``StoreError`` where another process does.

        The lock is SQLite's, since it is there on every system and goes with its process, however that ends.
        """
        try:
            (self.path / LOCK).touch(OWNER_ONLY)
            lock = sqlite3.connect(self.path / LOCK, timeout=0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.path}: cannot be claimed: {_words(error)}") from error
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise StoreError(f"{self.path}: cannot be claimed: {error}") from error
            raise StoreError(f"run {self.run_id} is being worked on by another process: wait for it, or stop it") from error
        else:
            yield
        finally:
            lock.close()

    def remove_if_unused(self) -> None:
        """Take the directory of a run away that never came to have a manifest."""
        if not self.begun:
            shutil.rmtree(self.path, ignore_errors=True)

    def trials(self) -> pl.DataFrame:
        """Read the run's derived trials."""
        with _readable(f"run {self.run_id}"):
            return scan_trials(self.path).collect()

    def derived(self, kind: str) -> pl.DataFrame | None:
        """Read another derived table (``steps``, ``issues``, ``checks``); None where an older derivation wrote none."""
        part = self.path / kind / _PART
        with _readable(f"run {self.run_id}"):
            return pl.read_parquet(part) if part.is_file() else None

    @contextmanager
    def table(self, kind: str, schema: pa.Schema) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Write the Parquet of one kind (``trials``, ``steps``, ``issues``) frame by frame, over what was derived before.

        The frames' columns are cast to ``schema``, whose metadata goes into the file; an error inside leaves the old part as it
        was.
        """
        folder = self.path / kind
        part, temporary = folder / _PART, folder / "part-0.tmp"
        try:
            folder.mkdir(exist_ok=True)
            temporary.touch(OWNER_ONLY)
            with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
                yield lambda frame: writer.write_table(frame.to_arrow().cast(schema))
            _put(temporary, part)
        except OSError as error:
            raise StoreError(f"{folder}: cannot write: {_words(error)}") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def create(output: Path, run_id: str) -> RunDirectory:
    """Make the directory of a new run.

    Raises ``StoreError`` where the name is no run id, the run exists (``resume`` goes on with it) or ``output`` cannot be
    written.
    """
    if not RUN_ID.fullmatch(run_id):
        raise StoreError(
            f"run id {run_id!r}: use letters, digits, '.', '_' and '-', at most 100, starting with a letter or digit"
        )
    if run_id == baselines.RESERVED:
        raise StoreError(f"run id {run_id}: means the newest run wherever RUN is given; choose another --run-id")
    path = output / run_id
    try:
        output.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)  # answers may be confidential: for the owner only
    except FileExistsError as error:
        if path.is_dir():
            raise StoreError(
                f"run {run_id} exists in {output}: go on with 'uderia-bench resume {path}', or choose another --run-id"
            ) from error
        raise StoreError(f"{output}: not a directory; name another with --output") from error
    except OSError as error:
        raise StoreError(f"{output}: cannot write there: {_words(error)}; name another with --output") from error
    return RunDirectory(path)


def find(run: str, output: Path, *, beside: Path | None = None) -> RunDirectory:
    """Find a run by id, by directory, by a baseline's name, or ``latest`` by the manifests' start times.

    A name is looked up in the directory ``beside``, an experiment's, then in the current one, then beside the experiments of
    the runs in ``output``. Raises ``StoreError`` where there is none, with what was looked for.
    """
    if run == baselines.RESERVED:
        found = sorted(runs(output), key=lambda one: str(one.manifest().get("started_at", "")))
        if not found:
            raise StoreError(f"no run in {output} yet: start one with 'uderia-bench run' or 'uderia-bench demo'")
        return found[-1]
    if (itself := own(run, output)) is not None:
        return itself
    if (found_as := _named(run, output, beside)) is not None:
        return found_as
    names = ", ".join(sorted(one.run_id for one in runs(output))[-5:])
    raise StoreError(
        f"no run {run!r}: neither a run directory nor an id in {output}" + (f" (there are {names})" if names else "")
    )


def own(run: str, output: Path) -> RunDirectory | None:
    """Return the run of that directory or id, which goes before a baseline's of that name; None where there is none."""
    return next((RunDirectory(path.resolve()) for path in (Path(run), output / run) if (path / MANIFEST).is_file()), None)


def _named(name: str, output: Path, beside: Path | None) -> RunDirectory | None:
    """Return the run that a baseline's name stands for, None where no file has the name.

    Two experiments may each have a name of their own for it: which one is meant is then not for us to guess.
    """
    near = said = _entries(name, baselines.files([beside]))
    if not near:
        said = _entries(name, baselines.files(experiment_folders(output)))
    found = [run for file, path in said if (run := _at(file, path)) is not None]
    if not near and len({run.path for run in found}) > 1:
        each = " and ".join(f"{path} in {file}" for file, path in said)
        raise StoreError(f"baseline {name} is {each}: name the run itself")
    if said and not found:
        raise StoreError(f"baseline {name} points at {said[0][1]}, where no run is: save it anew")
    return found[0] if found else None


def _entries(name: str, files: Iterable[Path]) -> list[tuple[Path, str]]:
    """Return the files that have a name, each with the path it gives."""
    return [(file, path) for file in files if (path := baselines.load(file).get(name)) is not None]


def _at(file: Path, path: str) -> RunDirectory | None:
    """Return the run that a path in a file of baselines leads to, None where none is."""
    return next((RunDirectory(at.resolve()) for at in baselines.leads_to(file, path) if (at / MANIFEST).is_file()), None)


def experiment_folders(output: Path) -> list[Path]:
    """Return the directories of the experiments of the runs in ``output``, as far as they are still there, in order."""
    folders = set[Path | None]()
    for run in runs(output):
        with suppress(StoreError):  # a broken manifest is for who asks for that run
            folders.add(baselines.folder_of(run.manifest()))
    return sorted(folder for folder in folders if folder is not None)


def scan_trials(runs: str | Path | Sequence[str | Path], output: Path = Path("output")) -> pl.LazyFrame:
    """Scan the trials of one run, several, or a glob, across runs of different versions.

    A column only some runs have is null in the others; ``scan_parquet`` wants the schema for that, so it is the union, newest
    first.
    """
    parts = [part for run in _each(runs) for part in _parts(run, output)]
    if not parts:
        raise StoreError(f"no trials in {runs!s}: derive the run first with 'uderia-bench derive'")
    schema: dict[str, pl.DataType] = {}
    for part in reversed(parts):
        with _readable(str(part)):
            for name, kind in pl.read_parquet_schema(part).items():
                schema.setdefault(name, kind)
    return pl.scan_parquet(parts, schema=schema, missing_columns="insert", extra_columns="ignore")


def write_file(path: Path, content: bytes | str) -> Path:
    """Write one file under a temporary name, sync it and rename it; raises ``StoreError`` where that cannot be done."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.touch(OWNER_ONLY)
        temporary.write_bytes(data)
        _put(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot write: {_words(error)}") from error
    return path


def _put(temporary: Path, path: Path) -> None:
    """Let a written file take its place: synced first, the folder after, so that a power cut leaves the old one or the new."""
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Say in a line what makes Parquet unreadable, and how it is made again."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        words = " ".join(_words(error).split())[:_ERROR_TEXT]
        raise StoreError(f"{what}: its Parquet cannot be read ({words}): make it again with 'uderia-bench derive'") from error


def runs(output: Path) -> Iterable[RunDirectory]:
    """Return every run directory in ``output``, in no order."""
    return (RunDirectory(path.parent.resolve()) for path in output.glob(f"*/{MANIFEST}"))


def _each(runs: str | Path | Sequence[str | Path]) -> list[str]:
    return [str(runs)] if isinstance(runs, str | Path) else [str(run) for run in runs]


def _parts(run: str, output: Path) -> list[Path]:
    if glob.has_magic(run):
        return _matching(run) or _matching(str(output / run))
    if run.endswith(".parquet") and Path(run).is_file():
        return [Path(run)]
    return sorted(find(run, output).path.glob("trials/*.parquet"))


def _matching(pattern: str) -> list[Path]:
    """Return the parts a glob of Parquet files or run directories means."""
    found = [Path(match) for match in sorted(glob.glob(pattern))]  # noqa: PTH207 - the pattern may be absolute
    files = [path for path in found if path.suffix == ".parquet"]
    return files + [part for path in found if path.is_dir() for part in sorted(path.glob("trials/*.parquet"))]


def _words(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
