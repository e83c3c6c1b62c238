"""What a report says of the run itself, from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from uderia_bench.documents.experiment import SIM
from uderia_bench.documents.experiment_parts import Load
from uderia_bench.report.content import RunFacts
from uderia_bench.runs.manifest import experiment_of, generator
from uderia_bench.trial import Outcome


def of(manifest: dict[str, Any], outcomes: Mapping[Outcome, int], *, notes: tuple[str, ...] = ()) -> RunFacts:
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
