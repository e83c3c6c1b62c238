"""Ramps, sweeps and schedules of a run, on a scripted server in virtual time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import anyio
import httpx
import pytest
from benches import Bench, planned, under
from scripted import Scripted

from uderia_bench.runner import pacing
from uderia_bench.runner.arrivals import PREPARE_S, STARTS_A_SECOND, Arrivals, Spacing
from uderia_bench.runner.pacing import Shape
from uderia_bench.trial import Ending

pytestmark = pytest.mark.anyio


def swept(count, levels, *, arms=("OPTIM",)):
    """Return ``count`` blocks at each level, one window per level and arm; repeats continue from level to level."""
    trials = []
    for place, level in enumerate(levels):
        for one in planned(count, arms=arms, window_of=lambda _, arm: arms.index(arm)):
            window = place * len(arms) + one.window
            named = {"trial_id": f"{one.trial_id[:-1]}{place + 1}", "repeat": place + 1, "level": level}
            trials.append(replace(one, seq=len(trials), window=window, **named))
    return tuple(trials)


def in_flight(records):
    """Return the most trials in flight at once by level, from the client's own times."""
    spans = defaultdict(list)
    for record in records.values():
        spans[record.trial.level].append((record.sent_s, record.sent_s + record.seen_hi_s))
    return {
        level: max(sum(begun <= at < ended for begun, ended in of_level) for at, _ in of_level)
        for level, of_level in spans.items()
    }


async def test_each_level_of_a_sweep_has_its_own_slots(tmp_path):
    """Each level has exactly its number of trials in flight, and starts when the level before has ended."""
    levels = (1, 2, 6)
    bench = Bench(tmp_path, Scripted(), swept(12, levels), under(load={"sweep": levels}))
    await bench.run()
    records = bench.records()
    assert in_flight(records) == {1: 1, 2: 2, 6: 6}
    sent = sorted(records.values(), key=lambda record: record.sent_s)
    assert [record.trial.level for record in sent] == [1] * 12 + [2] * 12 + [6] * 12
    assert {record.ending for record in sent} == {Ending.SETTLED}


async def test_arms_of_a_sweep_stay_apart(tmp_path):
    """Each window holds one arm at one level."""
    levels = (2, 4)
    trials = swept(6, levels, arms=("IDEAT", "OPTIM"))
    bench = Bench(tmp_path, Scripted(), trials, under(load={"sweep": levels}))
    await bench.run()
    assert bench.server.overlaps == {frozenset({"p-ideat"}), frozenset({"p-optim"})}
    assert in_flight(bench.records()) == {2: 2, 4: 4}


async def test_rates_are_swept_by_the_clock(tmp_path):
    """At each level the distance between trials follows from its rate, however long the trials take."""
    levels = (1.0, 4.0)
    by_rate = under(load={"arrivals": "constant", "sweep": levels})
    bench = Bench(tmp_path, Scripted(task_s=20.0), swept(8, levels), by_rate)
    await bench.run()
    for level in levels:
        due = sorted(record.due_s for record in bench.records().values() if record.trial.level == level)
        assert [moment - due[0] for moment in due] == pytest.approx([n / level for n in range(8)], abs=0.01)


async def test_slots_open_over_a_ramp(tmp_path):
    """With five slots over eight seconds, one slot opens every two seconds; then all five are used."""
    ramped = under(load={"concurrency": 5, "ramp": 8.0}, timeout=500.0)
    bench = Bench(tmp_path, Scripted(task_s=100.0), planned(10, arms=("OPTIM",)), ramped)
    await bench.run()
    sent = sorted(record.sent_s for record in bench.records().values())
    assert sent[:5] == pytest.approx([0, 2, 4, 6, 8], abs=0.1)
    assert sent[5] > 100
    assert bench.server.most_in_flight == 5


async def test_a_run_shorter_than_its_ramp_does_not_wait_for_the_ramp(tmp_path):
    """The run ends with its last trial, while slots are still opening."""
    bench = Bench(tmp_path, Scripted(task_s=1.0), planned(2, arms=("OPTIM",)), under(load={"concurrency": 50, "ramp": 3600.0}))
    await bench.run()
    assert anyio.current_time() < 60


