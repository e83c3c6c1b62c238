"""Starts that do not queue on themselves."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from benches import CONDITIONS, Bench, planned
from scripted import Scripted

from uderia_bench.runner.spacing import STARTS_A_SECOND, Spacing


def test_starts_that_come_together_are_spread_and_those_that_do_not_are_left_alone():
    """Three at once start a quarter of a second apart at 4/s; one that comes late starts at once and earns no credit."""
    starts = Spacing(rate=4.0)
    assert [starts.take(now_s) for now_s in (10.0, 10.0, 10.0, 20.0, 20.0)] == [10.0, 10.25, 10.5, 20.0, 20.25]


@pytest.mark.anyio
async def test_a_closed_loop_starts_its_slots_one_after_the_other(tmp_path):
    """Forty slots at once open over 156 ms, sessions included; what waited so is in queue_s, from when the slot was free."""
    bench = Bench(
        tmp_path, Scripted(task_s=5.0, submit_s=0.0), planned(40, arms=("OPTIM",)), replace(CONDITIONS, concurrency=40)
    )
    await bench.run()
    records = sorted(bench.records().values(), key=lambda record: record.trial.seq)
    apart = [later.sent_s - earlier.sent_s for earlier, later in pairwise(records)]
    assert apart == pytest.approx([1 / STARTS_A_SECOND] * 39)
    assert all(record.sent_s - record.due_s >= 0 for record in records)
    assert bench.server.most_in_flight == 40
    assert bench.gauge.conditions().send_late_p99_s == pytest.approx(0, abs=1e-6)
