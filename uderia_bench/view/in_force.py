"""The settings of a run that are in force, and what it has spent of its budget.

People change settings while a run goes on. A change holds until the process of the run ends: after a resume the
experiment holds again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import isfinite
from types import MappingProxyType

import orjson
from pydantic import ValidationError

from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.experiment_parts import Budget
from uderia_bench.errors import StoreError
from uderia_bench.runner import pacing
from uderia_bench.runner.control import takes_commands_since
from uderia_bench.runs.actions import Action
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run
from uderia_bench.view.state import Spending

_BUDGETS: Mapping[str, str] = MappingProxyType({"trials": "trials", "tokens": "tokens", "usd": "usd", "time_s": "time"})


def changed(actions: Sequence[Action], *, since: datetime | None) -> list[tuple[str, str]]:
    """Return the path and the value of each setting that people have changed since a time, in order."""
    said = [action.about.partition("=") for action in actions if action.what == "set" and (since is None or action.at > since)]
    return [(path, value) for path, _, value in said]


def sitting_since(run: Run) -> datetime | None:
    """Return when the process of a run began to take commands, or when the run ended; None if neither is known."""
    return takes_commands_since(run.path) or run.manifest.ended_at


def slots(experiment: Experiment, changes: Sequence[tuple[str, str]]) -> int | None:
    """Return the slots of a run in a closed loop; None for other loads."""
    load = experiment.load
    if load.arrivals != "closed" or load.sweep is not None:
        return None
    found = pacing.of(load, experiment.seed).slots
    for path, value in changes:
        if path == "load.concurrency" and value.isdecimal():
            found = int(value)
    return found


def spending(ledger: Ledger, budget: Budget, changes: Sequence[tuple[str, str]]) -> Iterator[Spending]:
    """Yield what a run has spent, with the limits in force; raises ``StoreError`` if the ledger's account is damaged."""
    spent = spent_so_far(ledger)
    for path, value in changes:
        part, _, key = path.partition(".")
        if part == "budget" and key in _BUDGETS.values():
            with suppress(ValidationError):  # a value that no run has accepted
                budget = budget.model_validate({**budget.model_dump(), key: value}, strict=False)
    for what, key in _BUDGETS.items():
        limit = getattr(budget, key)
        if spent or limit is not None:
            yield Spending(what=what, spent=spent.get(what, 0.0), limit=limit)


def spent_so_far(ledger: Ledger) -> dict[str, float]:
    """Return what a run has spent when a trial settled last, by the names of a budget; empty where nothing has.

    Raises ``StoreError`` if the ledger's account is damaged.
    """
    said = ledger.account()
    try:
        return {name: _amount(value) for name, value in orjson.loads(said)["spent"].items()} if said else {}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise StoreError(f"{ledger.path}: the account of the run's spending is damaged: {error}") from error


def _amount(value: float | str) -> float:
    if not isfinite(amount := float(value)):
        raise ValueError(f"{value} is not an amount")
    return amount
