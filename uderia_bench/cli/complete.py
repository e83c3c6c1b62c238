"""Shell completion of run ids and trial ids."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import typer

from uderia_bench.runs import OUTPUT


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the runs in ``--output`` and the baseline names, the newest run first."""
    from uderia_bench.runs import baselines
    from uderia_bench.runs.directory import MANIFEST

    output = _output(context)
    found = ["latest"]
    with suppress(OSError):
        begun = [path for path in output.iterdir() if (path / MANIFEST).is_file()]
        found += [path.name for path in sorted(begun, key=lambda path: path.stat().st_mtime, reverse=True)]
    with suppress(Exception):  # a broken file of baselines must not break the completion of runs
        found += [name for file in baselines.files([None]) for name in baselines.load(file)]
    return [name for name in dict.fromkeys(found) if name.startswith(incomplete)]


def trials(context: typer.Context, incomplete: str) -> list[str]:
    """Return the trials of the run that was typed."""
    from uderia_bench.errors import BenchError
    from uderia_bench.runs import find
    from uderia_bench.runs.ledger import Ledger

    try:
        found = find.directory(context.params["run"], _output(context))
        with Ledger.open(found.ledger) as ledger:
            return [trial.trial_id for trial in ledger.plan() if trial.trial_id.startswith(incomplete)]
    except (BenchError, KeyError, OSError):
        return []


def _output(context: typer.Context) -> Path:
    return Path(context.params.get("output") or OUTPUT)
