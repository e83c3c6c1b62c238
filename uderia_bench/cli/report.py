"""``report``: a run's report in one of its forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, Output, Run

NAME = "report"
NEEDS_ARGUMENTS = True


def command(
    run: Run,
    form: Annotated[str, typer.Option("--format", metavar="text|markdown|json|html|junit", help="Which form.")] = "text",
    file: Annotated[Path | None, typer.Option("-o", "--file", metavar="FILE", help="Write to a file, not stdout.")] = None,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Print a run's report.

    Example: uderia-bench report latest --format markdown -o report.md
    """
    from uderia_bench import pipeline, plugins, store
    from uderia_bench.cli.finish import rendered

    found = store.find(run, output)
    text = rendered(pipeline.judge(found, plugins.load()), "json" if as_json else form, found)
    if file is None:
        typer.echo(text)
    else:
        store.write_file(file, text + "\n")
