"""What a run's manifest says, and how the rest is read back from it. Pure: dicts in and out, no file.

The manifest makes a run directory stand alone: ``derive`` and ``report`` need neither the experiment file nor the server.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from uderia_bench.documents.corpus import Query, content_hash
from uderia_bench.documents.experiment import ENDS_IT, Experiment
from uderia_bench.documents.yaml import Document, Override, set_values, validate
from uderia_bench.errors import UsageError
from uderia_bench.runs import generator as records
from uderia_bench.runs.generator import GeneratorRecord
from uderia_bench.runs.interim import Decided, Looked
from uderia_bench.trial import Serving, Stage, Trial

SCHEMA = "uderia-bench/manifest/1"
DISTRIBUTIONS = ("uderia-bench", "anyio", "httpx", "numpy", "polars", "pyarrow", "scipy")  # what a number may depend on


def begun(
    experiment: Experiment,
    plan: Sequence[Trial],
    *,
    run_id: str,
    arms: Mapping[str, Serving],
    servers: Mapping[str, Any],
    started_at: datetime,
) -> dict[str, Any]:
    """Return the manifest of a run about to start."""
    return {
        "schema": SCHEMA,
        "run_id": run_id,
        "state": "running",
        "started_at": started_at.isoformat(),
        "ended_at": None,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in DISTRIBUTIONS}},
        "seed": experiment.seed,
        "experiment": _said(experiment),
        "experiment_hash": experiment.content_hash,
        "experiment_file": str(Path(experiment.place("").file).absolute()),  # names of runs are kept beside it
        "corpus": {
            "names": [corpus.name for corpus in experiment.corpora],
            "hash": content_hash(experiment.queries),
            "queries": len(experiment.queries),
            "expect": {query.id: _expectations(query) for query in experiment.queries if query.expect},
        },
        "plan": {
            "trials": len(plan),
            "measured": sum(trial.stage is Stage.MEASURED for trial in plan),
            "windows": len({trial.window for trial in plan}),
        },
        "arms": {name: asdict(expected) for name, expected in arms.items()},
        "servers": dict(servers),
    }


def _expectations(query: Query) -> list[dict[str, Any]]:
    """Return what is expected of a query's answers, each with the turn it speaks of."""
    return [
        {**expectation.model_dump(mode="json", exclude_unset=True), "turn": expectation.turn or len(query.turns)}
        for expectation in query.expect
    ]


def _said(experiment: Experiment) -> dict[str, Any]:
    """Return the experiment with its defaults filled in, less the lists that may be left out but not be empty."""
    said = experiment.model_dump(mode="json")
    said["filter"] = experiment.filter.model_dump(mode="json", exclude_defaults=True)
    return said if said["corpus"] else {name: value for name, value in said.items() if name != "corpus"}


def ended(manifest: dict[str, Any], *, left: int, ended_at: datetime, decided: Decided | None = None) -> dict[str, Any]:
    """Return the manifest of a run that has stopped, with so many trials left to ask, or where a declared look ``decided``."""
    state = "interrupted" if left else "complete"
    said = None if decided is None else {**asdict(decided), "reason": decided.reason}
    return {**manifest, "state": state, "left": left, "ended_at": ended_at.isoformat(), "decided": said}


def measured(manifest: dict[str, Any], sitting: GeneratorRecord) -> dict[str, Any]:
    """Return the manifest with what one more sitting measured of its load generator: ``generator`` holds an entry a sitting."""
    return {**manifest, "generator": [*manifest.get("generator", ()), asdict(sitting)]}


def generator(manifest: dict[str, Any]) -> GeneratorRecord | None:
    """Return what the run measured of its load generator, of several sittings the worst; None where it did not."""
    return records.read(manifest.get("generator", ()))


def looked(manifest: dict[str, Any]) -> Looked | None:
    """Return how far a run with declared looks came; None without any."""
    stop = experiment_of(manifest).stop
    if stop is None:
        return None
    decided = manifest.get("decided")
    return Looked(metric=stop.metric, look=decided["at"]["look"] if decided else stop.looks, looks=stop.looks)


def experiment_of(manifest: dict[str, Any]) -> Experiment:
    """Return the experiment as it was run, without its corpora."""
    return Experiment.model_validate(manifest["experiment"], strict=False)  # JSON has no tuples


def amended(manifest: dict[str, Any], overrides: Iterable[str | Override]) -> dict[str, Any]:
    """Return the manifest with what ends the run early set anew; raises ``UsageError`` for whatever else."""
    before = Document.of(manifest["experiment"], file="manifest.json")
    after = set_values(before, overrides)
    experiment = validate(Experiment, after)
    if changed := [key for key in after.data if key not in ENDS_IT and after.value((key,)) != before.value((key,))]:
        raise UsageError(f"a resume asks what is left of the plan: it may set {', '.join(ENDS_IT)} anew, not {changed[0]}")
    ends = experiment.model_dump(mode="json", include=set(ENDS_IT))
    return {**manifest, "experiment": {**manifest["experiment"], **ends}}
