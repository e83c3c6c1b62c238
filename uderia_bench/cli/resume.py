"""``resume``: continue an interrupted run."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli.options import (
    OUTPUT,
    AsJson,
    Grace,
    LogFormat,
    Output,
    PlainHttp,
    Run,
    TrustServer,
    addresses_in,
    surroundings,
)


def command(
    run: Run,
    output: Output = OUTPUT,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a limit of the run, such as budget or grace."),
    ] = None,
    grace: Grace = None,
    as_json: AsJson = False,
    log_format: LogFormat = "text",
    allow_plain_http: PlainHttp = False,
    trust_server: TrustServer = None,
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
    typed = [*(trust_server or ()), *addresses_in(assignments or ())]
    around = surroundings(log_format=log_format, allow_plain_http=allow_plain_http, trusted=typed)
    finish(resume(found, around, [*(assignments or ()), *overrides({"grace": grace})]), around, as_json=as_json)
