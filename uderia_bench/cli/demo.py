"""``demo``: a complete comparison without any set-up."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, Grace, LogFormat, Output, RunId, surroundings


def command(
    output: Output = OUTPUT,
    run_id: RunId = None,
    as_json: AsJson = False,
    log_format: LogFormat = "text",
    grace: Grace = None,
    speed: Annotated[float, typer.Option(help="Speed of the embedded server. 1 is as fast as a real one.")] = 20.0,
) -> None:
    """Compare IDEAT and OPTIM on the embedded server.

    The demo needs no set-up. It runs the shipped corpus and prints the report.

    Example: uderia-bench demo --output /tmp/runs
    """
    from uderia_bench.cli.finish import finish
    from uderia_bench.cli.run import overrides
    from uderia_bench.commands.run import start
    from uderia_bench.commands.shipped import shipped
    from uderia_bench.documents import experiment
    from uderia_bench.runs import mirror

    quickstart = experiment.load(shipped("configs/quickstart.yaml"), [f"sim.speed={speed}", *overrides({"grace": grace})])
    around = surroundings(log_format=log_format)
    run = start(quickstart, output=output, run_id=run_id, around=around)
    try:
        finish(run, around, as_json=as_json)
    finally:
        typer.echo(f"\nuderia-bench: see it in the browser with 'uderia-bench view {mirror.typed(run.path)} --open'", err=True)
