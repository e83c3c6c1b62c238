"""``metrics``: every metric, plug-ins included."""

from __future__ import annotations

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import AsJson


def command(as_json: AsJson = False) -> None:
    """List every metric with its unit, direction and meaning.

    Example: uderia-bench metrics --json
    """
    from uderia_bench import plugins

    found = plugins.load().metrics
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
