"""The measurements of the load generator: lateness, stalls inside round trips, and the garbage collector."""

from __future__ import annotations

import gc
import time

import anyio
import pytest
from benches import Bench, planned, under
from scripted import Scripted

from uderia_bench.analysis.conditions import failed_conditions
from uderia_bench.runner.gauge import (
    BEAT_S,
    COLLECT_AFTER,
    COLLECT_IDLE_AFTER,
    STALLS_KEPT,
    STALLS_NAMED,
    Gauge,
    Histogram,
    collector_paused,
)

QUICK_S = 0.1  # a typical answer of an agent at twenty times its speed, and faster than any real one


@pytest.mark.parametrize(("share", "exact"), [(0.5, 0.050), (0.9, 0.090), (0.99, 0.099), (1.0, 0.1)])
def test_a_quantile_is_at_most_five_percent_too_high(share, exact):
    """For 1 to 100 ms the median is 50 ms; memory is one bucket per 5 %, whatever the number of values."""
    lateness = Histogram()
    for milliseconds in range(1, 101):
        lateness.add(milliseconds / 1000)
    assert exact <= lateness.quantile_s(share) <= exact * 1.05
    assert (lateness.count, lateness.max_s) == (100, 0.1)
    assert lateness.mean_s == pytest.approx(0.0505)


def test_no_values_have_no_quantile_and_early_is_not_late():
    """Without values a quantile is None; a negative lateness counts as 0."""
    lateness = Histogram()
    assert (lateness.quantile_s(0.99), lateness.mean_s) == (None, None)
    lateness.add(-1.0)
    assert (lateness.quantile_s(0.99), lateness.mean_s, lateness.max_s) == (0.0, 0.0, 0.0)


def test_the_lag_counts_missed_beats():
    """A loop that stood still for five of ten seconds made half of all times late, by 2.5 s on average."""
    gauge, now_s = Gauge(), 0.0
    while now_s < 5:
        gauge.woke(now_s, now_s)
        now_s += BEAT_S
    gauge.woke(5.0, 10.0)
    found = gauge.conditions()
    assert found.lag_mean_s == pytest.approx(1.25, rel=0.01)
    assert found.lag_p99_s == pytest.approx(4.9, rel=0.06)
    assert (found.lag_max_s, found.stalls, found.stalled_s) == (5.0, 1, 5.0)


def test_a_round_trip_holds_the_part_of_a_stall_that_lies_in_it():
    """Only the overlap of a stall with the interval counts."""
    gauge = Gauge()
    gauge.woke(1.0, 2.0)
    gauge.woke(3.0, 3.001)  # too short to be called a stall
    gauge.woke(4.0, 4.5)
    intervals = [(0.0, 1.0), (0.5, 1.25), (1.25, 1.5), (1.5, 5.0), (2.0, 4.0), (4.25, 9.0), (4.5, 9.0)]
    assert [gauge.stalled_s(*interval) for interval in intervals] == [0, 0.25, 0.25, 1.0, 0, 0.25, 0]


@pytest.mark.no_cover
def test_memory_does_not_grow_with_the_stalls():
    """With ten times as many stalls as are kept: the newest are kept, the longest are named, all are counted."""
    gauge, many = Gauge(), 10 * STALLS_KEPT
    for second in range(many):
        gauge.woke(float(second), second + (0.5 if second == 7 else 0.02))
    found = gauge.conditions()
    assert found.stalls == many
    assert found.longest_stalls[0] == (7.0, 0.5)
    assert len(found.longest_stalls) == STALLS_NAMED
    assert gauge.stalled_s(0, many) == pytest.approx(0.02 * STALLS_KEPT)


def test_a_blocked_loop_makes_the_run_invalid():
    """The report and the trial show that a real event loop stood still for 0.2 s."""
    gauge = Gauge()

    async def ask():
        async with anyio.create_task_group() as group:
            group.start_soon(gauge.watch)
            with gauge.flying():
                begun_s = anyio.current_time()
                await anyio.sleep(2 * BEAT_S)
                time.sleep(0.2)  # noqa: ASYNC251 - that is the point
                await anyio.sleep(2 * BEAT_S)
                stalled_s = gauge.stalled_s(begun_s, anyio.current_time())
            group.cancel_scope.cancel()
        return stalled_s

    assert anyio.run(ask, backend="asyncio") > 0.15
    measured = gauge.conditions()
    assert measured.stalls >= 1
    assert measured.lag_max_s > 0.15
    (reason,) = failed_conditions(measured, QUICK_S)
    assert "event loop was late" in reason


