"""``history``: the runs of one experiment, night by night."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, Output

NAME = "history"
NEEDS_ARGUMENTS = False


def command(
    experiment: Annotated[str | None, typer.Option("--experiment", metavar="NAME", help="By default the latest run's.")] = None,
    arm: Annotated[str | None, typer.Option("--arm", metavar="NAME", help="This arm only.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="Default: those with a margin, and answered.")
    ] = None,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Show an experiment's nights: levels with intervals, steps, and what changed.

    Example: uderia-bench history --experiment nightly --metric latency_s
    """
    import json

    from uderia_bench import history, plugins
    from uderia_bench.cli.finish import width

    found = history.gather(output, plugins.load().metrics, experiment=experiment, arm=arm, names=metric or ())
    typer.echo(json.dumps(history.as_dict(found), indent=2) if as_json else history.in_full(found, width=width()))
