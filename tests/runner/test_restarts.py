"""A server that was restarted or away during a run: affected trials are asked again, and the outage is recorded."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain

import anyio
import anyio.lowlevel
import httpx
import pytest
import traces
from benches import Bench, planned, talk, under
from scripted import CONFIGURATIONS, PROFILES, Scripted

from uderia_bench.gateway.uderia import Presence
from uderia_bench.runner import runner
from uderia_bench.runner.asking import IDLE_WAIT_S
from uderia_bench.runner.lane import DOUBTFUL, LOST_BY_RESTART, MOST_ASKINGS
from uderia_bench.runner.patience import CHECK_EVERY, SHUTDOWN_S, Patience
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.outage import Cause, Outage
from uderia_bench.trial import Ending

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Restarting(Scripted):
    """A server that restarts; its first query afterwards takes 25 s."""

    down = False
    cold = False
    shutting_down = False

    async def _answer(self, request):
        if self.down:
            raise httpx.ConnectError("refused")
        return await super()._answer(request)

    def start(self, session_id, body):
        """Start a task, a slow one after a restart."""
        task_id = super().start(session_id, body)
        if self.cold:
            self.tasks[task_id]["end"] += 25.0
            self.cold = False
        if self.shutting_down:
            self.tasks[task_id]["cancelled"] = True
        return task_id

    async def kill(self, *, away_s: float) -> None:
        """Restart as after SIGKILL."""
        self.down = True
        self.tasks.clear()
        await anyio.sleep(away_s)
        self.tasks.clear()  # of a request that was on its way
        self.down, self.cold, self.shutting_down = False, True, False

    async def terminate(self, *, away_s: float) -> None:
        """Restart as after SIGTERM: tasks are cancelled, and the server answers for some seconds more."""
        self.shutting_down = True
        for task in self.tasks.values():
            task["cancelled"] = True
        await anyio.sleep(10.0)
        await self.kill(away_s=away_s)


def durations(bench):
    """Return how long each trial took by the client's clock."""
    return {trial_id: record.seen_hi_s for trial_id, record in bench.records().items()}


@pytest.mark.parametrize("signal", ["kill", "terminate"])
@pytest.mark.parametrize("at_s", [4.0, 7.5, 13.0])
async def test_a_restart_costs_no_trial_and_is_recorded(tmp_path, signal, at_s):
    """Every trial is answered, none of them took the time of the outage or of the cold server, and the outage is named."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(12, window_of=lambda block, arm: 2 * (block // 4) + (arm == "OPTIM")))

    async def restart():
        await anyio.sleep(at_s)
        await getattr(server, signal)(away_s=20.0)

    await bench.run(during=restart)
    records = bench.records().values()
    assert {record.ending for record in records} == {Ending.SETTLED}
    assert max(durations(bench).values()) < 8.0
    (outage,) = bench.outages
    assert outage.cause in (Cause.AWAY, Cause.RESTART)
    assert (outage.ended_at - outage.began_at).total_seconds() < 25
    assert outage.asked_again
    assert {trial_id.split("-")[1] for trial_id in outage.warmups} == {"IDEAT", "OPTIM"}
    assert "asked again" in outage.sentence


async def test_a_quick_restart_between_two_windows_is_noticed(tmp_path):
    """The server was away while no request was sent; it has forgotten an earlier task, so it is cold.

    Trials that are asked again count once, so a budget of eight trials is enough for eight.
    """
    server, plan = Restarting(task_s=3.0), planned(4, window_of=lambda block, arm: 2 * (block // 4) + (arm == "OPTIM"))
    bench = Bench(tmp_path, server, plan, under(budget={"trials": len(plan)}))
    seen = []

    def restart(record, _):
        seen.append(record)
        if len(seen) == 4:
            server.tasks.clear()
            server.cold = True

    bench.watch = restart
    await bench.run()
    assert max(durations(bench).values()) < 8.0
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    (outage,) = bench.outages
    assert (outage.cause, len(outage.asked_again)) == (Cause.RESTART, 4)  # each may have met the new server
    assert {trial_id.split("-")[1] for trial_id in outage.warmups} == {"IDEAT", "OPTIM"}


@pytest.mark.parametrize("away_s", [0.3, 1.2])
async def test_a_shutdown_with_a_quick_start_is_noticed(tmp_path, away_s):
    """The server is back before the next probe. It has forgotten the cancelled tasks, so no trial waits for its end."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(12, window_of=lambda block, arm: 2 * (block // 4) + (arm == "OPTIM")))

    async def restart():
        await anyio.sleep(4.0)
        await server.terminate(away_s=away_s)

    begun_s = anyio.current_time()
    await bench.run(during=restart)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert max(durations(bench).values()) < 8.0
    assert len(bench.outages) == 1
    assert bench.outages[0].asked_again
    assert anyio.current_time() - begun_s < 10 + SHUTDOWN_S + 45


