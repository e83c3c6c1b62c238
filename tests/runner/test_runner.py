"""A run: every trial ends in a record, slots and isolation hold, deadlines are kept, and a stop loses no record."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from datetime import UTC, datetime

import anyio
import httpx
import pytest
from benches import Bench, planned, talk, under
from scripted import Scripted

from uderia_bench.errors import NotSignedIn
from uderia_bench.gateway.uderia import TRIES
from uderia_bench.reading import profile_types
from uderia_bench.runner import patience
from uderia_bench.runner.arrivals import PREPARE_S
from uderia_bench.runner.session_files import LATE_WAIT_S
from uderia_bench.runner.stop import Stop
from uderia_bench.trial import Ending, Outcome

pytestmark = pytest.mark.anyio
HALF = {"content": b'{"events": [{, "status": "complete"}'}  # its end can be read, and the whole cannot


async def test_every_trial_is_settled_with_its_bodies(tmp_path):
    """Each planned trial has one record with its task and its own session, as they came."""
    bench = Bench(tmp_path, Scripted(), planned(10))
    await bench.run()
    records = bench.records()
    assert len(records) == len(bench.seen) == 20
    assert {record.ending for record in records.values()} == {Ending.SETTLED}
    assert all(b"complete" in record.task and b"workflow_history" in record.session for record in records.values())
    assert len({record.session_id for record in records.values()}) == 20
    asked = {body["profile_id"] for path, body in bench.server.bodies if path.endswith("/query")}
    assert asked == {"p-ideat", "p-optim"}


class Coordinator(Scripted):
    """A server whose tasks consult two experts, one of which consults a third."""

    def _task(self, task_id):
        answer = super()._task(task_id)
        named = [f"expert-{task_id}", f"gone-{task_id}"]
        self.sessions[named[0]] = {"id": named[0], "turns": [{"slave_session_id": f"inner-{task_id}"}]}
        self.sessions[f"inner-{task_id}"] = {"id": f"inner-{task_id}", "slave_session_id": named[0]}
        events = [{"event_type": "genie_slave_completed", "event_data": {"slave_session_id": each}} for each in named]
        return httpx.Response(200, json={**answer.json(), "events": events})


async def test_the_sessions_of_consulted_profiles_are_read(tmp_path):
    """Those that the task names and those that they name, each once; one that is gone costs nothing but itself."""
    bench = Bench(tmp_path, Coordinator(), planned(2, arms=("OPTIM",)))
    await bench.run()
    for record in bench.records().values():
        names = [json.loads(body)["id"] for body in record.children]
        assert names == [f"expert-{record.task_id}", f"inner-{record.task_id}"]
        assert record.ending is Ending.SETTLED


async def test_other_trials_read_no_further_session(tmp_path):
    """A task that names no session costs no further request."""
    bench = Bench(tmp_path, Scripted(), planned(2, arms=("OPTIM",)))
    await bench.run()
    assert bench.server.count("GET", "/details") == 2
    assert {record.children for record in bench.records().values()} == {()}


async def test_an_arm_that_a_race_drops_is_asked_no_more(tmp_path):
    """Its trials in windows that have begun finish; those of later windows are left, and the other arm goes on."""
    bench = Bench(tmp_path, Scripted(), planned(4, window_of=lambda block, arm: 2 * block + (arm == "OPTIM")))
    bench.skips = lambda arm: arm == "OPTIM" and len(bench.seen) >= 4
    await bench.run()
    assert Counter(record.trial.arm for record in bench.seen) == {"IDEAT": 4, "OPTIM": 2}


async def test_concurrency_is_the_most_in_flight(tmp_path):
    """All slots are used, and no more."""
    bench = Bench(tmp_path, Scripted(), planned(20))
    await bench.run()
    assert bench.server.most_in_flight == 4


async def test_a_cap_limits_one_arm(tmp_path):
    """A cap keeps one arm below the server's slots."""
    capped = under(arms=("IDEAT", {"name": "OPTIM", "profile": "OPTIM", "concurrency": 2}))
    bench = Bench(tmp_path, Scripted(), planned(8, arms=("OPTIM",)), capped)
    await bench.run()
    assert bench.server.most_in_flight == 2


