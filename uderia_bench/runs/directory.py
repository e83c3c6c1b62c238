"""A run directory: where its files are, its manifest, its Parquet parts, and how a run is found. Nothing is computed here.

Files are written under a temporary name, synced and renamed, so that a reader never meets half of one.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from uderia_bench.errors import StoreError
from uderia_bench.printable import shell_word
from uderia_bench.runs import baselines, files

MANIFEST = "manifest.json"
LEDGER = "ledger.sqlite"
LOG = "log.jsonl"
LOCK = ".lock"
REPORT = "report.json"
PART = "part-0.parquet"
LARGEST_MANIFEST = 64 << 20  # bytes; it holds the experiment and the expectations, never an answer
_ERROR_TEXT = 200  # characters of another library's error: enough to recognise it, one line
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
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
        """The structured log, one JSON object per line."""
        return self.path / LOG

    @property
    def begun(self) -> bool:
        """Whether there is a run to go on with: the manifest comes when all that needs is there."""
        return (self.path / MANIFEST).exists()

    def read_manifest(self) -> dict[str, Any]:
        """Read the JSON of the manifest; raises ``StoreError`` if it is missing or broken. ``Run.open`` gives its value."""
        path = self.path / MANIFEST
        try:
            data = orjson.loads(files.read(path, largest=LARGEST_MANIFEST))
        except (OSError, orjson.JSONDecodeError) as error:
            raise StoreError(f"{path}: {_words(error)}; is {self.path} a run directory?") from error
        if not isinstance(data, dict):
            raise StoreError(f"{path}: not a manifest")
        return data

    def state(self) -> str | None:
        """Read the state in the manifest: ``running``, ``interrupted`` or ``complete``."""
        state = self.read_manifest().get("state")
        return state if isinstance(state, str) else None

    def write_manifest(self, said: Mapping[str, Any]) -> None:
        """Write the JSON of the manifest, all of it or nothing."""
        self.write(MANIFEST, orjson.dumps(said, option=orjson.OPT_INDENT_2))

    def write(self, name: str, content: bytes | str) -> Path:
        """Write one file of the run, whole or not at all."""
        return files.write(self.path / name, content)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Work on the run alone; raises ``StoreError`` where another process does.

        The lock is SQLite's, since it is there on every system and goes with its process, however that ends.
        """
        try:
            if files.exists(self.path / LOCK):
                files.regular(self.path / LOCK)
            else:
                files.append(self.path / LOCK).close()
            lock = sqlite3.connect(self.path / LOCK, timeout=0, isolation_level=None)
        except (OSError, StoreError, sqlite3.Error) as error:
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

    def abandoned(self) -> bool:
        """Whether the state is ``running`` although no process works on the run, as after a kill or a power cut."""
        return self.state() == "running" and not self._is_claimed()

    def _is_claimed(self) -> bool:
        """Whether a process holds the lock of ``claimed``; True where that cannot be seen."""
        try:
            files.regular(self.path / LOCK)
        except (FileNotFoundError, StoreError):  # what no process can lock
            return False
        except OSError:
            return True
        try:
            with closing(sqlite3.connect(f"{(self.path / LOCK).absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as lock:
                lock.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error as error:
            return error.sqlite_errorcode != sqlite3.SQLITE_NOTADB
        return False

    def remove_if_unused(self) -> None:
        """Take the directory of a run away that never came to have a manifest."""
        if not self.begun:
            shutil.rmtree(self.path, ignore_errors=True)

    def trials(self, columns: Iterable[str] | None = None) -> pl.DataFrame:
        """Read the run's derived trials, or those of some columns that it has."""
        with readable(f"run {self.run_id}"):
            found = scan(self.parts(), what=self.run_id)
            if columns is not None:
                known = found.collect_schema()
                found = found.select(name for name in dict.fromkeys(columns) if name in known)
            return found.collect()

    def parts(self) -> list[Path]:
        """Return the Parquet files of the run's trials, sorted; empty before the run was derived."""
        return self.tables("trials")

    def derived(self, kind: str, columns: Iterable[str] | None = None) -> pl.DataFrame | None:
        """Read another derived table (``steps``, ``issues``, ``checks``), or some columns that it has.

        Returns None where an older derivation wrote none.
        """
        part = self.path / kind / PART
        if not files.exists(part):
            return None
        with readable(f"run {self.run_id}"):
            found = _scanned(files.regular(part))
            if columns is not None:
                there = found.collect_schema()
                found = found.select(name for name in columns if name in there)
            return found.collect()

    def tables(self, kind: str = "*") -> list[Path]:
        """Return the Parquet files of one kind or all, sorted; raises ``StoreError`` for a link or a device among them."""
        return [files.regular(part) for part in sorted(self.path.glob(f"{kind}/*.parquet"))]

    @contextmanager
    def table(self, kind: str, schema: pa.Schema) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Write the Parquet of one kind (``trials``, ``steps``, ``issues``) frame by frame, over what was derived before.

        The frames' columns are cast to ``schema``, whose metadata goes into the file; an error inside leaves the old part as it
        was.
        """
        folder = _utf_8(self.path / kind)
        try:
            files.folder(folder, make=True)
            with (
                files.replacing(folder / PART) as temporary,
                pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
            ):
                yield lambda frame: writer.write_table(frame.to_arrow().cast(schema))
        except OSError as error:
            raise StoreError(f"{folder}: cannot write: {_words(error)}") from error


class RunExists(StoreError):
    """The directory of a new run exists."""


def create(output: Path, run_id: str) -> RunDirectory:
    """Make the directory of a new run.

    Raises ``StoreError`` where the name is no run id, the run exists (``resume`` goes on with it) or ``output`` cannot be
    written.
    """
    path = output / valid(run_id)
    _utf_8(path.absolute())
    try:
        output.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)  # answers may be confidential: for the owner only
    except FileExistsError as error:
        if path.is_dir():
            resume = f"uderia-bench resume {shell_word(str(path))}"
            raise RunExists(f"run {run_id} exists in {output}: go on with '{resume}', or choose another --run-id") from error
        raise StoreError(f"{output}: not a directory; name another with --output") from error
    except OSError as error:
        raise StoreError(f"{output}: cannot write there: {_words(error)}; name another with --output") from error
    return RunDirectory(path)


def valid(run_id: str) -> str:
    """Return the id of a new run; raises ``StoreError`` for a name that cannot be a directory everywhere."""
    if not RUN_ID.fullmatch(run_id):
        raise StoreError(
            f"run id {run_id!r}: use letters, digits, '.', '_' and '-', at most 100, starting with a letter or digit"
        )
    if run_id.endswith(".") or run_id.split(".", maxsplit=1)[0].upper() in _DEVICES:
        raise StoreError(f"run id {run_id}: Windows cannot have a directory of that name; choose another --run-id")
    if run_id == baselines.RESERVED:
        raise StoreError(f"run id {run_id}: means the newest run wherever RUN is given; choose another --run-id")
    return run_id


def scan(parts: list[Path], *, what: str) -> pl.LazyFrame:
    """Scan Parquet files of trials into one frame; raises ``StoreError``, which names ``what``, if there is none.

    ``scan_parquet`` inserts missing columns only for a schema, which is the union of the parts'. A
    column that is a whole number or a boolean in one part and a fraction in another is a fraction.
    Raises ``StoreError`` for a column whose kinds have nothing in common, such as numbers and text.
    """
    if not parts:
        raise StoreError(f"no tables of {what}: a run writes them when it ends. 'uderia-bench derive RUN' writes them before")
    schema: dict[str, pl.DataType] = {}
    found: dict[str, Path] = {}
    own: list[dict[str, pl.DataType]] = []
    for part in reversed(parts):  # the newest first
        with readable(str(part)):
            own.append(dict(_scanned(part).collect_schema()))
        for name, kind in own[-1].items():
            known = schema.setdefault(name, kind)
            both = kind if kind == known else _common(known, kind)
            if both is None:
                raise StoreError(
                    f"column {name!r} is {known} in {found[name]} and {kind} in {part}: load these runs one by one, or derive"
                    " both again with the same plug-ins"
                )
            schema[name] = both
            found.setdefault(name, part)
    if all(schema[name] == kind for each in own for name, kind in each.items()):
        return _scanned(*parts, schema=schema, missing_columns="insert", extra_columns="ignore")
    frames = [
        _scanned(part).cast({name: schema[name] for name, kind in kinds.items() if kind != schema[name]})
        for part, kinds in zip(parts, reversed(own), strict=True)
    ]
    return pl.concat(frames, how="diagonal").select(*schema)


def _scanned(*parts: Path, **options: Any) -> pl.LazyFrame:
    """Scan Parquet files by their literal names. In a relative one, polars reads ``~`` and ``file:`` as something else."""
    return pl.scan_parquet([_utf_8(part.absolute()) for part in parts], glob=False, **options)


def _utf_8(path: Path) -> Path:
    """Return a path that Arrow and polars can open; raises ``StoreError`` for a name that is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"{path}: Parquet needs a path in UTF-8: rename the folder, or choose another --output") from error
    return path


def _common(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """Return the kind that holds the values of two kinds, or None."""
    if pl.Null in (one, other):
        return other if one == pl.Null else one
    if one.is_temporal() and other.is_temporal() and type(one) is type(other):
        return one
    if all(kind.is_numeric() or kind == pl.Boolean for kind in (one, other)):
        whole = all(kind.is_signed_integer() or kind == pl.Boolean for kind in (one, other)) and pl.Int128 not in (one, other)
        return pl.Int64() if whole else pl.Float64()
    return None


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Say in a line what makes Parquet unreadable, and how it is made again."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        words = " ".join(_words(error).split())[:_ERROR_TEXT]
        raise StoreError(f"{what}: its Parquet cannot be read ({words}): make it again with 'uderia-bench derive'") from error


def _words(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