async def test_a_turn_that_was_saved_before_a_restart_warms_nothing_up(tmp_path):
    """It is read from its session. The next query is the first on the new server and is not counted."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(4, arms=("OPTIM",)), under(load={"concurrency": 1}))

    async def restart():
        await anyio.sleep(5.0)
        server.finish(max(server.tasks))
        await server.kill(away_s=5.0)

    await bench.run(during=restart)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert max(took_s for took_s in durations(bench).values() if took_s is not None) < 8.0
    (outage,) = bench.outages
    assert len(outage.warmups) == 1


async def test_a_trial_sent_between_a_restart_and_its_discovery_is_asked_again(tmp_path):
    """It met the cold server, though it was sent before the run knew of the restart."""
    server = Restarting(task_s=6.0)
    bench = Bench(tmp_path, server, planned(6, arms=("OPTIM",)), under(load={"concurrency": 2}))
    seen = []

    def restart(record, _):
        seen.append(record)
        if len(seen) == 2:
            server.tasks = {f"forgotten {name}": {**task, "cancelled": True} for name, task in server.tasks.items()}
            server.cold = True

    async def stagger():
        await anyio.sleep(1.0)
        next(iter(server.tasks.values()))["end"] += 2.0

    bench.watch = restart
    await bench.run(during=stagger)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert max(durations(bench).values()) < 12.0
    (outage,) = bench.outages
    assert outage.cause is Cause.RESTART


async def test_a_restart_between_two_trials_is_noticed_later(tmp_path):
    """The next trial was answered by the new server, which still knows its task and none before."""
    server = Restarting(task_s=3.0)
    bench = Bench(
        tmp_path,
        server,
        planned(4, window_of=lambda block, arm: 2 * (block // 2) + (arm == "OPTIM")),
        under(load={"concurrency": 1}),
    )
    seen = []

    def restart(record, _):
        seen.append(record)
        if len(seen) == 1:
            server.tasks = {f"forgotten {name}": task for name, task in server.tasks.items()}

    bench.watch = restart
    await bench.run()
    assert [outage.cause for outage in bench.outages] == [Cause.RESTART]


@pytest.mark.parametrize(("sent", "same", "met"), [(8, False, True), (19, False, True), (19, True, False), (21, False, False)])
async def test_who_met_a_cold_server(sent, same, met):
    """An outage ends at 20 s. A trial that was sent before may have ended on either server, if there are two."""
    sent_at, ended_at = NOON + timedelta(seconds=sent), NOON + timedelta(seconds=20)
    outage = Outage(server="s", cause=Cause.AWAY, began_at=NOON, ended_at=ended_at)
    patience = Patience(
        uderia=None, stop=None, arms=(), on_quota="pause", outage_s=1, slots=1, utc=None, changed=None, outages=[outage]
    )
    patience._same = same
    assert patience.met_cold(traces.record(b"{}", sent_at=sent_at)) is met


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_clock_that_is_set_after_a_restart_has_no_more_trials_asked_again(tmp_path, hours):
    """Trials that are sent after the restart was noticed stay so, whatever the machine's clock shows."""
    asked = []
    for name, by in (("steady", 0), ("set", hours)):
        (tmp_path / name).mkdir()
        server, seen, set_by = Restarting(task_s=3.0), [], [timedelta(0)]
        bench = Bench(tmp_path / name, server, planned(16, arms=("OPTIM",)), under(load={"concurrency": 1}))
        bench.utc = lambda set_by=set_by: NOON + timedelta(seconds=anyio.current_time()) + set_by[0]

        def disturb(record, _, server=server, seen=seen, set_by=set_by, by=by):
            seen.append(record.trial.trial_id)
            if len(seen) == 3:
                server.tasks.clear()
                server.cold = True
            elif len(seen) == 14:
                set_by[0] = timedelta(hours=by)

        bench.watch = disturb
        await bench.run()
        assert [outage.cause for outage in bench.outages] == [Cause.RESTART]
        asked.append(seen)
    assert asked[0] == asked[1]


