"""Resume after a crash at any time: ended trials are not asked again, and a query that is sent twice is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import anyio
import httpx
import pytest
from benches import Bench, planned, under
from ledgers import mark_asked, settle
from scripted import Scripted

from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Ending

pytestmark = pytest.mark.anyio
TRIALS = planned(3, arms=("OPTIM",))
CALLS = 3 + 3 * 7  # sign-in and profiles, then session, query, some polls and details of each trial: more than a run has


class Dying(Scripted):
    """A server whose client dies at its ``nth`` call: before the server hears of it, or before the answer is heard."""

    def __init__(self, nth: int, *, heard: bool, **state) -> None:
        super().__init__(**state)
        self.nth, self.heard, self.death = nth, heard, anyio.CancelScope()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.nth -= 1
        if self.nth == 0 and not self.heard:
            self.death.cancel()
            await anyio.sleep_forever()
        answer = await super()._answer(request)
        if self.nth == 0:
            self.death.cancel()
            await anyio.sleep_forever()
        return answer


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("nth", range(1, CALLS))
async def test_a_crash_at_any_call_loses_no_trial(tmp_path, nth, heard):
    """Every trial ends answered, repeated queries are counted, and ended tasks are kept."""
    server = Dying(nth, heard=heard, task_s=2.0)
    bench = Bench(tmp_path, server, TRIALS, under(load={"concurrency": 2}))
    with server.death:
        await bench.run()
    before = bench.records() if bench.path.exists() else {}
    await bench.run(resume=bench.path.exists())
    records = bench.records()
    assert {record.ending for record in records.values()} == {Ending.SETTLED}
    assert len(records) == len(TRIALS)
    arrived = Counter(body["prompt"] for path, body in server.bodies if path.endswith("/query"))
    for trial_id, record in records.items():
        assert arrived[record.trial.prompt] <= record.attempts
        assert before.get(trial_id, record).task_id == record.task_id
    taken = Counter(task["prompt"] for task in server.tasks.values())
    assert set(taken.values()) == {1}  # whatever the instant, the agent was asked once


async def test_a_query_that_arrived_as_the_process_died_is_found_in_its_session(tmp_path):
    """Its session names its task at the end, and the query is not sent again."""
    server = Scripted(task_s=20.0)
    real = server.start

    def dies(session_id, body):
        real(session_id, body)
        death.cancel()

    server.start = dies
    bench = Bench(tmp_path, server, TRIALS[:1])
    with anyio.CancelScope() as death:
        await bench.run()
    await bench.run(resume=True)
    (record,) = bench.records().values()
    assert (record.ending, record.task_id, record.attempts) == (Ending.SETTLED, "task-0", 1)
    assert server.count("POST", "/query") == 1


async def test_a_task_that_ended_long_ago_is_answered_and_not_timed_out(tmp_path):
    """A trial picked up after its deadline is polled first; if it still runs, it is cancelled."""
    for task_s, ending in ((20.0, Ending.SETTLED), (1e6, Ending.TIMED_OUT)):
        server = Scripted(task_s=task_s)
        folder = tmp_path / ending.value
        folder.mkdir()
        bench = Bench(folder, server, TRIALS[:1], under(timeout=60.0))
        with anyio.move_on_after(5):
            await bench.run()
        await _backdate(bench, timedelta(hours=3))
        await anyio.sleep(100)
        await bench.run(resume=True)
        (record,) = bench.records().values()
        assert record.ending is ending
        assert server.count("POST", "/query") == 1


async def test_a_clock_that_was_set_back_keeps_the_deadline(tmp_path):
    """A query whose UTC timestamp is in the future has one timeout from when it is picked up."""
    server = Scripted(task_s=1e6)
    bench = Bench(tmp_path, server, TRIALS[:1], under(timeout=60.0))
    with anyio.move_on_after(5):
        await bench.run()
    await _backdate(bench, -timedelta(days=400))
    began = anyio.current_time()
    await bench.run(resume=True)
    (record,) = bench.records().values()
    assert record.ending is Ending.TIMED_OUT
    assert anyio.current_time() - began < 75


async def test_a_trial_of_a_server_that_forgot_everything_is_asked_again(tmp_path):
    """Task and session are gone with a restart, so the trial is asked again, after one that warms the server up."""
    server = Scripted(task_s=20.0)
    bench = Bench(tmp_path, server, TRIALS[:1])
    with anyio.move_on_after(5):
        await bench.run()
    server.tasks.clear()
    server.sessions.clear()
    await bench.run(resume=True)
    (record,) = bench.records().values()
    assert (record.ending, record.attempts) == (Ending.SETTLED, 3)


async def test_trials_of_a_lost_embedded_server_are_asked_again_and_counted(tmp_path):
    """The embedded server ends with its process, so no task is looked for on the next one."""
    bench = Bench(tmp_path, Scripted(task_s=20.0), TRIALS)
    with anyio.move_on_after(5):
        await bench.run()
    with Ledger.open(bench.path, writing=True) as ledger:
        assert ledger.forget("http://s", ["OPTIM"]) == 3
    bench.server = Scripted(task_s=1.0)
    await bench.run(resume=True)
    assert {(record.ending, record.attempts) for record in bench.records().values()} == {(Ending.SETTLED, 2)}
    assert bench.server.count("GET", "/details") == 3


async def test_bodies_of_an_earlier_try_are_not_kept(tmp_path):
    """A trial that left bodies and is asked again without any has none."""
    bench = Bench(tmp_path, Scripted(), TRIALS[:1])
    await bench.run()
    with Ledger.open(bench.path, writing=True) as ledger:
        (record,) = ledger.records()
        settle(ledger, replace(record, ending=Ending.UNREACHABLE, task=None, session=None))
        (again,) = ledger.records()
    assert (again.task, again.session) == (None, None)


async def _backdate(bench: Bench, by: timedelta) -> None:
    """Move when the first trial was sent."""
    with Ledger.open(bench.path, writing=True) as ledger:
        record = ledger.pending(bench.trials[0].trial_id)
        mark_asked(ledger, replace(record, sent_at=record.sent_at - by))
