"""``resume``: continue an interrupted run."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import options


def command(
    run: options.Run,
    output: options.Output = options.OUTPUT,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a limit of the run, such as budget or grace."),
    ] = None,
    grace: options.Grace = None,
    as_json: options.AsJson = False,
    log_format: options.LogFormat = "text",
    allow_plain_http: options.PlainHttp = False,
    trust_server: options.TrustServer = None,
    allow_commands: options.AllowCommands = False,
) -> None:
    """Continue an interrupted run.

    Trials that were answered are not asked again.

    Example: uderia-bench resume latest --set budget.usd=20
    """
    from uderia_bench.cli.finish import finish
    from uderia_bench.cli.run import overrides
    from uderia_bench.commands.run import resume
    from uderia_bench.runs import find

    found = find.directory(run, output)
    typed = [*(trust_server or ()), *options.addresses_in(assignments or ())]
    around = options.surroundings(
        log_format=log_format, allow_plain_http=allow_plain_http, trusted=typed, allowed=allow_commands
    )
    finish(resume(found, around, [*(assignments or ()), *overrides({"grace": grace})]), around, as_json=as_json)
