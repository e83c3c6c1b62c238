"""A sweep from its document to its knee: planned, asked on a server with a fixed number of workers, derived, analysed."""

from __future__ import annotations

import heapq
from datetime import UTC, datetime, timedelta

import anyio
import orjson
import polars as pl
import pytest
from benches import Bench
from experiments import built, queries
from scripted import Scripted

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.flights import flights
from uderia_bench.reading import derive
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.reading.profile_types import BUILT_IN as TYPES
from uderia_bench.runner import plan
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Serving

LATENCY, TASK = (next(metric for metric in BUILT_IN if metric.name == name) for name in ("latency_s", "task_s"))
BEGUN = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Workers(Scripted):
    """A server with a fixed number of workers; other tasks wait."""

    def __init__(self, workers, **given):
        super().__init__(**given)
        self.free = [0.0] * workers

    def start(self, session_id, body):
        """Start a task when a worker is free."""
        task_id = super().start(session_id, body)
        begins = max(anyio.current_time(), heapq.heappop(self.free))
        self.tasks[task_id]["end"] = begins + self.task_s
        heapq.heappush(self.free, self.tasks[task_id]["end"])
        return task_id


@pytest.mark.no_cover
@pytest.mark.anyio
@pytest.mark.parametrize(("workers", "found"), [(4, True), (64, False)])
async def test_a_planted_knee_is_found_and_no_other(tmp_path, workers, found):
    """A server with four workers has its knee at four; one with a worker for every trial has none."""
    experiment = built(queries(12), arms=("OPTIM",), repeats=2, warmup=1, load={"sweep": [1, 2, 4, 8, 16]}, name="sweep")
    bench = Bench(tmp_path, Workers(workers, task_s=2.0), plan.build(experiment, experiment.queries), experiment)
    bench.utc = lambda: BEGUN + timedelta(seconds=anyio.current_time())  # throughput is of the times people read
    await bench.run()
    run = RunDirectory(tmp_path)
    derive.run(run, derive.Reading(metrics=(LATENCY,), types=TYPES))
    trials = pl.read_parquet(tmp_path / "trials" / "*.parquet")
    assert sorted(trials["level"].unique()) == [1, 2, 4, 8, 16]
    (sweep,) = analyse(trials, metrics=(LATENCY,), contrasts=(), margins={}, seed=7).sweeps
    assert sweep.knee.found is found, sweep.knee.reason
    if found:
        assert sweep.knee.in_flight.value == pytest.approx(workers, rel=0.3)
    assert [level.trials for level in sweep.levels] == [24] * 5


@pytest.mark.anyio
async def test_picked_up_trials_are_known_by_their_notes(tmp_path):
    """A process dies over four of eight trials and another continues ten hours later; their client times are unknown."""
    experiment = built(queries(8), arms=("OPTIM",), repeats=1, warmup=0)
    bench = Bench(tmp_path, Scripted(task_s=20.0), plan.build(experiment, experiment.queries))
    bench.utc = lambda: BEGUN + timedelta(seconds=anyio.current_time())
    with anyio.move_on_after(5):
        await bench.run()
    bench.utc = lambda: BEGUN + timedelta(hours=10, seconds=anyio.current_time())
    await bench.run(resume=True)
    derive.run(RunDirectory(tmp_path), derive.Reading(metrics=(LATENCY, TASK), types=TYPES))
    trials = pl.read_parquet(tmp_path / "trials" / "*.parquet")
    took = (pl.col("done_at") - pl.col("sent_at")).dt.total_seconds()
    assert sum(trials.select(took).to_series() > 35_000) == 4
    assert flights(trials).select(took).to_series().to_list() == pytest.approx([20] * 4, abs=5)


def test_ledgers_from_before_there_were_levels_are_read(tmp_path):
    """A planned trial without a level has none, and resumes as planned."""
    experiment = built(queries(2), repeats=1, warmup=0)
    trials = plan.build(experiment, experiment.queries)
    arms = {arm: Serving(server="s", profile_id=arm, profile_tag=arm, profile_type="llm_only") for arm in "AB"}
    path = tmp_path / "ledger.sqlite"
    with Ledger.create(path, trials, arms) as ledger:
        for row, planned in ledger._db.execute("SELECT rowid, planned FROM trials").fetchall():
            older = orjson.loads(planned)
            del older["level"]
            with ledger._db:
                ledger._db.execute("UPDATE trials SET planned = ? WHERE rowid = ?", (orjson.dumps(older).decode(), row))
    with Ledger.open(path) as ledger:
        assert ledger.plan() == ledger.unsettled() == trials
        assert {trial.level for trial in ledger.plan()} == {None}
