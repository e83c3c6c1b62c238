"""``inspect``: one trial in full, from a run or from raw files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, Output, Threshold

NAME = "inspect"
NEEDS_ARGUMENTS = True

Run = Annotated[str | None, typer.Argument(metavar="[RUN", help="A run id, a run directory, or 'latest'.", show_default=False)]
TrialId = Annotated[
    str | None, typer.Argument(metavar="TRIAL]", help="A trial's id, or enough of its beginning.", show_default=False)
]
Task = Annotated[Path | None, typer.Option("--task", metavar="FILE", help="A task as GET /api/v1/tasks/{id} returns it.")]
Session = Annotated[
    Path | None, typer.Option("--session", metavar="FILE", help="A session as GET /api/v1/sessions/{id}/details returns it.")
]


def command(
    run: Run = None,
    trial: TrialId = None,
    task: Task = None,
    session: Session = None,
    threshold: Threshold = None,
    as_json: AsJson = False,
    output: Output = OUTPUT,
) -> None:
    """Show one trial: plan, phases with their path, token ledger by call, tools, issues with evidence, timeline.

    Example: uderia-bench inspect latest db-count-OPTIM-r1

    Example: uderia-bench inspect --task task.json --session session.json
    """
    from uderia_bench import plugins
    from uderia_bench.cli.finish import width
    from uderia_bench.commands import inspect
    from uderia_bench.errors import UsageError
    from uderia_bench.reading.detectors import thresholds
    from uderia_bench.report.trial.inspected import to_json
    from uderia_bench.report.trial.text import to_text
    from uderia_bench.runs.run import opened

    compared = thresholds.changed(threshold or ())
    if task is not None and run is None:
        found = inspect.of_files(task, session, plugins.load(), compared)
    elif run is not None and trial is not None and task is None and session is None:
        found = inspect.of_run(opened(run, output), trial, plugins.load(), compared)
    else:
        raise UsageError("name a run and a trial (inspect RUN TRIAL), or files (inspect --task FILE [--session FILE])")
    typer.echo(to_json(found) if as_json else to_text(found, width()).rstrip("\n"))