@pytest.mark.parametrize("restart_after", [1, 5, 12])
@pytest.mark.parametrize("turns", [1, 2])
async def test_trials_that_end_before_a_restart_is_noticed_are_asked_again(tmp_path, restart_after, turns):
    """The first trial on the cold server ends before any request shows the restart. It counts for no arm."""
    server = Restarting(task_s=3.0)
    trials = chain.from_iterable(
        (trial,) if turns == 1 else (trial, replace(trial, trial_id=f"{trial.trial_id}-t2", turn=2))
        for trial in planned(16 // turns, arms=("OPTIM",))
    )
    trials = tuple(replace(trial, seq=seq) for seq, trial in enumerate(trials))
    bench = Bench(tmp_path, server, trials, under(load={"concurrency": 1}))
    seen = []

    def restart(record, _):
        seen.append(record)
        if len(seen) == restart_after:
            server.tasks.clear()
            server.cold = True

    bench.watch = restart
    await bench.run()
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert max(durations(bench).values()) < 8.0
    (outage,) = bench.outages
    assert outage.cause is Cause.RESTART
    times = Counter(record.trial.trial_id for record in seen)
    again = {trial_id for trial_id, count in times.items() if count > 1}
    assert again
    assert again <= set(outage.asked_again) | set(outage.warmups)
    assert len(outage.asked_again) <= CHECK_EVERY + 2 * turns


async def test_a_trial_that_ends_as_a_restart_is_noticed_is_asked_again(tmp_path, monkeypatch):
    """Another trial notes the outage after the end of this one was committed, and before it counted as unsure."""
    made: list[Patience] = []
    monkeypatch.setattr(runner, "Patience", lambda **given: made.append(Patience(**given)) or made[-1])
    bench = Bench(tmp_path, Restarting(task_s=3.0), planned(4, arms=("OPTIM",)), under(load={"concurrency": 1}))
    seen = []

    def note(record, _):
        seen.append(record)
        if len(seen) == 1:
            made[0].outages.append(Outage(server="s", cause=Cause.RESTART, began_at=record.done_at, ended_at=record.done_at))

    bench.watch = note
    await bench.run()
    assert [record.trial.trial_id for record in seen].count(seen[0].trial.trial_id) == 2
    (outage,) = bench.outages
    assert outage.asked_again == (seen[0].trial.trial_id,)


async def test_a_restart_between_two_sittings_is_noticed(tmp_path):
    """``resume`` asks for the last task of the sitting before, and the first trial warms the server up."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(6, arms=("OPTIM",)), under(load={"concurrency": 1}))

    async def stop():
        await anyio.sleep(7.0)
        bench.stop.ask()

    await bench.run(during=stop)
    await server.kill(away_s=1.0)
    bench.stop = Stop()
    await bench.run(resume=True)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert max(durations(bench).values()) < 8.0
    (outage,) = bench.outages
    assert (outage.cause, outage.asked_again, len(outage.warmups)) == (Cause.RESTART, (), 1)


async def test_a_trial_that_times_out_on_a_cold_server_is_asked_again(tmp_path):
    """It warmed the server up, so its timeout counts for no arm."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(4, arms=("OPTIM",)), under(load={"concurrency": 1}, timeout=20.0))

    async def restart():
        await anyio.sleep(4.0)
        await server.kill(away_s=5.0)

    await bench.run(during=restart)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}


