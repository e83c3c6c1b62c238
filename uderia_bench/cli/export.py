"""``export``: the trials of a run for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, Output, Overwrite, Run, data_option
from uderia_bench.printable import count_of, plain


def command(
    run: Run,
    file: Annotated[Path, data_option("File to write, or - for stdout. Its ending gives the format.")],
    form: Annotated[
        str | None, typer.Option("--format", metavar="csv|parquet|jsonl|duckdb", help="Format of the file.")
    ] = None,
    overwrite: Overwrite = False,
    output: Output = OUTPUT,
) -> None:
    """Write the trials of a run as CSV, Parquet, JSONL or DuckDB.

    The file has one row per trial.

    Example: uderia-bench export latest -o trials.csv
    """
    from uderia_bench.cli.target import target
    from uderia_bench.commands import export
    from uderia_bench.runs import find

    found = target(tuple(export.WRITERS), form=form, file=file, overwrite=overwrite)
    rows = export.write(find.directory(run, output).trials(), file, found.form)
    typer.echo(f"wrote {count_of(rows, 'trial')} to {plain(str(file))}", err=True)  # FILE may be /dev/stdout
