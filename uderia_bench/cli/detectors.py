"""``detectors``: kinds of issues, plug-ins included, and their thresholds."""

from __future__ import annotations

from dataclasses import fields

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import AsJson


def command(as_json: AsJson = False) -> None:
    """List every kind of issue with its severity, and thresholds.

    Example: uderia-bench detectors --json
    """
    from uderia_bench import plugins
    from uderia_bench.reading.detectors import Thresholds

    found = plugins.load().detectors
    thresholds = [{"name": one.name, "default": one.default, **one.metadata} for one in fields(Thresholds)]
    if as_json:
        rows = [
            {"name": one.name, "severity": one.severity, "doc": one.doc, "recommendation": one.recommendation} for one in found
        ]
        streams.as_json({"detectors": rows, "thresholds": thresholds})
        return
    for detector in found:
        typer.echo(f"{detector.name} [{detector.severity}]")
        typer.echo(streams.indented(detector.doc))
        typer.echo(streams.indented(f"To do: {detector.recommendation}"))
    typer.echo("\nthresholds (change one with --threshold NAME=VALUE of derive or inspect)")
    for threshold in thresholds:
        typer.echo(f"{threshold['name']} = {threshold['default']}")
        typer.echo(streams.indented(f"{threshold['doc']}; {threshold['origin']}"))
