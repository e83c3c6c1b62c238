"""``derive``: recompute the tables and reports of a run."""

from __future__ import annotations

import typer

from uderia_bench.cli.options import OUTPUT, Output, Run, Threshold
from uderia_bench.printable import count_of, plain


def command(run: Run, output: Output = OUTPUT, threshold: Threshold = None) -> None:
    """Recompute the tables and reports of a run.

    They are computed from the raw records of the run, without a server.

    Example: uderia-bench derive latest
    """
    from uderia_bench import plugins
    from uderia_bench.commands import conclude
    from uderia_bench.reading.detectors import thresholds
    from uderia_bench.runs.run import opened

    found = opened(run, output)
    found, made = conclude.conclude(found, plugins.load(), thresholds.changed(threshold or ()))
    for line in conclude.damage(found):
        typer.echo(f"uderia-bench: {line}", err=True)
    trials = sum(sum(arm.outcomes.values()) for arm in made.analysis.arms)
    typer.echo(plain(f"derived {count_of(trials, 'measured trial')} of {found.run_id} into {found.path / 'trials'}"))