@pytest.mark.anyio
async def test_a_loop_on_time_raises_no_warning(tmp_path):
    """In virtual time no event is late: L equals lambda W, no trial is flagged and the run is valid."""
    bench = Bench(tmp_path, Scripted(task_s=3.0), planned(20, arms=("OPTIM",)))
    bench.gauge = Gauge()
    await bench.run()
    measured = bench.gauge.conditions()
    assert (measured.trials, measured.lag_max_s, measured.stalls) == (20, pytest.approx(0, abs=1e-9), 0)
    assert measured.in_flight == pytest.approx(measured.arrival_rate * measured.flight_s)
    assert 3.0 < measured.in_flight <= 4.0
    assert failed_conditions(measured, QUICK_S) == ()
    assert {record.stall_s for record in bench.records().values()} == {0.0}


@pytest.mark.anyio
async def test_an_open_loop_reports_its_rate(tmp_path):
    """Scheduled and achieved arrivals per second leave out the pauses between windows."""
    trials = planned(20, arms=("OPTIM",), window_of=lambda block, _: block // 10)
    bench = Bench(tmp_path, Scripted(task_s=30.0), trials, under(load={"arrivals": "constant", "rate": 4.0}))
    await bench.run()
    measured = bench.gauge.conditions()
    assert measured.asked_rate == pytest.approx(4.0)
    assert measured.achieved_rate == pytest.approx(4.0)
    assert measured.send_late_p99_s == pytest.approx(0, abs=1e-6)


@pytest.mark.anyio
async def test_a_stall_is_recorded_with_the_trial_it_hit(tmp_path):
    """The stall inside the round trip of a submit is stored with that trial and with no other."""
    bench = Bench(tmp_path, Scripted(task_s=1.0, submit_s=0.5), planned(2, arms=("OPTIM",)), under(load={"concurrency": 1}))
    begun_s = anyio.current_time()
    bench.gauge.woke(begun_s + 0.1, begun_s + 0.3)
    await bench.run()
    assert [bench.records()[name].stall_s for name in ("q0-OPTIM-r1", "q1-OPTIM-r1")] == pytest.approx([0.2, 0.0])


@pytest.fixture
def collections():
    """Count the collections."""
    counted = []

    def note(phase, info):
        if phase == "start":
            counted.append(info)

    gc.callbacks.append(note)
    yield counted
    gc.callbacks.remove(note)


def pile_up(objects):
    """Make objects that the collector counts, and keep them."""
    return [[number] for number in range(objects)]


def test_no_collection_runs_while_trials_are_in_flight(collections):
    """Python starts no collection itself; the first one runs when no trial is in flight."""
    with collector_paused() as collect:
        gc.collect()
        collections.clear()
        kept = pile_up(20 * COLLECT_IDLE_AFTER)  # CPython would collect 300 times on the way
        collect(idle=False)
        assert (collections, len(kept)) == ([], 20 * COLLECT_IDLE_AFTER)
        collect(idle=True)
        assert [each["generation"] for each in collections] == [2]
        collect(idle=True)
        assert len(collections) == 1


def test_a_collection_runs_under_load_after_many_allocations(collections):
    """A run that is never idle still collects before memory grows too much."""
    with collector_paused() as collect:
        gc.collect()
        collections.clear()
        kept = pile_up(COLLECT_AFTER - 1_000)
        collect(idle=False)
        assert not collections
        kept += pile_up(1_000)
        collect(idle=False)
        assert len(collections) == 1


def test_a_cycle_is_collected_while_idle():
    """The reference cycles of failed trials are gone after the next idle time."""
    with collector_paused() as collect:
        gc.collect()
        for _ in range(COLLECT_IDLE_AFTER):
            cycle = []
            cycle.append(cycle)
        before = len(gc.get_objects())
        collect(idle=True)
        assert before - len(gc.get_objects()) >= COLLECT_IDLE_AFTER - 1


@pytest.mark.parametrize(("worked", "frozen"), [(True, False), (False, False), (True, True)])
def test_the_collector_is_restored(worked, frozen):
    """The collector is enabled again if it was before, also after an error. Objects stay frozen where some were before."""

    def fail():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
        raise ZeroDivisionError

    (gc.enable if worked else gc.disable)()
    (gc.freeze if frozen else gc.unfreeze)()
    try:
        with pytest.raises(ZeroDivisionError), collector_paused():
            fail()
        assert (gc.isenabled(), gc.get_freeze_count() > 0) == (worked, frozen)
    finally:
        gc.enable()
        gc.freeze()  # as tests/conftest.py has it
