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
    """Print a run's report, as the run was judged when it was over.

    Where what it rests on has changed since, the run is judged again, and stderr says why.

    Example: uderia-bench report latest --format markdown -o report.md
    """
    from uderia_bench import plugins
    from uderia_bench.cli.finish import rendered
    from uderia_bench.commands import report, results
    from uderia_bench.runs import directory
    from uderia_bench.runs.run import opened

    found = opened(run, output)
    installed = plugins.load()
    made = results.read(found, installed)
    if isinstance(made, results.Stale):
        from uderia_bench.commands.conclude import report_on  # not before it is needed: it brings all that a run takes

        stale, made = made, report_on(found, installed)
        again = f"'uderia-bench derive {report.typed(found)}' keeps new ones"
        typer.echo(f"uderia-bench: judged again, not read from the run's results: {stale.reason}; {again}", err=True)
    text = rendered(made, "json" if as_json else form, found)
    if file is None:
        typer.echo(text)
    else:
        directory.write_file(file, text + "\n")
