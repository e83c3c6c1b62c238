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

from uderia_bench.analysis import conditions
from uderia_bench.analysis.conditions import Conditions
from uderia_bench.analysis.looking import Decided, Looked
from uderia_bench.checks import Asked, Expected
from uderia_bench.corpus import Query, content_hash
from uderia_bench.documents import Document, Override, set_values, validate
from uderia_bench.errors import UsageError
from uderia_bench.expectation import Expectation
from uderia_bench.expectations import ExpectationKind
from uderia_bench.experiment import ENDS_IT, SIM, Experiment
from uderia_bench.experiment_parts import Load
from uderia_bench.judge import Score, Settings
from uderia_bench.metrics.metric import Metric
from uderia_bench.report.content import RunFacts
from uderia_bench.trial import Expected as Serving
from uderia_bench.trial import Outcome, Stage, Trial

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


def expected(manifest: dict[str, Any], kinds: Sequence[ExpectationKind], scores: Mapping[str, Score] | None = None) -> Expected:
    """Return what the run expected of each query's turns, to be judged by ``kinds`` and the scores its judge has given."""
    found: dict[Asked, list[Expectation]] = {}
    for query_id, entries in manifest["corpus"].get("expect", {}).items():
        for entry in entries:
            expectation = Expectation.model_validate(entry, strict=False)  # JSON has no tuples
            found.setdefault((query_id, entry["turn"]), []).append(expectation)
    judge = experiment_of(manifest).judge if found else None
    return Expected(
        of={asked: tuple(each) for asked, each in found.items()},
        kinds={kind.name: kind for kind in kinds},
        judge=None
        if judge is None
        else Settings(model=judge.model, rubric=judge.rubric, repeats=judge.repeats, swap=judge.swap),
        scores=scores or {},
    )


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


def measured(manifest: dict[str, Any], sitting: Conditions) -> dict[str, Any]:
    """Return the manifest with what one more sitting measured of its load generator: ``generator`` holds an entry a sitting."""
    return {**manifest, "generator": [*manifest.get("generator", ()), asdict(sitting)]}


def generator(manifest: dict[str, Any]) -> Conditions | None:
    """Return what the run measured of its load generator, of several sittings the worst; None where it did not."""
    return conditions.read(manifest.get("generator", ()))


def looked(manifest: dict[str, Any]) -> Looked | None:
    """Return how far a run with declared looks came; None without any."""
    stop = experiment_of(manifest).stop
    if stop is None:
        return None
    decided = manifest.get("decided")
    return Looked(metric=stop.metric, look=decided["at"]["look"] if decided else stop.looks, looks=stop.looks)


def derived(manifest: dict[str, Any], metrics: Sequence[Metric]) -> dict[str, Any]:
    """Return the manifest with the metric definitions its Parquet was derived with."""
    definitions = {
        metric.name: {
            "doc": metric.doc,
            "unit": metric.unit,
            "type": metric.kind.__name__,
            "direction": metric.direction,
            "assumption": metric.assumption,
            "family": metric.family,
        }
        for metric in metrics
    }
    return {**manifest, "metrics": definitions}


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


def facts(manifest: dict[str, Any], outcomes: Mapping[Outcome, int], *, notes: tuple[str, ...] = ()) -> RunFacts:
    """Return what a report says of the run itself. ``outcomes`` counts its measured trials."""
    experiment = experiment_of(manifest)
    load = experiment.load
    decided = manifest.get("decided")
    embedded = any(arm["server"] == SIM for arm in manifest["arms"].values())
    return RunFacts(
        run_id=manifest["run_id"],
        experiment=experiment.name,
        servers=tuple(dict.fromkeys(arm["server"] for arm in manifest["arms"].values())),
        embedded_speed=experiment.sim.speed if embedded else None,
        corpus=", ".join(manifest["corpus"]["names"]),
        corpus_hash=manifest["corpus"]["hash"],
        queries=manifest["corpus"]["queries"],
        repeats=experiment.repeats,
        seed=experiment.seed,
        isolation=experiment.load.isolation,
        concurrency=experiment.load.concurrency,
        arrivals=_arrivals(load),
        levels=load.sweep or (),
        ramp_s=load.ramp,
        planned=sum(outcomes.values()) if decided else manifest["plan"]["measured"],
        settled={outcome.value: count for outcome, count in outcomes.items()},
        started_at=_stamp(manifest.get("started_at")),
        ended_at=_stamp(manifest.get("ended_at")),
        generator=generator(manifest),
        interrupted=manifest["state"] != "complete",
        left=manifest.get("left") if manifest["state"] == "interrupted" else None,  # of one resumed it is the last sitting's
        early=bool(decided) and sum(outcomes.values()) < manifest["plan"]["measured"],
        versions=dict(manifest["versions"]),
        notes=(decided["reason"], *notes) if decided else notes,
    )


def _arrivals(load: Load) -> str | None:
    if load.arrivals == "closed":
        return None
    return load.arrivals if load.rate is None else f"{load.arrivals} at {load.rate:g}/s"


def _stamp(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
