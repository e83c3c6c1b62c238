"""A run's trials as one file for other tools. Text that a spreadsheet would run as a formula is made plain in CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from uderia_bench.commands.save import saving
from uderia_bench.errors import UsageError

_FORMULA = r"^([\s\p{Zs}\p{Cc}\p{Cf}\"]*[=+\-@|＝＋－＠﹦﹢﹣﹫−]|[\t\r\n])"  # noqa: RUF001 - spreadsheets read full-width and small signs too
"""Text that spreadsheets read as a formula (OWASP, CSV injection), also behind blanks, quotes and invisible characters."""

# A spreadsheet whose language separates with semicolons does not see our quotes, so a cell begins after
# every semicolon, tab and line break of a text. A list item ("- item") needs a call or a reference to do harm.
_INNER_FORMULA = r"([;\t\r\n])([\s\p{Zs}\p{Cc}\p{Cf}\"&&[^\t\r\n]]*(?:[=@|＝＠﹦﹫]|[+\-＋－﹢﹣−][^;\t\r\n]*[(|!\[]))"  # noqa: RUF001 - as above


def write(trials: pl.DataFrame, file: Path, form: str) -> int:
    """Write ``trials`` to ``file`` and return the number of rows.

    Raises ``UsageError`` for a missing extra, and ``StoreError`` where the file cannot be written.
    """
    with saving(file) as temporary:
        WRITERS[form](trials, temporary)
    return trials.height


def without_formulas(text: pl.Expr) -> pl.Expr:
    """Return text with an apostrophe before whatever a spreadsheet would run as a formula."""
    return text.str.replace_all(_INNER_FORMULA, "$1'$2").str.replace(_FORMULA, "'$1")


def _csv(trials: pl.DataFrame, file: Path) -> None:
    lists = pl.col(pl.List(pl.String)).list.eval(without_formulas(pl.element())).list.join(";")
    trials.with_columns(without_formulas(pl.col(pl.String)), lists).write_csv(file, quote_style="non_numeric")


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
