"""The last steps of every command that runs an experiment: derive, report, print, exit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from uderia_bench.cli import github, streams
from uderia_bench.cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from uderia_bench.report.content import Report
    from uderia_bench.runner.surroundings import Surroundings
    from uderia_bench.runs.run import Run


def finish(run: Run, around: Surroundings, *, as_json: bool, also: Callable[[Run, Report], None] | None = None) -> None:
    """Derive, compare and report a run, print the report, and exit with the code of its standing.

    The files of a run in a store are written there, unless another worker has written them. ``also`` writes
    more files of the run. A signal before everything is written marks the run as interrupted, so that it
    can be continued.
    """
    from uderia_bench import plugins
    from uderia_bench.commands import conclude, results
    from uderia_bench.commands.run import settled_or_interrupted
    from uderia_bench.errors import Interrupted
    from uderia_bench.printable import plain
    from uderia_bench.report import standing
    from uderia_bench.runner import signals, sitting
    from uderia_bench.runs import mirror
    from uderia_bench.runs.shared import SharedRun

    installed = plugins.load()
    signals.take_as_interrupt()  # the run has restored the default handlers
    with sitting.interruptible(run.directory), mirror.alone(run.path):
        url = mirror.address(run.path)
        shared = None if url is None else SharedRun.open(url)
        known = shared is not None and shared.concluded(run.directory)  # else a worker may have died before all was there
        made = results.read(run, installed) if known else results.Stale("the store does not have it")
        if isinstance(made, results.Stale):
            conclude.ask_judge(run, installed, around)
            run, made = conclude.conclude(run, installed)
            if shared is not None:
                shared.conclude(run.directory)
        if also is not None:
            also(run, made)
    streams.stored()
    try:
        settled_or_interrupted(run)
    except Interrupted as error:
        typer.echo(f"uderia-bench: {plain(str(error))}", err=True)
    github.tell(made)
    shown = Target(form="json" if as_json else "text")
    shown.deliver(rendered(made, shown, run, brief=True))
    raise typer.Exit(int(standing.of(made)))


def rendered(made: Report, shown: Target, run: Run, *, brief: bool = False) -> str:
    """Return a report in the format of the target, without the last line break."""
    from uderia_bench.commands import report

    text = report.render(made, shown.form, run, width=shown.width, colour=shown.colour, brief=brief)
    return text.rstrip("\n")
