"""``diff``: compare two runs."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import complete
from uderia_bench.cli.options import OUTPUT, AsJson, File, Output, Overwrite, Run


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
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 if a planned metric is worse.")] = False,
    every_metric: Annotated[bool, typer.Option("--all-metrics", help="With --gate: also metrics without a margin.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show every metric, percentiles, and how to read them.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Compare runs even if their queries or settings differ.")] = False,
    form: Annotated[
        str | None, typer.Option("--format", metavar="text|markdown|json|junit", help="Format of the output.")
    ] = None,
    file: File = None,
    overwrite: Overwrite = False,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: what got worse, and by how much.

    The output has since when, and what changed in between, too. Arms of the same name are compared, paired by query.
    Intervals include the variation between nights, from at least five earlier runs of the experiment.

    Example: uderia-bench diff last-week latest --arm OPTIM --gate
    """
    from dataclasses import replace

    from uderia_bench import plugins
    from uderia_bench.cli.target import target
    from uderia_bench.commands import diff, diff_text, report
    from uderia_bench.report import standing
    from uderia_bench.report.formats.text import to_text
    from uderia_bench.runs import mirror
    from uderia_bench.runs.run import opened

    shown = target(("text", "markdown", "json", "junit"), form=form, as_json=as_json, file=file, overwrite=overwrite)
    found = opened(run, output)
    before = opened(baseline, output, beside=found.manifest.experiment_folder)  # as the run itself does
    made = diff.compare(before, found, plugins.load(), arm=arm, force=force, gate=gate, every_metric=every_metric)
    named = replace(made, facts=replace(made.facts, typed=mirror.typed(found.path)))
    if shown.form == "text" and not full:
        text = diff_text.in_brief(made, before, found, width=shown.width)
    elif shown.form == "text":
        text = to_text(named, shown.width, colour=shown.colour, leaving=True)
    else:
        text = report.render(made, shown.form, None)
    shown.deliver(text.rstrip("\n"))
    raise typer.Exit(int(standing.of(made)))
