"""Clocks that jump during a run or between its sittings: only UTC timestamps show the jump."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from itertools import cycle

import anyio
import pytest
from benches import Bench, planned, under
from scripted import Scripted

from uderia_bench.runner.clock import SteadyUtc
from uderia_bench.runner.stop import Stop
from uderia_bench.trial import Ending, TrialRecord

pytestmark = pytest.mark.anyio
BEGAN = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
MEASURED = tuple(field.name for field in fields(TrialRecord) if not field.name.endswith("_at"))
HOURS = (-5, 5)


class Wall:
    """A UTC clock that follows the run's clock and can be set."""

    def __init__(self) -> None:
        self.set_by = timedelta()

    def __call__(self) -> datetime:
        """Return the time it shows."""
        return BEGAN + timedelta(seconds=anyio.current_time()) + self.set_by


class Killed(Exception):
    """Stands for the death of the process."""


async def test_a_clock_jump_during_a_run_changes_only_utc_timestamps(tmp_path):
    """With jumps of hours at every poll, times, endings, polls and attempts equal those of an undisturbed run."""
    told = []
    for name, hours in (("steady", [0]), ("set", [5, -3, 11, 0, -40])):
        (tmp_path / name).mkdir()
        made, by = Bench(tmp_path / name, Scripted(task_s=3.0), planned(12)), cycle(hours)
        began_s = anyio.current_time()
        made.utc = lambda by=by: BEGAN + timedelta(seconds=anyio.current_time(), hours=next(by))
        await made.run()
        told.append((anyio.current_time() - began_s, made.records()))
    (steady_s, steady), (set_s, jumping) = told
    assert set_s == pytest.approx(steady_s)
    for trial_id, record in steady.items():
        for field in MEASURED:
            seen, expected = getattr(jumping[trial_id], field), getattr(record, field)
            assert seen == (pytest.approx(expected) if isinstance(expected, float) else expected), field
    assert all(record.sent_at - steady[name].sent_at > timedelta(hours=4) for name, record in jumping.items())  # it was set


async def test_each_time_is_later_than_the_one_before():
    """A clock may stand still or be set back: what is sent after an outage was noticed still has a later time."""
    utc = SteadyUtc(cycle(BEGAN - timedelta(hours=hours) for hours in (0, 0, 5)).__next__)
    shown = [utc() for _ in range(7)]
    assert shown == sorted(set(shown))
    assert shown[-1] - shown[0] < timedelta(seconds=1)


async def killed(bench: Bench, after_s: float) -> None:
    """Run until the process dies."""

    async def die():
        await anyio.sleep(after_s)
        raise Killed

    with pytest.RaisesGroup(Killed):
        await bench.run(during=die)
    bench.stop = Stop()


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("away_s", [1.0, 30.0])
async def test_a_clock_that_is_set_between_sittings_costs_no_answer(tmp_path, hours, away_s):
    """Tasks that still run or ended meanwhile are picked up by id; no query is sent twice."""
    bench = Bench(tmp_path, Scripted(task_s=12.0), planned(4, arms=("OPTIM",)))
    bench.utc = Wall()
    await killed(bench, 5.0)
    await anyio.sleep(away_s)
    bench.utc.set_by = timedelta(hours=hours)
    await bench.run(resume=True)
    assert [(record.ending, record.attempts) for record in bench.records().values()] == [(Ending.SETTLED, 1)] * 4
    assert len(bench.server.tasks) == 4


@pytest.mark.parametrize("hours", HOURS)
async def test_a_task_that_never_ends_holds_a_resume_no_longer_than_its_timeout(tmp_path, hours):
    """Whatever UTC suggests, a picked-up trial has at most one timeout from then on."""
    bench = Bench(tmp_path, Scripted(task_s=1e9), planned(4, arms=("OPTIM",)), under(timeout=60.0))
    bench.utc = Wall()
    await killed(bench, 5.0)
    bench.utc.set_by = timedelta(hours=hours)
    began_s = anyio.current_time()
    await bench.run(resume=True)
    assert {record.ending for record in bench.records().values()} == {Ending.TIMED_OUT}
    assert anyio.current_time() - began_s < 60 + 15
