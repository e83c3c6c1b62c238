"""``export``: the trials of a run for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, Output, Run


def command(
    run: Run,
    file: Annotated[Path, typer.Option("-o", "--file", metavar="FILE", help="The file to write.")],
    form: Annotated[str, typer.Option("--format", metavar="csv|parquet|jsonl|duckdb", help="Format of the file.")] = "csv",
    output: Output = OUTPUT,
) -> None:
    """Write the trials of a run as CSV, Parquet, JSONL or DuckDB.

    The file has one row per trial.

    Example: uderia-bench export latest --format csv -o trials.csv
    """
    from uderia_bench.commands import export
    from uderia_bench.runs import find

    rows = export.write(find.directory(run, output).trials(), file, form)
    typer.echo(f"wrote {rows} trials to {file}", err=True)  # FILE may be /dev/stdout
