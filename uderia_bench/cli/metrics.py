"""``metrics``: every metric, plug-ins included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uderia_bench.reading.metrics.metric import Metric


def command(
    columns: Annotated[bool, typer.Option("--columns", help="List every column of every Parquet table.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every metric with its unit, direction and meaning.

    Example: uderia-bench metrics --json
    """
    from uderia_bench import plugins

    found = plugins.load().metrics
    if columns:
        _print_columns(found, as_json=as_json)
        return
    if as_json:
        streams.as_json([{"name": metric.name, **metric.definition} for metric in found])
        return
    family = None
    for metric in found:
        if metric.family != family:
            family = metric.family
            typer.echo(f"\n{family}" if metric is not found[0] else family)
        typer.echo(f"  {metric.name} [{metric.unit}, {metric.direction}]")
        typer.echo(streams.indented(metric.doc))


def _print_columns(metrics: Sequence[Metric], *, as_json: bool) -> None:
    """Print the data dictionary."""
    from uderia_bench.commands.columns import TABLES
    from uderia_bench.commands.columns import columns as every_column

    found = every_column(metrics)
    if as_json:
        streams.as_json(found)
        return
    for table, about in TABLES.items():
        typer.echo(f"{table}: {about}")
        for each in (one for one in found if one.table == table):
            typer.echo(f"  {each.column} [{each.type}{f', {each.unit}' if each.unit else ''}]")
            typer.echo(streams.indented(each.meaning))
        typer.echo()
