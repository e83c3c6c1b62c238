"""The whole job, from an experiment to a run directory with its reports: plan, connect, run, derive, compare, write.

It prints nothing but progress and decides no exit code; the command line does both, from the report's one rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.yaml import Override
from uderia_bench.errors import Interrupted
from uderia_bench.runner import plan, sitting
from uderia_bench.runner.sitting import Surroundings
from uderia_bench.runs import directory as store
from uderia_bench.runs import manifest
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger


def start(experiment: Experiment, *, output: Path, run_id: str | None, around: Surroundings) -> RunDirectory:
    """Run an experiment into a new run directory, as far as nobody interrupts it.

    Raises ``StoreError`` where the directory cannot be made and ``CannotRun`` where the servers or profiles are not there; then
    nothing is left behind.
    """
    trials = plan.build(experiment, experiment.queries)
    started_at = datetime.now(UTC)
    run = store.create(output, run_id or f"{started_at:%Y%m%d-%H%M%S}-{_slug(experiment.name)}")
    try:
        sitting.first(experiment, trials, run, around, started_at)
    except BaseException:
        run.remove_if_unused()
        raise
    return run


def resume(run: RunDirectory, around: Surroundings, overrides: Iterable[str | Override] = ()) -> RunDirectory:
    """Ask what an interrupted run left unasked; what was answered is not asked again. ``overrides`` set what ends it early.

    A run that a declared look has decided has nothing left to ask.
    """
    facts = manifest.amended(run.manifest(), overrides)
    if not facts.get("decided"):
        sitting.again(facts, run, around)
    return run


def settled_or_interrupted(run: RunDirectory) -> None:
    """Raise ``Interrupted``, with how to go on, where a run has trials left to ask."""
    with Ledger.open(run.ledger) as ledger:
        left = len(ledger.unsettled())
    facts = run.manifest()
    if left and not facts.get("decided"):
        reason = facts.get("stopped")
        because = f"{reason}; " if reason else ""
        raise Interrupted(f"{because}{left} trials are left: {sitting.how_to_go_on(run)}")


def _slug(name: str) -> str:
    """Return an experiment's name as part of a run id."""
    kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in name.lower())
    return "-".join(part for part in kept.split("-") if part)[:40] or "run"
