"""``history``: the runs of one experiment over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, Output


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
    form: Annotated[str, typer.Option("--format", metavar="text|json|html", help="Format of the output.")] = "text",
    file: Annotated[Path | None, typer.Option("-o", "--file", metavar="FILE", help="File to write. Default: stdout.")] = None,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Show how the runs of an experiment changed over time.

    The output has the level of each night, and steps, ramps, odd nights and a weekly rhythm with what changed before them.

    Example: uderia-bench history --experiment nightly --metric latency_s
    """
    import json

    from uderia_bench import plugins
    from uderia_bench.cli.finish import deliver, width
    from uderia_bench.commands import history
    from uderia_bench.errors import UsageError

    found = history.gather(output, plugins.load().metrics, experiment=experiment, arm=arm, names=metric or ())
    form = "json" if as_json else form
    match form:
        case "json":
            text = json.dumps(history.as_dict(found), indent=2)
        case "text":
            text = history.in_full(found, width=width())
        case "html":
            text = history.to_html(found).rstrip("\n")
        case _:
            raise UsageError(f"--format {form}: use text, json or html")
    deliver(text, form, file)
