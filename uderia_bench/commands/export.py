"""A run's trials as one file for other tools. Text that a spreadsheet would run as a formula is made plain in CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from uderia_bench.commands.save import saving
from uderia_bench.errors import UsageError

FORMULA = r"^([\s\p{Zs}\p{Cc}\p{Cf}]*[=+\-@|＝＋－＠]|[\t\r\n])"  # noqa: RUF001 - spreadsheets read full-width signs too
"""Text that spreadsheets read as a formula (OWASP, CSV injection), also behind blanks and invisible characters."""


def write(trials: pl.DataFrame, file: Path, form: str) -> int:
    """Write ``trials`` to ``file`` and return the number of rows.

    Raises ``UsageError`` for a missing extra, and ``StoreError`` where the file cannot be written.
    """
    with saving(file) as temporary:
        WRITERS[form](trials, temporary)
    return trials.height


def _csv(trials: pl.DataFrame, file: Path) -> None:
    text = pl.col(pl.String).str.replace(FORMULA, "'$1")
    lists = pl.col(pl.List(pl.String)).list.eval(pl.element().str.replace(FORMULA, "'$1")).list.join(";")
    trials.with_columns(lists).with_columns(text).write_csv(file, quote_style="non_numeric")


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
    "parquet": lambda trials, file: trials.write_parquet(file),
    "jsonl": lambda trials, file: trials.write_ndjson(file),
    "duckdb": _duckdb,
}