async def test_an_open_loop_sends_by_the_clock(tmp_path):
    """At 2/s trials are sent half a second apart, however slow the server is and however many are in flight.

    Sessions are made before: what that takes moves no query.
    """
    paced = under(load={"arrivals": "constant", "rate": 2.0})
    bench = Bench(tmp_path, Scripted(task_s=30.0, session_s=0.3), planned(12, arms=("OPTIM",)), paced)
    bench.utc = lambda: datetime.fromtimestamp(anyio.current_time(), UTC)
    await bench.run()
    records = sorted(bench.records().values(), key=lambda record: record.trial.seq)
    assert [record.due_s for record in records] == pytest.approx([PREPARE_S + n / 2 for n in range(12)], abs=0.01)
    assert all(record.due_s <= record.sent_s < record.due_s + 0.001 for record in records)
    waits = [(record.sent_at - record.due_at).total_seconds() for record in records]
    assert waits == pytest.approx([record.sent_s - record.due_s for record in records], abs=1e-4)
    assert bench.server.most_in_flight == 12


async def test_a_stalled_server_shows_as_waiting_not_as_a_later_schedule(tmp_path):
    """A trial that could not be sent in time keeps its due time, so the wait is measured (coordinated omission)."""
    server = Scripted(task_s=1.0)
    paced = under(load={"arrivals": "constant", "rate": 2.0})
    bench = Bench(tmp_path, server, planned(4, arms=("OPTIM",)), paced)
    server.trouble("/sessions", httpx.Response(429, json={"message": "busy", "retry_after": 10}))
    await bench.run()
    first, *others = sorted(bench.records().values(), key=lambda record: record.trial.seq)
    assert first.sent_s - first.due_s == pytest.approx(10.0 - PREPARE_S, abs=0.5)
    assert [record.notes for record in (first, *others)] == [("the server answered HTTP 429, 1 time",), (), (), ()]
    assert all(record.sent_s - record.due_s < 0.1 for record in others)


async def test_arrivals_delayed_by_slow_session_creation_are_counted(tmp_path):
    """The schedule was not kept, but this process was not late."""
    paced = under(load={"arrivals": "constant", "rate": 1.0})
    bench = Bench(tmp_path, Scripted(session_s=PREPARE_S + 2.0), planned(5, arms=("OPTIM",)), paced)
    await bench.run()
    measured = bench.gauge.conditions()
    assert measured.sent_late == 5
    assert (measured.send_late_p99_s or 0.0) < 0.001
    assert [r.sent_s - r.due_s for r in bench.records().values()] == pytest.approx([2.0] * 5, abs=0.1)


async def test_a_stop_does_not_wait_for_the_schedule(tmp_path):
    """A stop takes effect at once, also between arrivals an hour apart."""
    bench = Bench(
        tmp_path, Scripted(task_s=1.0), planned(3, arms=("OPTIM",)), under(load={"arrivals": "constant", "rate": 1 / 3600})
    )

    async def interrupt():
        await anyio.sleep(5)
        bench.stop.ask()

    await bench.run(during=interrupt)
    assert anyio.current_time() < 60
    assert len(bench.records()) == 1


