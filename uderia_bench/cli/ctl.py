"""``ctl``: pause, resume, stop or change a run in progress."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, Output, Run


def command(
    run: Run,
    what: Annotated[str, typer.Argument(metavar="ACTION", help="status, pause, resume, stop, set, cancel or requeue.")],
    about: Annotated[
        str,
        typer.Argument(
            metavar="[PATH=VALUE|TRIAL]",
            help="For set, cancel and requeue. TRIAL is a trial id, or the beginning of one.",
            show_default=False,
        ),
    ] = "",
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Pause, resume, stop or change a run in progress.

    Each action is stored in the ledger of the run, and its report names it. After "pause" nothing new
    is sent, and trials in flight go on. "set" changes load.concurrency or budget.* of the run.
    "cancel" ends a trial in flight. "requeue" asks a trial again that has ended.

    Example: uderia-bench ctl latest pause

    Example: uderia-bench ctl latest set load.concurrency=4
    """
    from uderia_bench.commands import control
    from uderia_bench.documents.yaml.checking import suggestion
    from uderia_bench.errors import UsageError
    from uderia_bench.printable import plain
    from uderia_bench.runner.control import ACTIONS
    from uderia_bench.runs import find

    if what not in ACTIONS:
        raise UsageError(f"unknown action {what!r}{suggestion(what, ACTIONS)}")
    if (what in ("set", "cancel", "requeue")) != bool(about):
        raise UsageError("write ctl RUN set PATH=VALUE, ctl RUN cancel TRIAL, ctl RUN requeue TRIAL, or another action alone")
    found = find.directory(run, output)
    state = control.ask(found, what, about)
    if as_json:
        streams.as_json(state)
        return
    slots = "" if state["concurrency"] is None else f" of {state['concurrency']} slots"
    typer.echo(plain(f"{found.run_id}: {state['state']}, {state['in_flight']} in flight{slots}"))
