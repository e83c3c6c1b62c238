"""``runs``: the runs in a directory."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, File, Output, Overwrite
from uderia_bench.printable import plain


def command(
    experiment: Annotated[
        str | None, typer.Option("--experiment", metavar="NAME", help="Only runs of this experiment.")
    ] = None,
    most: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many of the newest runs to list.")] = 20,
    file: File = None,
    overwrite: Overwrite = False,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """List runs: when, state, headline, gates and cost.

    The newest run comes first.

    Example: uderia-bench runs --limit 5
    """
    from uderia_bench.cli.target import target
    from uderia_bench.commands import listing
    from uderia_bench.runs import mirror

    shown = target(("text", "json"), as_json=as_json, file=file, overwrite=overwrite)
    found = listing.runs(output, experiment=experiment, most=most)
    if shown.form == "json":
        shown.deliver(streams.json_of(found))
    elif found:
        shown.deliver(listing.runs_text(found, shown.width))
    else:
        where = plain(mirror.origin(output) or str(output))
        if names := sorted({each.experiment for each in listing.runs(output)} if experiment is not None else ()):
            said = f"{where} has no run of experiment {experiment!r}; there are runs of {', '.join(map(plain, names))}"
        else:
            said = f"{where} has no run yet. Start one with 'uderia-bench demo'"
        typer.echo(f"uderia-bench: {said}", err=True)