async def test_a_network_that_was_away_makes_no_trial_doubtful(tmp_path):
    """The server still knows the earlier task, so it was not restarted."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(6, arms=("OPTIM",)), under(load={"concurrency": 1}))

    async def unplug():
        await anyio.sleep(7.0)
        server.down = True
        await anyio.sleep(10.0)
        server.down = False

    await bench.run(during=unplug)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    (outage,) = bench.outages
    assert outage.cause is Cause.AWAY
    assert "q0-OPTIM-r1" not in outage.asked_again


class Away:
    """A server that is away once, and knows every task."""

    base_url = "http://uderia.test"

    def __init__(self, meanwhile):
        self.found, self.meanwhile = iter([Presence.NOBODY, Presence.UDERIA]), meanwhile

    async def presence(self):
        """Return whether it is there; it comes back while ``meanwhile`` is awaited."""
        found = next(self.found)
        if found is Presence.UDERIA:
            await self.meanwhile()
        return found

    async def knows(self, _):
        """Know every task."""
        return True


@pytest.mark.parametrize("done_s", [-60.0, 60.0])
async def test_a_trial_of_the_new_server_does_not_show_that_it_is_the_old_one(done_s):
    """The first trial ended on the new server before the outage was noted. That server knows its task."""
    first = traces.record(
        b"{}",
        task_id="t1",
        **dict.fromkeys(("sent_at", "accepted_at", "done_at"), datetime.now(UTC) + timedelta(seconds=done_s)),
    )
    lost = replace(first, ending=Ending.UNREACHABLE)
    patience = Patience(
        uderia=Away(lambda: patience.counts([first])),
        stop=Stop(),
        arms=(),
        on_quota="pause",
        outage_s=60,
        slots=1,
        utc=lambda: datetime.now(UTC),
        changed=anyio.lowlevel.checkpoint,
    )
    assert await patience.again(lost)
    assert [record.task_id for record in patience.doubtful] == ["t1"] * (done_s > 0)


async def test_a_task_that_cannot_be_read_delays_one_window(tmp_path):
    """A window waits for the tasks of other arms. It gives one up after a time, and later windows do not wait for it again."""
    server = Scripted(task_s=3.0)
    bench = Bench(tmp_path, server, planned(4, window_of=lambda block, arm: 2 * block + (arm == "OPTIM")))
    usual = server._answer

    async def answer(request):
        if request.url.path.endswith("/tasks/task-0"):
            return httpx.Response(200, text="{")
        return await usual(request)

    server._answer = answer
    begun_s = anyio.current_time()
    await bench.run()
    endings = [record.ending for record in bench.records().values()]
    assert (endings.count(Ending.SETTLED), len(endings)) == (7, 8)
    assert anyio.current_time() - begun_s < 2 * IDLE_WAIT_S


async def test_a_task_that_another_client_cancels_is_asked_again(tmp_path):
    """The server stays, so it was no restart; the arm is not charged for the cancellation."""
    server = Scripted(task_s=20.0)
    bench = Bench(tmp_path, server, planned(2, arms=("OPTIM",)))

    async def cancel():
        await anyio.sleep(5)
        server.tasks["task-0"]["cancelled"] = True

    begun_s = anyio.current_time()
    await bench.run(during=cancel)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert bench.records()["q0-OPTIM-r1"].attempts == 2
    assert bench.outages == []
    assert anyio.current_time() - begun_s < 20 + SHUTDOWN_S + 40


async def test_another_program_at_the_address_is_waited_out(tmp_path):
    """A refusal by a program that is not Uderia is an outage of the server and not a failure of the arm."""
    server = Scripted(task_s=3.0)
    bench = Bench(tmp_path, server, planned(8, arms=("OPTIM",)))
    usual = server._answer

    async def answer(request):
        if 5.0 <= anyio.current_time() - begun_s < 25.0:
            return httpx.Response(404, text="<h1>Not Found</h1>")
        return await usual(request)

    server._answer = answer
    begun_s = anyio.current_time()
    await bench.run()
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert [outage.cause for outage in bench.outages] == [Cause.OTHER]


async def test_a_server_with_other_profiles_after_its_restart_stops_the_run(tmp_path):
    """Trials before and after would measure two different things."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(12, arms=("OPTIM",)))
    other = [*CONFIGURATIONS[:1], {"id": "llm-b", "provider": "Beta", "model": "three"}]

    async def restart():
        await anyio.sleep(5)
        await server.kill(away_s=10.0)

    profiles = {"profiles": PROFILES, "default_profile_id": None}
    usual = server._signed_in

    async def signed_in(method, path, body):
        if server.cold and path.endswith("/configurations"):
            return httpx.Response(200, json={"configurations": other})
        return await usual(method, path, body)

    server._signed_in = signed_in
    assert profiles
    await bench.run(during=restart)
    assert "the profile of OPTIM on https://uderia.test changed with its restart" in bench.stop.reason
    assert "before Beta/two, now Beta/three" in bench.stop.reason


