"""``history``: the runs of one experiment over time."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, File, Output, Overwrite


def command(
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", metavar="NAME", help="Name of the experiment. Default: that of the latest run."),
    ] = None,
    arm: Annotated[str | None, typer.Option("--arm", metavar="NAME", help="Show only this arm.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="Metric to show. Default: those with a margin, and answered."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show every night of every series.")] = False,
    form: Annotated[str | None, typer.Option("--format", metavar="text|json|html", help="Format of the output.")] = None,
    file: File = None,
    overwrite: Overwrite = False,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Show how the runs of an experiment changed over time.

    The output has what got worse, by how much, since when, and what changed then: steps, ramps, odd
    nights and a weekly rhythm. --full adds the level of each night.

    Example: uderia-bench history --experiment nightly --metric latency_s
    """
    from uderia_bench import plugins
    from uderia_bench.cli.target import target
    from uderia_bench.commands import history

    shown = target(("text", "json", "html"), form=form, as_json=as_json, file=file, overwrite=overwrite)
    found = history.gather(output, plugins.load().metrics, experiment=experiment, arm=arm, names=metric or ())
    match shown.form:
        case "json":
            text = streams.json_of(history.as_dict(found))
        case "html":
            text = history.to_html(found).rstrip("\n")
        case _:
            text = (history.in_full if full else history.in_brief)(found, width=shown.width)
    shown.deliver(text)
