"""``watch``: a run in progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, Output, Run, value_of

if TYPE_CHECKING:
    from uderia_bench.commands.watch import Watcher
    from uderia_bench.report.watch import Look

ON_A_TERMINAL_S = 1.0
IN_A_LOG_S = 10.0  # seconds between lines in a log, as for the run itself


def command(
    run: Run,
    once: Annotated[bool, typer.Option("--once", help="Print the state once and exit.")] = False,
    every: Annotated[str | None, typer.Option("--every", metavar="TIME", help="Time between updates.")] = None,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Watch a run in progress until it ends.

    A terminal shows the progress and the latency of each arm, the trials in flight with their age, and
    failures. Elsewhere a line is printed every 10 s. The numbers come from the ledger of the run.

    Example: uderia-bench watch latest
    """
    import sys
    import time

    from uderia_bench.cli.target import Target
    from uderia_bench.commands.watch import Watcher
    from uderia_bench.documents.yaml.quantities import Duration
    from uderia_bench.report import watch as progress
    from uderia_bench.runs import find, mirror
    from uderia_bench.runs.ledger import Ledger

    every_s = None if every is None else value_of(Duration, every, "--every")
    found = find.directory(run, output)

    def over(look: Look) -> bool:
        return not (look.left and look.running)

    with Ledger.open(found.ledger) as ledger:
        watcher = Watcher(ledger, is_running=lambda: found.state() == "running" and not found.abandoned())
        if as_json:
            streams.as_json(progress.as_dict(watcher.look()))
            return
        if not once and sys.stdout.isatty():
            from rich.console import Console

            from uderia_bench.cli import screen

            screen.show(watcher.look, over, lambda: time.sleep(every_s or ON_A_TERMINAL_S), Console())
        elif not once:
            _lines(watcher, over, every_s or IN_A_LOG_S)
        look = watcher.look()
        typer.echo(progress.in_full(look, width=Target(form="text").width))
        if look.left and not look.running:
            typer.echo(f"\nNo process works on this run. Continue with 'uderia-bench resume {mirror.typed(found.path)}'")


def _lines(watcher: Watcher, over: Callable[[Look], bool], every_s: float) -> None:
    """Print one line per look until the run ends."""
    import time

    from uderia_bench.report import watch as progress

    while not over(look := watcher.look()) and not streams.reader_has_gone():
        typer.echo(progress.in_a_line(look))
        time.sleep(every_s)
