"""``diff``: compare two runs."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import complete
from uderia_bench.cli.options import OUTPUT, AsJson, Output, Run


def command(
    baseline: Annotated[
        str,
        typer.Argument(
            metavar="BASELINE",
            help="The run to compare with: a run id, a directory or a baseline name.",
            autocompletion=complete.runs,
        ),
    ],
    run: Run,
    arm: Annotated[str | None, typer.Option("--arm", metavar="NAME", help="Compare only this arm.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 if a verdict over all queries is worse.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Compare runs even if their queries or settings differ.")] = False,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Compare two runs.

    Arms of the same name are compared, paired by query. Intervals include the variation
    between nights, from at least five earlier runs of the experiment.

    Example: uderia-bench diff last-week latest --arm OPTIM --gate
    """
    from dataclasses import replace

    from uderia_bench import plugins
    from uderia_bench.cli.finish import deliver, width
    from uderia_bench.cli.options import colour
    from uderia_bench.commands import diff, report
    from uderia_bench.report import content
    from uderia_bench.report.formats.as_json import to_json
    from uderia_bench.report.formats.text import to_text
    from uderia_bench.runs.run import opened

    found = opened(run, output)
    before = opened(baseline, output, beside=found.manifest.experiment_folder)  # as the run itself does
    made = diff.compare(before, found, plugins.load(), arm=arm, force=force, gate=gate)
    shown = replace(made, facts=replace(made.facts, typed=report.typed(found)))
    text = to_json(made) if as_json else to_text(shown, width(), colour=colour(), leaving=True)
    deliver(text.rstrip("\n"), "json" if as_json else "text")
    raise typer.Exit(int(content.standing(made)))
