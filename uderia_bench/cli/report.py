"""``report``: a run's report in one of its formats."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, File, Output, Overwrite, Run, value_of


def command(
    run: Run,
    form: Annotated[
        str | None, typer.Option("--format", metavar="text|markdown|json|html|junit", help="Format of the report.")
    ] = None,
    traffic: Annotated[
        str | None, typer.Option("--traffic", metavar="N/day", help="Questions in production, to show the cost per month.")
    ] = None,
    file: File = None,
    overwrite: Overwrite = False,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Print the report of a run, or write it to a file.

    The saved analysis is used. It is recomputed if metrics, detectors or tables changed since, and
    stderr gives the reason.

    Example: uderia-bench report latest -o report.md
    """
    from dataclasses import replace

    from uderia_bench import plugins
    from uderia_bench.cli.finish import rendered
    from uderia_bench.cli.target import target
    from uderia_bench.commands import report, results
    from uderia_bench.documents.yaml.quantities import Traffic
    from uderia_bench.report.monthly import month
    from uderia_bench.runs import mirror
    from uderia_bench.runs.run import opened

    questions = None if traffic is None else value_of(Traffic, traffic, "--traffic")
    shown = target(report.FORMS, form=form, as_json=as_json, file=file, overwrite=overwrite)
    found = opened(run, output)
    if found.directory.abandoned():
        goes_on = f"Continue with 'uderia-bench resume {mirror.typed(found.path)}'"
        typer.echo(f"uderia-bench: run {found.run_id} stopped before its end, and its process is gone. {goes_on}", err=True)
    installed = plugins.load()
    made = results.read(found, installed)
    if isinstance(made, results.Stale):
        from uderia_bench.commands.conclude import report_on  # imported here because it takes long

        stale, made = made, report_on(found, installed)
        save = f"To save it again, run 'uderia-bench derive {mirror.typed(found.path)}'"
        typer.echo(f"uderia-bench: the analysis was recomputed: {stale.reason}. {save}", err=True)
    if questions is not None:
        made = replace(made, month=month(made, found.trials(), questions))
    shown.deliver(rendered(made, shown, found))
