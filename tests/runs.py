"""Run directories made by hand, as derived runs leave them: a manifest and the Parquet of a frame of trials."""

from dataclasses import replace

import polars as pl
from experiments import built, queries

from uderia_bench.runs import manifest
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.run import Run
from uderia_bench.trial import Serving

STARTED = "2026-11-24T10:00:00+00:00"


def saved(output, run_id, frame, *, started=STARTED, asked=None, planned=None, models=(), state="complete", **fields):
    """Save a frame of trials as a run of the experiment that ``fields`` describe; returns the run.

    ``planned`` is how many measured trials there should be, by default as many as there are; ``asked`` the corpus, by default
    the queries of the frame.
    """
    arms = tuple(sorted(frame["arm"].unique()))
    asked = queries(frame["query_id"].n_unique()) if asked is None else asked
    experiment = built(asked, **{"arms": arms, "repeats": max(int(frame["repeat"].max()), 1), "name": "small", **fields})
    serving = {
        arm: Serving(server="sim", profile_id=arm, profile_tag=arm, profile_type="tool_enabled", models=models) for arm in arms
    }
    facts = manifest.begun(experiment, [], run_id=run_id, arms=serving, servers={}, started_at=_at(started))
    facts = replace(
        facts,
        plan=replace(facts.plan, measured=frame.height if planned is None else planned),
        state=state,
        ended_at=_at(started),
    )
    run = RunDirectory(output / run_id)
    (run.path / "trials").mkdir(parents=True)
    stage = [] if "stage" in frame.columns else [pl.lit("measured").alias("stage")]
    frame.with_columns(pl.lit(run_id).alias("run_id"), *stage).write_parquet(run.path / "trials" / "part-0.parquet")
    return Run(directory=run, manifest=facts).written(facts)


def manifest_of(run_id="r", *, server="sim", state="complete"):
    """Return the manifest of a small run, for tests that need one and look at none of it."""
    experiment = built(queries(1), arms=("A",), server=server, name="small")
    arms = {"A": Serving(server=server, profile_id="A", profile_tag="A", profile_type="tool_enabled")}
    made = manifest.begun(experiment, [], run_id=run_id, arms=arms, servers={}, started_at=_at(STARTED))
    return replace(made, state=state)


def _at(stamp):
    from datetime import datetime

    return datetime.fromisoformat(stamp)