async def test_a_stop_during_a_warm_up_leaves_the_trial_to_resume(tmp_path):
    """The trial that warms the server up is never counted as measured."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(4, arms=("OPTIM",)), under(load={"concurrency": 1}))

    async def restart():
        await anyio.sleep(4.0)
        await server.kill(away_s=5.0)
        await anyio.sleep(10.0)
        bench.stop.ask()

    await bench.run(during=restart)
    left = [record for record in bench.records().values() if record.ending is Ending.CANCELLED]
    assert all(record.seen_hi_s is None or record.seen_hi_s > 20 or record.detail == DOUBTFUL for record in left)
    assert all(record.seen_hi_s < 8.0 for record in bench.records().values() if record.ending is Ending.SETTLED)


async def test_a_trial_that_several_restarts_lose_is_asked_again(tmp_path):
    """Its three askings are those that no restart explains, so four restarts in a row charge no arm."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(2, arms=("OPTIM",)), under(load={"concurrency": 1}))

    async def restart():
        for _ in range(4):
            await anyio.sleep(1.5)
            server.sessions.clear()
            await server.kill(away_s=4.0)
            server.cold = False

    await bench.run(during=restart)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert max(record.attempts for record in bench.records().values()) > 3


@pytest.mark.parametrize("turns", [1, 3])
async def test_a_trial_that_is_lost_for_good_by_a_restart_is_left_to_resume(tmp_path, turns):
    """It counts against no arm: neither a server that always restarts, nor a turn that cannot be repeated in its session."""
    server = Restarting(task_s=3.0)
    trials = planned(1, arms=("OPTIM",)) if turns == 1 else talk(turns)
    bench = Bench(tmp_path, server, trials)

    async def restart():
        for _ in range(1 if turns > 1 else 60):
            await anyio.sleep(2.0)
            server.sessions.clear()
            server.tasks.clear()

    await bench.run(during=restart)
    assert {record.ending for record in bench.records().values()} == {Ending.CANCELLED}
    first = min(bench.records().values(), key=lambda record: record.trial.seq)
    assert first.detail.startswith(LOST_BY_RESTART)
    assert first.attempts <= MOST_ASKINGS
    with Ledger.open(bench.path) as ledger:
        assert ledger.unsettled() == trials


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(("status", "body"), [
    (200, {}), (200, {"status": 1}), (200, []), (403, {"error": "maintenance"}), (404, {"error": "no"}), (410, None),
])  # fmt: skip
async def test_a_program_that_answers_everything_in_json_is_an_outage(tmp_path, status, body, restarted):
    """A gateway or another program on the port: no trial waits for it, and all of them are answered in this sitting."""
    server = Restarting(task_s=3.0)
    bench = Bench(tmp_path, server, planned(12, window_of=lambda block, arm: 2 * (block // 4) + (arm == "OPTIM")))
    usual = server._answer

    async def another(_):
        return httpx.Response(status, json=body)

    async def take_the_port():
        await anyio.sleep(7.5)
        server._answer = another
        await anyio.sleep(20.0)
        server._answer = usual
        if restarted:
            server.tasks.clear()
            server.cold = True

    server.transport = lambda: httpx.MockTransport(lambda request: server._answer(request))  # noqa: PLW0108 - it changes
    await bench.run(during=take_the_port)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert max(filter(None, durations(bench).values())) < 8.0  # those picked up afterwards have none
    (outage,) = bench.outages
    assert outage.cause is Cause.OTHER
