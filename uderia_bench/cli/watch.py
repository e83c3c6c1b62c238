"""``watch``: a run in progress, from its ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, Output, Run

if TYPE_CHECKING:
    from uderia_bench.commands.watch import Watcher
    from uderia_bench.report.watch import Look

NAME = "watch"
NEEDS_ARGUMENTS = True
ON_A_TERMINAL_S = 2.0
IN_A_LOG_S = 10.0  # as the run itself: a log wants signs of life, not a line a trial


def command(
    run: Run,
    once: Annotated[bool, typer.Option("--once", help="Look once, in full, and leave.")] = False,
    every: Annotated[float | None, typer.Option("--every", metavar="S", help="Seconds between looks.")] = None,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Watch a run until it ends: outcomes, rate, time left, numbers so far.

    Example: uderia-bench watch latest
    """
    import json
    import sys

    from uderia_bench.cli.finish import width
    from uderia_bench.commands.watch import Watcher
    from uderia_bench.report import watch as progress
    from uderia_bench.runs import find
    from uderia_bench.runs.ledger import Ledger

    found = find.directory(run, output)

    def over(look: Look) -> bool:
        return not (look.left and look.running)

    with Ledger.open(found.ledger) as ledger:
        watcher = Watcher(ledger, is_running=lambda: found.state() == "running")
        if as_json:
            typer.echo(json.dumps(progress.as_dict(watcher.look()), indent=2))
            return
        if not once and sys.stdout.isatty():
            _live(watcher, over, every or ON_A_TERMINAL_S)
        elif not once:
            _lines(watcher, over, every or IN_A_LOG_S)
        typer.echo(progress.in_full(watcher.look(), width=width()))


def _live(watcher: Watcher, over: Callable[[Look], bool], every_s: float) -> None:
    """Draw every look over the one before; the last one is the caller's to print."""
    import time

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from uderia_bench.cli.finish import width
    from uderia_bench.report import watch as progress

    with Live(console=Console(), transient=True, auto_refresh=False) as screen:
        while not over(look := watcher.look()):
            screen.update(Text(progress.in_full(look, width=width())), refresh=True)
            time.sleep(every_s)


def _lines(watcher: Watcher, over: Callable[[Look], bool], every_s: float) -> None:
    """Write a line a look, until the run is over."""
    import time

    from uderia_bench.report import watch as progress

    while not over(look := watcher.look()):
        typer.echo(progress.in_a_line(look))
        time.sleep(every_s)
