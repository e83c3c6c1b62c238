"""``trials``: the trials of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, File, Output, Overwrite, Run
from uderia_bench.printable import count_of

if TYPE_CHECKING:
    from uderia_bench.cli.target import Target
    from uderia_bench.commands.listing import Wanted
    from uderia_bench.runs import run as opened_run


def command(
    run: Run,
    outcome: Annotated[str | None, typer.Option("--outcome", metavar="NAME", help="Only this outcome, such as failed.")] = None,
    arm: Annotated[str | None, typer.Option("--arm", metavar="NAME", help="Only this arm.")] = None,
    query: Annotated[str | None, typer.Option("--query", metavar="ID", help="Only this query.")] = None,
    checks_failed: Annotated[bool, typer.Option("--checks-failed", help="Only trials with a failed check.")] = False,
    warmup: Annotated[bool, typer.Option("--warmup", help="Also warm-up trials.")] = False,
    slowest: Annotated[int | None, typer.Option("--slowest", metavar="N", min=1, help="Only the N slowest trials.")] = None,
    most: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many trials to list.")] = 50,
    file: File = None,
    overwrite: Overwrite = False,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """List the trials of a run, with filters.

    Trials are in the order of sending. With --json there is no limit unless --slowest sets one.

    Example: uderia-bench trials latest --outcome failed --slowest 10
    """
    from uderia_bench.cli.target import target
    from uderia_bench.commands.listing import Wanted
    from uderia_bench.runs.run import opened

    wanted = Wanted(
        outcome=outcome, arm=arm, query=query, checks_failed=checks_failed, warmup=warmup, slowest=slowest,
        most=None if as_json else most,
    )  # fmt: skip
    show(opened(run, output), wanted, target(("text", "json"), as_json=as_json, file=file, overwrite=overwrite))


def show(run: opened_run.Run, wanted: Wanted, shown: Target) -> None:
    """Print the trials of a run that are wanted, or write them to a file."""
    from uderia_bench.commands import listing

    found = listing.trials(run, wanted)
    if shown.form == "json":
        shown.deliver(streams.json_of(listing.trial_rows(found)))
        return
    shown.deliver(listing.trials_text(run, found, shown.width))
    typer.echo(f"uderia-bench: {count_of(found.height, 'trial')} listed", err=True)
