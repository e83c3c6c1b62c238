"""``inspect``: one trial in full, from a run or from files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli import complete
from uderia_bench.cli.options import OUTPUT, RUN_HELP, AsJson, File, Output, Overwrite, Threshold

_LISTED = 50  # trials listed where none is named

Run = Annotated[str | None, typer.Argument(metavar="[RUN", help=RUN_HELP, autocompletion=complete.runs, show_default=False)]
TrialId = Annotated[
    str | None,
    typer.Argument(
        metavar="TRIAL]", help="A trial id, or the beginning of one.", autocompletion=complete.trials, show_default=False
    ),
]
Task = Annotated[Path | None, typer.Option("--task", metavar="FILE", help="JSON of a task, from GET /api/v1/tasks/{id}.")]
Session = Annotated[
    Path | None, typer.Option("--session", metavar="FILE", help="JSON of a session, from GET /api/v1/sessions/{id}/details.")
]
Child = Annotated[
    list[Path] | None,
    typer.Option("--child", metavar="FILE", help="JSON of a session of a profile that a coordinator consulted. Repeatable."),
]


def command(
    run: Run = None,
    trial: TrialId = None,
    task: Task = None,
    session: Session = None,
    child: Child = None,
    threshold: Threshold = None,
    file: File = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    output: Output = OUTPUT,
) -> None:
    """Show one trial in full, or list the trials of a run.

    The output has the plan, the phases, the tokens of every LLM call, the tools, issues with
    evidence, and a timeline.

    Example: uderia-bench inspect latest db-count-OPTIM-r1

    Example: uderia-bench inspect --task task.json --session session.json
    """
    from uderia_bench import plugins
    from uderia_bench.cli.target import target
    from uderia_bench.cli.trials import show
    from uderia_bench.commands import inspect
    from uderia_bench.commands.listing import Wanted
    from uderia_bench.errors import UsageError
    from uderia_bench.reading.detectors import thresholds
    from uderia_bench.report.trial.inspected import to_json
    from uderia_bench.report.trial.text import to_text
    from uderia_bench.runs.run import opened

    shown = target(("text", "json"), as_json=as_json, file=file, overwrite=overwrite)
    compared = thresholds.changed(threshold or ())
    if task is not None and run is None:
        found = inspect.of_files(task, session, plugins.load(), compared, children=child or ())
    elif run is not None and trial is not None and task is None and session is None and not child:
        found = inspect.of_run(opened(run, output), trial, plugins.load(), compared)
    elif run is not None and trial is None and task is None and session is None:
        show(opened(run, output), Wanted(most=_LISTED), shown)
        return
    else:
        raise UsageError("write inspect RUN TRIAL, or inspect --task FILE [--session FILE] [--child FILE]")
    shown.deliver(to_json(found) if shown.form == "json" else to_text(found, shown.width).rstrip("\n"))
