"""``power``: effects that a next run would detect, and its cost."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, RUN_HELP, AsJson, File, Output, Overwrite, value_of

Target = Annotated[
    str,
    typer.Argument(metavar="EXPERIMENT|RUN", help=f"An experiment file, before its first run. Or a run: {RUN_HELP}"),
]


def command(
    run: Target,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="Metric. Default: those with margins. May be repeated.")
    ] = None,
    effect: Annotated[
        str | None,
        typer.Option(
            "--effect",
            metavar="SHARE",
            help="Effect to detect, such as 10%. Default: the margins, or for a file twice the largest.",
        ),
    ] = None,
    queries: Annotated[
        list[int] | None, typer.Option("--queries", metavar="N", min=2, help="Number of queries. May be repeated.")
    ] = None,
    repeats: Annotated[
        list[int] | None, typer.Option("--repeats", metavar="N", min=1, help="Number of repeats. May be repeated.")
    ] = None,
    file: File = None,
    overwrite: Overwrite = False,
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Plan a run, from an experiment file or from a finished run.

    For an experiment file, the output has the designs that end with a verdict in 80 and 95% of runs, their
    expected and largest cost, and the lines to paste. For a run, it has the effects that a number of queries
    and repeats detects, from the variance of the run.

    Example: uderia-bench power configs/verdict.yaml --effect 20%
    """
    from pydantic import Field

    from uderia_bench import plugins
    from uderia_bench.cli.target import target
    from uderia_bench.commands import check, design, power
    from uderia_bench.documents.yaml.quantities import Share
    from uderia_bench.errors import UsageError
    from uderia_bench.report import design as designs
    from uderia_bench.report.power import as_dict, to_text
    from uderia_bench.runs.run import opened

    shown = target(("text", "json"), as_json=as_json, file=file, overwrite=overwrite)
    share = None if effect is None else value_of(Annotated[Share, Field(gt=0)], effect, "--effect")
    installed = plugins.load()
    if run.endswith((".yaml", ".yml")):
        if queries or repeats:
            raise UsageError("--queries and --repeats are for a run; for an experiment, power finds them")
        study = design.study(check.load(run, installed), installed, output, metrics=tuple(metrics or ()), effect=share)
        as_text = designs.to_text(study, width=shown.width).rstrip("\n")
        shown.deliver(streams.json_of(designs.as_dict(study)) if shown.form == "json" else as_text)
        return
    found = opened(run, output)
    plans = power.study(found, installed, metrics=metrics or (), effect=share, queries=queries or (), repeats=repeats or ())
    if shown.form == "json":
        shown.deliver(streams.json_of(as_dict(plans, run_id=found.run_id)))
        return
    text = to_text(plans, installed.metrics, run_id=found.run_id, remarks=power.remarks(found), width=shown.width)
    shown.deliver(text.rstrip("\n"))
