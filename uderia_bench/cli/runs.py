"""``runs``: the runs in a directory."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, Output


def command(
    experiment: Annotated[
        str | None, typer.Option("--experiment", metavar="NAME", help="Only runs of this experiment.")
    ] = None,
    most: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many of the newest runs to list.")] = 20,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """List runs: when, state, headline, gates and cost.

    The newest run comes first.

    Example: uderia-bench runs --limit 5
    """
    from uderia_bench.cli.finish import width
    from uderia_bench.commands import listing

    found = listing.runs(output, experiment=experiment, most=most)
    if as_json:
        streams.as_json(found)
    elif found:
        typer.echo(listing.runs_text(found, width()))
    else:
        typer.echo(f"uderia-bench: {output} has no run yet. Start one with 'uderia-bench demo'", err=True)
