"""``power``: effects that a next run would detect, and its cost."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import OUTPUT, AsJson, Output, Run


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
    output: Output = OUTPUT,
    as_json: AsJson = False,
) -> None:
    """Show how many queries and repeats detect an effect.

    The output has the cost too. The variance is that of RUN.

    Example: uderia-bench power latest --effect 5% --queries 200 --repeats 3
    """
    from uderia_bench import plugins
    from uderia_bench.cli.finish import width
    from uderia_bench.commands import power
    from uderia_bench.report.power import as_dict, to_text
    from uderia_bench.runs.run import opened

    installed, found = plugins.load(), opened(run, output)
    share = None if effect is None else share_of(effect)
    plans = power.study(found, installed, metrics=metrics or (), effect=share, queries=queries or (), repeats=repeats or ())
    if as_json:
        streams.as_json(as_dict(plans, run_id=found.run_id))
        return
    typer.echo(to_text(plans, installed.metrics, run_id=found.run_id, remarks=power.remarks(found), width=width()), nl=False)


def share_of(effect: str) -> float:
    """Read ``--effect`` as experiments read margins."""
    from pydantic import TypeAdapter, ValidationError

    from uderia_bench.documents.yaml.quantities import Share
    from uderia_bench.errors import UsageError

    try:
        share: float = TypeAdapter(Share).validate_python(effect)
    except ValidationError as error:
        raise UsageError(f"--effect {effect}: write a share such as 10% or 0.10, at most 100%") from error
    if share == 0:
        raise UsageError("--effect 0: write a share above 0, such as 10%")
    return share
