"""``power``: effects that a next run would detect, and its cost."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, File, Output, Overwrite, Run, value_of


def command(
    run: Run,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="Metric. Default: those with margins. May be repeated.")
    ] = None,
    effect: Annotated[
        str | None, typer.Option("--effect", metavar="SHARE", help="Effect to detect, such as 10%. Default: the margins.")
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
    """Show how many queries and repeats detect an effect.

    The output has the cost too. The variance is that of RUN.

    Example: uderia-bench power latest --effect 5% --queries 200 --repeats 3
    """
    from pydantic import Field

    from uderia_bench import plugins
    from uderia_bench.cli.target import target
    from uderia_bench.commands import power
    from uderia_bench.documents.yaml.quantities import Share
    from uderia_bench.report.power import as_dict, to_text
    from uderia_bench.runs.run import opened

    shown = target(("text", "json"), as_json=as_json, file=file, overwrite=overwrite)
    installed, found = plugins.load(), opened(run, output)
    share = None if effect is None else value_of(Annotated[Share, Field(gt=0)], effect, "--effect")
    plans = power.study(found, installed, metrics=metrics or (), effect=share, queries=queries or (), repeats=repeats or ())
    if shown.form == "json":
        shown.deliver(streams.json_of(as_dict(plans, run_id=found.run_id)))
        return
    text = to_text(plans, installed.metrics, run_id=found.run_id, remarks=power.remarks(found), width=shown.width)
    shown.deliver(text.rstrip("\n"))
