"""Facts of a run for its report, read from the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.experiment_parts import Load
from uderia_bench.report.content import RunFacts
from uderia_bench.runs import actions
from uderia_bench.runs.manifest import Manifest
from uderia_bench.trial import Outcome


def of(manifest: Manifest, outcomes: Mapping[Outcome, int], *, notes: tuple[str, ...] = ()) -> RunFacts:
    """Return the facts of a run. ``outcomes`` counts its measured trials."""
    experiment, load, decided = manifest.experiment, manifest.experiment.load, manifest.decided
    settled = sum(outcomes.values())
    return RunFacts(
        run_id=manifest.run_id,
        experiment=experiment.name,
        servers=tuple(dict.fromkeys(server for arm in manifest.arms.values() for server in arm.servers)),
        embedded_speed=experiment.sim.speed if manifest.embedded else None,
        corpus=", ".join(manifest.corpus.names),
        corpus_hash=manifest.corpus.hash,
        queries=manifest.corpus.queries,
        repeats=experiment.repeats,
        seed=experiment.seed,
        isolation=load.isolation,
        concurrency=load.concurrency,
        turns=dict(manifest.plan.turns),
        arrivals=_arrivals(load),
        levels=load.sweep or (),
        ramp_s=load.ramp,
        planned=settled if decided else manifest.plan.measured,
        settled={outcome.value: count for outcome, count in outcomes.items()},
        started_at=manifest.started_at,
        ended_at=manifest.ended_at,
        generator=manifest.load_record,
        interrupted=not manifest.complete,
        left=manifest.left if manifest.state == "interrupted" else None,  # while a resumed run goes on, it is out of date
        early=decided is not None and settled < manifest.plan.measured,
        versions=dict(manifest.versions),
        notes=(
            *([decided.reason] if decided else []),
            *_weighting(experiment),
            *(outage.sentence for outage in manifest.outages),
            *(each.failure for each in manifest.hooks if each.exit_code),
            *actions.sentences(manifest.actions),
            *notes,
        ),
    )


def _weighting(experiment: Experiment) -> Iterator[str]:
    """Say what the queries count, where they do not all count the same."""
    if experiment.sample is not None and experiment.sample.by == "cost":
        yield "queries were drawn by their expected cost, and estimates are weighted back to the whole corpus"
    if experiment.weights == "traffic":
        yield "queries count as often as users ask them (weights: traffic)"


def _arrivals(load: Load) -> str | None:
    if load.arrivals == "closed":
        return None
    return load.arrivals if load.rate is None else f"{load.arrivals} at {load.rate:g}/s"