async def test_a_schedule_continues_from_window_to_window(tmp_path):
    """The first trial of a window is due when the window opens, and the pause before it is not part of the ramp."""
    ramped = under(load={"arrivals": "constant", "rate": 4.0, "ramp": 8.0})  # due after 0, 2, 2.8, 3.5, 4, 4.5, 4.9, 5.3 s
    trials = planned(8, arms=("OPTIM",), window_of=lambda block, _: block // 4)
    bench = Bench(tmp_path, Scripted(task_s=30.0), trials, ramped)
    await bench.run()
    due = sorted(record.due_s for record in bench.records().values())
    first, second = ([moment - window[0] for moment in window] for window in (due[:4], due[4:]))
    assert first == pytest.approx([0, 2, 8**0.5, 12**0.5], abs=0.01)
    assert second == pytest.approx([0, 20**0.5 - 4, 24**0.5 - 4, 28**0.5 - 4], abs=0.01)


async def test_arrivals_that_were_due_and_never_sent_are_counted(tmp_path, monkeypatch):
    """While a server is away, arrivals wait; at a stop, those that were due and not sent are counted."""
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 4)  # the length of retries decides how many
    paced = under(load={"arrivals": "constant", "rate": 2.0}, grace=0.0)
    server = Scripted(task_s=1.0)
    bench = Bench(tmp_path, server, planned(60, arms=("OPTIM",)), paced)

    async def interrupt():
        await anyio.sleep(1.2)
        for call in ("/sessions", "/auth/me"):
            server.trouble(call, *[httpx.ConnectError("nobody there")] * 1000)
        await anyio.sleep(PREPARE_S + 4)
        bench.stop.ask()

    await bench.run(during=interrupt)
    measured = bench.gauge.conditions()
    assert measured.never_sent >= 3
    assert len(bench.records()) + measured.never_sent == 11  # due after 0, 0.5, … 5 s


async def test_an_open_loop_counts_its_overdue_arrivals():
    """A schedule of 2 per second that waits after two trials has six overdue trials after 3.6 s."""
    arrivals = Arrivals(Shape(slots=1, pacer=pacing.constant(2.0)))
    arrivals.open_window()
    begun_s = anyio.current_time() + PREPARE_S
    assert [arrivals.next_due_s() - begun_s for _ in range(2)] == [0, 0.5]
    await anyio.sleep(PREPARE_S + 3.6)
    assert arrivals.next_due_s() - begun_s == 1.0
    assert arrivals.overdue(100) == 6  # due after 1, 1.5, … 3.5 s
    assert arrivals.overdue(2) == 3


def test_starts_that_come_together_are_spread_and_those_that_do_not_are_left_alone():
    """At 4 starts per second, three that come together start 0.25 s apart; a late one starts at once and saves no credit."""
    starts = Spacing(rate=4.0)
    assert [starts.take(now_s) for now_s in (10.0, 10.0, 10.0, 20.0, 20.0)] == [10.0, 10.25, 10.5, 20.0, 20.25]


async def test_a_closed_loop_starts_its_slots_one_after_the_other(tmp_path):
    """Forty trials start over 156 ms; the wait is part of ``queue_s``, which begins when the slot was free."""
    bench = Bench(tmp_path, Scripted(task_s=5.0, submit_s=0.0), planned(40, arms=("OPTIM",)), under(load={"concurrency": 40}))
    await bench.run()
    records = sorted(bench.records().values(), key=lambda record: record.trial.seq)
    apart = [later.sent_s - earlier.sent_s for earlier, later in pairwise(records)]
    assert apart == pytest.approx([1 / STARTS_A_SECOND] * 39)
    assert all(record.sent_s - record.due_s >= 0 for record in records)
    assert bench.server.most_in_flight == 40
    assert bench.gauge.conditions().send_late_p99_s == pytest.approx(0, abs=1e-6)
