"""A run's trials as one file for other tools. Text that a spreadsheet would run as a formula is made plain in CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from uderia_bench.errors import StoreError, UsageError

FORMULA = r"^([=+\-@\t\r])"  # what spreadsheets take for a formula (OWASP, CSV injection)


def write(trials: pl.DataFrame, file: Path, form: str) -> int:
    """Write ``trials`` to ``file`` and return the number of rows.

    Raises ``UsageError`` for a form there is none of or a missing extra, ``StoreError`` where the file cannot be written.
    """
    if form not in WRITERS:
        raise UsageError(f"--format {form}: use {', '.join(WRITERS)}")
    temporary = file.with_name(file.name + ".tmp")
    try:
        WRITERS[form](trials, temporary)
        temporary.replace(file)
    except OSError as error:
        raise StoreError(f"{file}: cannot write: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return trials.height


def _csv(trials: pl.DataFrame, file: Path) -> None:
    text = pl.col(pl.String).str.replace(FORMULA, "'$1")
    joined = pl.col(pl.List(pl.String)).list.join(";")
    trials.with_columns(joined).with_columns(text).write_csv(file)


def _parquet(trials: pl.DataFrame, file: Path) -> None:
    trials.write_parquet(file)


def _jsonl(trials: pl.DataFrame, file: Path) -> None:
    trials.write_ndjson(file)


def _duckdb(trials: pl.DataFrame, file: Path) -> None:
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("--format duckdb needs the extra: pip install 'uderia-bench[duckdb]'") from error
    with duckdb.connect(str(file)) as database:
        database.register("frame", trials.to_arrow())
        database.execute("CREATE TABLE trials AS SELECT * FROM frame")


WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "jsonl": _jsonl,
    "duckdb": _duckdb,
}