async def test_windows_keep_arms_apart(tmp_path):
    """No trial of a window is sent while one of the window before still runs on the server."""
    windows = planned(6, window_of=lambda block, arm: 2 * (block // 3) + (arm == "OPTIM"))
    bench = Bench(tmp_path, Scripted(), windows)
    await bench.run()
    assert bench.server.overlaps == {frozenset({"p-ideat"}), frozenset({"p-optim"})}


async def test_without_windows_arms_overlap(tmp_path):
    """The control: in one window both arms are in flight together."""
    bench = Bench(tmp_path, Scripted(), planned(6))
    await bench.run()
    assert frozenset({"p-ideat", "p-optim"}) in bench.server.overlaps


async def test_sessions_carry_the_arm_where_trials_overlap(tmp_path):
    """Overlapping trials create sessions with the arm's profile, single trials without (``session_profile``)."""
    bench = Bench(tmp_path, Scripted(), planned(1))
    await bench.run()
    assert all(
        body == {"profile_id": body.get("profile_id")} for path, body in bench.server.bodies if path.endswith("/sessions")
    )
    bare = Bench(tmp_path / "bare", Scripted(), planned(1), under(load={"concurrency": 1}, session_profile="auto"))
    bare.path.parent.mkdir()
    await bare.run()
    assert [body for path, body in bare.server.bodies if path.endswith("/sessions")] == [{}, {}]


async def test_a_user_without_default_profile_gets_the_arms(tmp_path):
    """A refused session without profile is created with the arm's profile, and the trial notes it."""
    server = Scripted()
    server.trouble("/sessions", httpx.Response(400, json={"error": "No default profile configured for this user."}))
    bench = Bench(tmp_path, server, planned(1, arms=("OPTIM",)), under(load={"concurrency": 1}, session_profile="auto"))
    await bench.run()
    (record,) = bench.records().values()
    assert record.ending is Ending.SETTLED
    assert any("no default profile" in note for note in record.notes)


async def test_a_deadline_cancels_on_the_server(tmp_path):
    """A trial that exceeds its timeout is cancelled on the server and kept as timed out, with its task."""
    bench = Bench(tmp_path, Scripted(task_s=1e6), planned(2, arms=("OPTIM",)), under(timeout=30.0))
    await bench.run()
    records = bench.records().values()
    assert {record.ending for record in records} == {Ending.TIMED_OUT}
    assert bench.server.count("POST", "/cancel") == 2
    assert all(b"cancelled" in record.task for record in records)


async def test_polls_grow_with_the_time_elapsed(tmp_path):
    """Intervals grow with the elapsed time: the first trials of an arm are polled within 10 % of it plus 0.3 s."""
    bench = Bench(tmp_path, Scripted(task_s=20.0), planned(1, arms=("OPTIM",)))
    await bench.run()
    (record,) = bench.records().values()
    assert record.polls < 30
    assert record.seen_lo_s < 20.05 <= record.seen_hi_s
    assert record.seen_hi_s - record.seen_lo_s < 2.3


async def test_failed_calls_become_endings(tmp_path):
    """Refused and throttled trials are recorded, unanswered ones are asked again, and the rest continues."""
    server = Scripted()
    server.trouble(
        "/query",
        httpx.Response(400, json={"error": "The 'prompt' field is required."}),
        httpx.Response(429, json={"message": "enough", "retry_after": 3600}),
        *[httpx.ConnectError("refused")] * 5,
    )
    conditions = under(load={"concurrency": 1}, on_quota="continue")
    bench = Bench(tmp_path, server, planned(6, arms=("OPTIM",)), conditions)
    await bench.run()
    records = bench.records().values()
    assert [record.ending for record in records] == [Ending.REFUSED, Ending.RATE_LIMITED, *[Ending.SETTLED] * 4]
    assert [record.attempts for record in records] == [1, 1, 2, 1, 1, 1]


async def test_a_broken_query_is_looked_up_not_sent_again(tmp_path):
    """If the POST breaks after the server accepted it, the trial is found by its session and not sent again."""
    server = Scripted()

    def taken_then_broken():
        server.start("s-0", {"prompt": "question 0", "profile_id": "p-optim"})
        return httpx.ReadError("reset")

    server.trouble("/query", taken_then_broken)
    bench = Bench(tmp_path, server, planned(1, arms=("OPTIM",)))
    async with anyio.create_task_group() as group:
        group.start_soon(bench.run)
        await anyio.sleep(5)
        server.finish("task-0")
    (record,) = bench.records().values()
    assert record.ending is Ending.SETTLED
    assert record.task_id == "task-0"
    assert server.count("POST", "/query") == 1
    assert record.accepted_s is None


@pytest.mark.parametrize(("broken", "ending", "attempts"), [(1, Ending.SETTLED, 2), (3, Ending.UNREACHABLE, 3)])
async def test_a_broken_query_that_never_arrived_is_asked_again(tmp_path, broken, ending, attempts):
    """If the session shows no trace of the query, it is sent again a limited number of times, counted, with a note."""
    server = Scripted()
    server.trouble("/query", *[httpx.ReadError("reset")] * broken)
    bench = Bench(tmp_path, server, planned(1, arms=("OPTIM",)))
    await bench.run()
    (record,) = bench.records().values()
    assert (record.ending, record.attempts) == (ending, attempts)
    assert ending is Ending.SETTLED or "no trace of the query" in record.detail


async def test_a_forgotten_task_is_read_from_its_session_or_asked_again(tmp_path):
    """After a restart tasks are gone and sessions remain: saved turns count, other trials are asked again."""
    server = Scripted(task_s=10.0)
    bench = Bench(tmp_path, server, planned(2, arms=("OPTIM",)))

    async def restart():
        await anyio.sleep(5)
        server.finish("task-0")
        server.tasks.clear()

    await bench.run(during=restart)
    saved, again = (bench.records()[f"q{number}-OPTIM-r1"] for number in range(2))
    assert (saved.ending, again.ending) == (Ending.SETTLED, Ending.SETTLED)
    assert (saved.task_id, saved.attempts, again.attempts) == ("task-0", 1, 3)
    assert saved.task is None  # a poll that saw it running would tell readers that it never ended


async def test_a_forgotten_task_may_still_be_writing_its_turn(tmp_path):
    """A server may forget a task before its turn is saved, so the session is read again before the trial is lost."""
    server = Scripted(task_s=1e6)

    def forgotten():
        server.tasks["task-0"]["end"] = anyio.current_time() + LATE_WAIT_S / 2
        return httpx.Response(404, json={"error": "Task 'task-0' not found."})

    server.trouble("/tasks/task-0", forgotten)
    bench = Bench(tmp_path, server, planned(1, arms=("OPTIM",)))
    await bench.run()
    (record,) = bench.records().values()
    assert (record.ending, record.task) == (Ending.SETTLED, None)
    assert b"workflow_history" in record.session
    assert b"task-0" in record.session


@pytest.mark.parametrize(
    "body",
    [
        b'{"events": [], "result": {"final_answer_text": "ok", "score": NaN}, "status": "complete"}',
        rb'{"events": [], "result": {"final_answer_text": "half \ud83d"}, "status": "complete"}',
        b'\xef\xbb\xbf{"events": [], "result": {"final_answer_text": "ok"}, "status": "complete"}',
    ],
    ids=["NaN", "half a surrogate pair", "byte-order mark"],
)
async def test_json_as_python_writes_it_is_an_answer(tmp_path, body):
    """The trial is settled at once, with the body as it came."""
    server = Scripted(task_s=0.01)
    server.trouble("/tasks/task-0", *[httpx.Response(200, content=body)] * 3)
    bench = Bench(tmp_path, server, planned(1, arms=("OPTIM",)))
    await bench.run()
    (record,) = bench.records().values()
    assert (record.ending, record.task, record.attempts) == (Ending.SETTLED, body, 1)
    trace = profile_types.read(record)
    assert trace.outcome is Outcome.ANSWERED
    assert [note for note in trace.notes if note.startswith("the task is not strict JSON: ")]


async def test_a_session_with_nan_is_read(tmp_path):
    """The session's turn counts, whatever else is in the file."""
    server = Scripted(task_s=0.01)
    turn = b'{"turn": 1, "task_id": "task-0", "status": "success", "score": NaN}'
    session = b'{"id": "s-0", "last_turn_data": {"workflow_history": [' + turn + b"]}}"
    server.trouble("/sessions/s-0/details", *[httpx.Response(200, content=session)] * 3)
    bench = Bench(tmp_path, server, planned(1, arms=("OPTIM",)))
    await bench.run()
    (record,) = bench.records().values()
    assert (record.ending, record.session, record.notes) == (Ending.SETTLED, session, ())


@pytest.mark.parametrize(
    "after",
    [(), (HALF,) * TRIES, ({"json": {"task_id": "task-0", "status": "processing"}},)],
    ids=["whole", "broken", "running"],
)
async def test_an_end_is_only_believed_from_a_whole_body(tmp_path, after):
    """A body that shows an end but is not JSON is read again until it is whole."""
    server = Scripted(task_s=0.01)
    server.trouble("/tasks/task-0", *(httpx.Response(200, **answer) for answer in (HALF, *after)))
    bench = Bench(tmp_path, server, planned(1, arms=("OPTIM",)))
    await bench.run()
    (record,) = bench.records().values()
    assert record.ending is Ending.SETTLED
    assert json.loads(record.task)["status"] == "complete"


async def test_a_task_that_is_always_forgotten_is_lost(tmp_path):
    """A trial is asked a few times where the server knows its other tasks.

    A task forgotten before its deadline did not time out, so it is not cancelled.
    """
    server = Scripted(task_s=2.0)
    bench = Bench(tmp_path, server, planned(2, arms=("OPTIM",)), under(load={"concurrency": 1}))

    async def forget():
        while True:
            await anyio.sleep(0.5)
            for task_id in list(server.tasks)[1:]:
                del server.tasks[task_id]

    await bench.run(during=forget)
    answered, lost = (bench.records()[f"q{number}-OPTIM-r1"] for number in (0, 1))
    assert (answered.ending, lost.ending) == (Ending.SETTLED, Ending.LOST)
    assert lost.attempts == patience.ASKINGS_A_RUN
    assert bench.outages == []
    assert server.count("POST", "/cancel") == 0


async def test_a_lost_sign_in_ends_the_run_and_keeps_what_settled(tmp_path):
    """If signing in fails, the run stops with that reason; settled trials stay and the others can be resumed."""
    server = Scripted(task_s=1.0)
    bench = Bench(tmp_path, server, planned(40, arms=("OPTIM",)))

    async def revoke():
        await anyio.sleep(4)
        server.tokens.clear()
        server.trouble("/auth/login", *[httpx.Response(401, json={"message": "Account disabled"})] * 50)

    with pytest.RaisesGroup(pytest.RaisesExc(NotSignedIn, match="Account disabled")):  # the group is this test's own
        await bench.run(during=revoke)
    assert 0 < len(bench.records()) < 40


async def test_a_soft_stop_sends_no_new_trial_and_keeps_answers(tmp_path):
    """After the first signal, trials in flight finish, no other is sent, and the rest can be resumed."""
    bench = Bench(tmp_path, Scripted(task_s=3.0), planned(40, arms=("OPTIM",)))

    async def interrupt():
        await anyio.sleep(4)
        bench.stop.ask()

    await bench.run(during=interrupt)
    sent = bench.server.count("POST", "/query")
    assert len(bench.records()) == sent < 40
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    bench.stop = Stop()
    await bench.run(resume=True)
    assert len(bench.records()) == 40 == bench.server.count("POST", "/query")


async def test_trials_are_cancelled_after_the_grace_or_at_a_second_stop(tmp_path):
    """They are cancelled on the server and asked again on resume."""
    for second_stop, ended_by in ((False, 36.0), (True, 7.0)):
        server = Scripted(task_s=500.0)
        folder = tmp_path / str(second_stop)
        folder.mkdir()
        bench = Bench(folder, server, planned(10, arms=("OPTIM",)), under(timeout=1000.0))

        async def interrupt(bench=bench, second_stop=second_stop):
            await anyio.sleep(5)
            bench.stop.ask()
            if second_stop:
                await anyio.sleep(1)
                bench.stop.ask()

        began = anyio.current_time()
        await bench.run(during=interrupt)
        assert anyio.current_time() - began < ended_by
        assert [record.ending for record in bench.records().values()] == [Ending.CANCELLED] * 4
        assert server.count("POST", "/cancel") == 4
        server.task_s, bench.stop = 1.0, Stop()
        await bench.run(resume=True)
        records = bench.records().values()
        assert {record.ending for record in records} == {Ending.SETTLED}
        assert sorted(record.attempts for record in records) == [1] * 6 + [2] * 4


async def test_trials_in_flight_at_a_crash_are_picked_up_by_id(tmp_path):
    """A query that was accepted before a crash is followed and not sent again."""
    server = Scripted(task_s=20.0)
    bench = Bench(tmp_path, server, planned(2, arms=("OPTIM",)))
    with anyio.move_on_after(5):  # the process dies: nothing is settled
        await bench.run()
    assert bench.records() == {}
    await bench.run(resume=True)
    records = bench.records().values()
    assert {record.ending for record in records} == {Ending.SETTLED}
    assert server.count("POST", "/query") == 2
    assert all("picked up" in record.notes[0] and record.seen_hi_s is None for record in records)


# ---- conversations


async def test_the_turns_of_a_conversation_share_a_session_and_follow_each_other(tmp_path):
    """One session and one slot; each turn is sent when the one before has ended."""
    trials = (*talk(3, arm="OPTIM"), *talk(3, arm="IDEAT", first=10))
    bench = Bench(tmp_path, Scripted(task_s=3.0), trials)
    await bench.run()
    records = bench.records()
    assert {record.ending for record in records.values()} == {Ending.SETTLED}
    for arm in ("OPTIM", "IDEAT"):
        told = [records[f"talk-{arm}-t{turn}"] for turn in (1, 2, 3)]
        assert len({record.session_id for record in told}) == 1
        assert len({record.task_id for record in told}) == 3
        assert all(later.sent_s >= earlier.sent_s + 3.0 for earlier, later in itertools.pairwise(told))
    assert bench.server.most_in_flight == 2


async def test_a_failed_turn_ends_the_later_turns(tmp_path):
    """Later turns are not asked and end as the failed one did; ``resume`` does not ask a timed-out turn again."""
    bench = Bench(tmp_path, Scripted(task_s=1e6), talk(3), under(timeout=30.0))
    await bench.run()
    records = bench.records()
    assert [record.ending for record in records.values()] == [Ending.TIMED_OUT] * 3
    assert records["talk-OPTIM-t3"].detail == "not asked: turn 2 of the conversation ended timed_out"
    assert records["talk-OPTIM-t3"].sent_s is None
    assert bench.server.count("POST", "/query") == 1
    await bench.run(resume=True)
    assert bench.server.count("POST", "/query") == 1


async def test_a_conversation_stopped_in_the_middle_is_asked_again_from_its_first_turn(tmp_path):
    """After a stop in turn 2, turn 3 is not sent; ``resume`` starts a new session, and the count of attempts grows."""
    bench = Bench(tmp_path, Scripted(task_s=3.0), talk(3))

    async def interrupt():
        await anyio.sleep(5)
        bench.stop.ask()

    await bench.run(during=interrupt)
    assert sorted(bench.records()) == ["talk-OPTIM-t1", "talk-OPTIM-t2"]
    first_session = bench.records()["talk-OPTIM-t1"].session_id
    bench.stop = Stop()
    await bench.run(resume=True)
    records = bench.records()
    assert {record.ending for record in records.values()} == {Ending.SETTLED}
    assert [records[f"talk-OPTIM-t{turn}"].attempts for turn in (1, 2, 3)] == [2, 2, 1]
    assert {record.session_id for record in records.values()} == {"s-1"} != {first_session}
    assert bench.server.count("POST", "/query") == 5


async def test_a_stop_during_the_cleanup_of_a_conversation_sends_no_turn(tmp_path):
    """The cancel call may take long; turns that were not sent before the stop stay unsent."""
    server = Scripted(task_s=300.0)
    bench = Bench(tmp_path, server, talk(2))
    with anyio.move_on_after(5):  # the process dies in turn 1
        await bench.run()

    async def interrupt():
        await anyio.sleep(0.5)
        bench.stop.ask()
        bench.stop.ask()

    async def slow(request):
        if request.url.path.endswith("/cancel"):
            await anyio.sleep(4)
        return await answer(request)

    answer = server._answer
    server._answer = slow
    begun_s = anyio.current_time()
    await bench.run(resume=True, during=interrupt)
    assert server.count("POST", "/query") == 1
    assert anyio.current_time() - begun_s < 10


async def test_a_conversation_interrupted_by_a_crash_is_cancelled_and_asked_again(tmp_path):
    """It cannot continue in the middle, and must not run during other trials."""
    server = Scripted(task_s=20.0)
    bench = Bench(tmp_path, server, talk(2))
    with anyio.move_on_after(25):  # the process dies in turn 2
        await bench.run()
    await bench.run(resume=True)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert server.tasks["task-1"]["cancelled"]
    assert {record.session_id for record in bench.records().values()} == {"s-1"}


async def test_a_broken_query_of_a_later_turn_is_looked_up_behind_the_earlier_ones(tmp_path):
    """The turn before is already in the session and is not mistaken for the broken one."""
    server = Scripted(task_s=3.0)
    bench = Bench(tmp_path, server, talk(2))
    real = server.start

    def break_the_second(session_id, body):
        task_id = real(session_id, body)
        if body["prompt"] == "turn 2":
            raise httpx.ReadError("reset")
        return task_id

    server.start = break_the_second
    async with anyio.create_task_group() as group:
        group.start_soon(bench.run)
        await anyio.sleep(10)
        server.finish("task-1")
    record = bench.records()["talk-OPTIM-t2"]
    assert (record.ending, record.task_id) == (Ending.SETTLED, "task-1")


async def test_a_window_waits_for_a_task_that_takes_long_to_cancel(tmp_path):
    """With isolation ``arm``, the next arm starts when the cancelled task has ended on the server."""
    server = Scripted(task_s=1e6)
    bench = Bench(
        tmp_path,
        server,
        planned(1, window_of=lambda _, arm: int(arm == "OPTIM")),
        under(timeout=3.0),
    )
    usual = server._signed_in

    async def signed_in(method, path, body):
        if path.endswith("/cancel"):
            return httpx.Response(200, json={"status": "success"})
        return await usual(method, path, body)

    server._signed_in = signed_in

    async def end():
        await anyio.sleep(40.0)
        server.tasks["task-0"]["end"] = 0.0
        server.task_s = 2.0

    await bench.run(during=end)
    first, second = (bench.records()[f"q0-{arm}-r1"] for arm in ("IDEAT", "OPTIM"))
    assert first.ending is Ending.TIMED_OUT
    assert second.sent_s >= 40.0
    assert server.overlaps == {frozenset({"p-ideat"}), frozenset({"p-optim"})}


async def test_a_resume_waits_for_a_task_of_another_arm(tmp_path):
    """A task that an interrupted sitting left running must not overlap with another arm."""
    server = Scripted(task_s=30.0)
    plan = planned(1, window_of=lambda _, arm: int(arm == "IDEAT"))
    bench = Bench(tmp_path, server, plan)
    with anyio.move_on_after(5):
        await bench.run()
    bench.trials = plan
    await bench.run(resume=True)
    assert {record.ending for record in bench.records().values()} == {Ending.SETTLED}
    assert server.overlaps == {frozenset({"p-ideat"}), frozenset({"p-optim"})}
