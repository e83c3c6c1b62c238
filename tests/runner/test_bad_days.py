"""A run on a server's bad days: away, stumbling, out of quota, forgetful, late. Every trial ends, and is truly labelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import anyio
import httpx
import pytest
from benches import CONDITIONS, Bench, planned
from scripted import Scripted

from uderia_bench.errors import NotSignedIn
from uderia_bench.runner.patience import seconds_to_refill
from uderia_bench.runner.stop import Stop
from uderia_bench.trial import Ending

pytestmark = pytest.mark.anyio
PAGE = {"text": "<html>Bad gateway</html>", "headers": {"Content-Type": "text/html"}}
ONE_AT_A_TIME = replace(CONDITIONS, concurrency=1)
HOURLY = "Rate limit exceeded: Hourly limit exceeded (1000 requests/hour)"
MONTHLY = "Token quota exceeded: Input token quota exceeded (5 tokens/month)"


def optim(n: int):
    """Return n trials of one arm."""
    return planned(n, arms=("OPTIM",))


def endings(bench: Bench) -> set[Ending]:
    """Return how the trials ended."""
    return {record.ending for record in bench.records().values()}


class Away(Scripted):
    """A server nobody reaches between two moments."""

    def __init__(self, since: float, until: float, trouble=lambda: httpx.ConnectError("refused"), **state) -> None:
        super().__init__(**state)
        self.since, self.until, self.say = since, until, trouble

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.since <= anyio.current_time() < self.until:
            self.calls.append((request.method, request.url.path))
            answer = self.say()
            if isinstance(answer, Exception):
                raise answer
            return answer
        return await super()._answer(request)


class Mute(Scripted):
    """A server that breaks sessions off, and to who asks whether it is there says nothing for long."""

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/auth/me"):
            await anyio.sleep(100)
            return httpx.Response(200, json={})
        if request.url.path.endswith("/sessions"):
            raise httpx.ReadError("reset")
        return await super()._answer(request)


async def test_a_stop_ends_the_asking_whether_anybody_is_there(tmp_path):
    """Nothing is sent after it, and the run does not wait for a server that says nothing."""
    bench = Bench(tmp_path, Mute(), optim(1))

    async def stopped() -> None:
        await anyio.sleep(20)
        bench.stop.ask()

    begun_s = anyio.current_time()
    await bench.run(during=stopped)
    assert anyio.current_time() - begun_s == pytest.approx(20, abs=0.1)
    assert bench.server.count("POST", "/query") == 0


@pytest.mark.parametrize(
    "trouble", [lambda: httpx.ConnectError("refused"), lambda: httpx.ReadError("reset"), lambda: httpx.Response(502, **PAGE)]
)
async def test_an_outage_is_waited_out(tmp_path, trouble):
    """Fifty seconds without the server: tasks are picked up where they were, the rest is asked later, and all is answered."""
    bench = Bench(tmp_path, Away(5, 55, trouble, task_s=3.0), optim(20))
    await bench.run()
    assert endings(bench) == {Ending.SETTLED}
    assert {task["prompt"] for task in bench.server.tasks.values()} == {f"question {n}" for n in range(20)}
    assert len(bench.server.tasks) == 20


async def test_a_server_that_stays_away_ends_the_run_and_not_the_plan(tmp_path):
    """After its patience the run stops with the reason, and almost nothing was spent on nobody; resume does the rest."""
    bench = Bench(tmp_path, Away(5, 5000, task_s=3.0), optim(100), replace(CONDITIONS, outage_s=60.0))
    began = anyio.current_time()
    await bench.run()
    assert anyio.current_time() - began < 100
    assert bench.stop.reason.startswith("nobody answers at https://uderia.test for 6")
    assert len(bench.records()) < 20
    await anyio.sleep(5000)
    bench.stop = Stop()
    await bench.run(resume=True)
    assert endings(bench) == {Ending.SETTLED}
    assert len(bench.records()) == len(bench.server.tasks) == 100


async def test_a_server_that_refuses_everything_ends_the_run(tmp_path):
    """One trial after the other turned away is no measurement: the run stops and says the server's words."""
    server = Scripted()
    server.trouble("/sessions", *[httpx.Response(500, json={"error": "Failed to create session."})] * 1000)
    bench = Bench(tmp_path, server, optim(200), ONE_AT_A_TIME)
    await bench.run()
    assert endings(bench) == {Ending.REFUSED}
    assert len(bench.records()) == 10
    assert "took none of the last 10 trials (create session: HTTP 500, Failed to create session.)" in bench.stop.reason


async def test_polls_survive_what_a_proxy_says(tmp_path):
    """500, 502, a page with status 200, half an answer, 429 with and without a time: the task is followed all the same."""
    server = Scripted(task_s=3.0)
    for trouble in (
        httpx.Response(500, **PAGE),
        httpx.Response(502, **PAGE),
        httpx.Response(200, **PAGE),
        httpx.Response(200, content=b'{"status": "comp'),
        httpx.Response(429, headers={"Retry-After": "2"}),
        *[httpx.Response(429)] * 6,
        httpx.Response(429, json={"retry_after": 90}),
    ):
        server.trouble("task-0", trouble)
    bench = Bench(tmp_path, server, optim(1), replace(CONDITIONS, timeout_s=300.0))
    await bench.run()
    (record,) = bench.records().values()
    assert (record.ending, record.attempts) == (Ending.SETTLED, 1)
    assert server.count("POST", "/query") == 1
    assert record.seen_hi_s > 90


async def test_polls_survive_a_process_that_is_out_of_file_descriptors(tmp_path):
    """No connection can be opened for a moment: that is no word of the server's."""
    server = Scripted(task_s=3.0)
    server.trouble("task-0", *[OSError(24, "Too many open files")] * 3)
    server.trouble("task-1", *[OSError(24, "Too many open files")] * 3)
    bench = Bench(tmp_path, server, optim(2))
    await bench.run()
    assert endings(bench) == {Ending.SETTLED}


@pytest.mark.parametrize(
    "answer", [httpx.Response(500, **PAGE), httpx.Response(503, **PAGE), httpx.Response(202, content=b'{"task_i')]
)
@pytest.mark.parametrize("taken", [False, True])
async def test_a_query_whose_answer_says_nothing_is_looked_up(tmp_path, answer, taken):
    """A stumbling server may have taken it: found in its session it is followed, else it is asked again and counted."""
    server = Scripted(task_s=3.0)

    def stumble():
        if taken:
            server.start("s-0", {"prompt": "question 0", "profile_id": "p-optim"})
        return answer

    server.trouble("/query", stumble)
    bench = Bench(tmp_path, server, optim(1))
    await bench.run()
    (record,) = bench.records().values()
    assert (record.ending, record.attempts) == (Ending.SETTLED, 1 if taken else 2)
    assert len(server.tasks) == 1


async def test_a_token_that_expires_while_the_server_is_away_ends_nothing(tmp_path):
    """Signing in again waits for the server as everything else does."""
    server = Away(5, 40, lambda: httpx.Response(502, **PAGE), task_s=3.0)
    bench = Bench(tmp_path, server, optim(20))

    async def expire():
        await anyio.sleep(39)
        server.tokens.clear()

    await bench.run(during=expire)
    assert endings(bench) == {Ending.SETTLED}
    assert server.count("POST", "/auth/login") == 2


async def test_a_proxy_that_answers_a_sign_in_is_no_word_about_the_password(tmp_path):
    """A page with status 502 in place of the new token: the server is away, and waited for."""
    server = Scripted(task_s=3.0)
    bench = Bench(tmp_path, server, optim(12))

    async def expire():
        await anyio.sleep(5)
        server.tokens.clear()
        server.trouble("/auth/login", *[httpx.Response(502, **PAGE)] * 8)

    await bench.run(during=expire)
    assert endings(bench) == {Ending.SETTLED}


async def test_a_sign_in_limit_met_while_a_token_expires_ends_nothing(tmp_path):
    """Said when or not, it is waited out, with few sign-ins; the trials wait with it."""
    server = Scripted(task_s=3.0)
    bench = Bench(tmp_path, server, optim(12), replace(CONDITIONS, timeout_s=600.0))

    async def expire():
        await anyio.sleep(5)
        server.tokens.clear()
        server.trouble("/auth/login", httpx.Response(429), httpx.Response(429), httpx.Response(429, json={"retry_after": 20}))

    await bench.run(during=expire)
    assert endings(bench) == {Ending.SETTLED}
    assert server.count("POST", "/auth/login") == 5


async def test_what_ended_while_polls_were_held_up_did_not_time_out(tmp_path):
    """The task was done in three seconds; that nobody could look for a minute is not the agent's doing."""
    server = Scripted(task_s=3.0)
    server.trouble("task-0", httpx.Response(429, json={"retry_after": 59}))
    bench = Bench(tmp_path, server, optim(1), replace(CONDITIONS, timeout_s=30.0))
    await bench.run()
    (record,) = bench.records().values()
    assert record.ending is Ending.SETTLED
    assert server.count("POST", "/cancel") == 0


async def test_a_password_that_was_changed_ends_the_run(tmp_path):
    """That no waiting helps; what was settled stays."""
    server = Scripted(task_s=1.0)
    bench = Bench(tmp_path, server, optim(20), ONE_AT_A_TIME)

    async def change():
        await anyio.sleep(4)
        server.tokens.clear()
        server.trouble("/auth/login", *[httpx.Response(401, json={"message": "Invalid username or password"})] * 9)

    with pytest.RaisesGroup(pytest.RaisesExc(NotSignedIn)):
        await bench.run(during=change)
    assert endings(bench) == {Ending.SETTLED}


class Limited(Scripted):
    """A server whose tasks end over a limit until a moment."""

    def __init__(self, words: str, until: float, **state) -> None:
        super().__init__(**state)
        self.words, self.until = words, until

    def _is_limited(self, task_id: str) -> bool:
        return self.tasks[task_id]["end"] - self.task_s < self.until

    def finish(self, task_id: str) -> None:
        """Write no turn of what met the limit."""
        if not self._is_limited(task_id):
            super().finish(task_id)

    def _task(self, task_id: str) -> httpx.Response:
        if not self._is_limited(task_id):
            return super()._task(task_id)
        event = {"event_type": "error", "event_data": {"error": self.words}, "timestamp": "2026-11-24T10:00:00+00:00"}
        body = {"task_id": task_id, "status": "error", "events": [event], "result": {"error": self.words}}
        return httpx.Response(200, json=body)


async def test_a_quota_pauses_the_batch_and_is_no_failure_of_the_models(tmp_path):
    """Whoever meets the hourly limit waits for the hour to turn, is asked again, counted, and answered."""
    bench = Bench(tmp_path, Limited(HOURLY, until=3.0, task_s=1.0), optim(12))
    await bench.run()
    records = bench.records().values()
    assert {record.ending for record in records} == {Ending.SETTLED}
    assert sorted(record.attempts for record in records) == [1] * 8 + [2] * 4
    assert max(record.sent_s - record.due_s for record in records) < 1  # the pause is no wait for a slot of ours
    assert bench.stop.reason is None


@pytest.mark.parametrize(("on_quota", "words"), [("stop", HOURLY), ("pause", MONTHLY)])
async def test_a_quota_may_stop_the_run(tmp_path, on_quota, words):
    """Told to, or because next month is too far: what met the limit is rate limited, and asked again on resume."""
    bench = Bench(tmp_path, Limited(words, until=1e9), optim(12), replace(CONDITIONS, on_quota=on_quota))
    await bench.run()
    assert endings(bench) == {Ending.RATE_LIMITED}
    assert len(bench.records()) <= 4
    assert bench.stop.reason == words
    bench.server.until, bench.stop = 0.0, Stop()
    await bench.run(resume=True)
    assert endings(bench) == {Ending.SETTLED}
    assert len(bench.records()) == 12


async def test_a_quota_may_be_gone_on_over(tmp_path):
    """``continue`` asks the next trial at once; every limited one is labelled so, with the server's words."""
    bench = Bench(tmp_path, Limited(HOURLY, until=1e9), optim(12), replace(CONDITIONS, on_quota="continue"))
    await bench.run()
    assert {(record.ending, record.detail) for record in bench.records().values()} == {(Ending.RATE_LIMITED, HOURLY)}
    assert len(bench.records()) == 12


async def test_a_stop_ends_a_pause(tmp_path):
    """Ctrl-C while the batch waits for the hour does not wait for it too."""
    bench = Bench(tmp_path, Limited(MONTHLY.replace("Token quota exceeded", "Rate limit exceeded"), until=1e9), optim(12))

    async def interrupt():
        await anyio.sleep(20)
        bench.stop.ask()

    await bench.run(during=interrupt)
    assert anyio.current_time() < 25
    assert endings(bench) == {Ending.RATE_LIMITED}


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (HOURLY, 25 * 60 + 5),
        ("Rate limit exceeded: Daily limit exceeded (9 requests/day)", 10 * 3600 + 25 * 60 + 5),
        (MONTHLY, None),
        ("query: HTTP 429, slow down", 60),
    ],
)
async def test_a_limit_ends_when_its_period_does(words, seconds):
    """At the next UTC hour or day, with a little for the server's clock; a month is not waited for."""
    assert seconds_to_refill(words, datetime(2026, 11, 24, 13, 35, tzinfo=UTC)) == seconds


class Forgetful(Scripted):
    """A server whose session files come late, or never, or without the turn."""

    def __init__(self, *answers: httpx.Response | None, **state) -> None:
        super().__init__(**state)
        self.trouble("/details", *[answer for answer in answers if answer is not None])


@pytest.mark.parametrize(
    ("answers", "kept", "says"),
    [
        ([httpx.Response(404, json={"error": "Session not found"})], True, None),
        ([httpx.Response(200, json={"last_turn_data": {"workflow_history": []}})] * 2, True, None),
        ([httpx.Response(404, json={"error": "Session not found"})] * 9, False, "no session file: session details: HTTP 404"),
        ([httpx.Response(500, **PAGE)] * 99, False, "no session file: session details: HTTP 500"),
        ([httpx.Response(200, json={})] * 99, True, "the session file has no turn of the task"),
    ],
)
async def test_a_session_file_may_be_late_or_missing(tmp_path, answers, kept, says):
    """It is looked for again for a moment; without it the trial is kept on its task alone, and says so."""
    bench = Bench(tmp_path, Forgetful(*answers), optim(1))
    await bench.run()
    (record,) = bench.records().values()
    assert record.ending is Ending.SETTLED
    assert record.task is not None
    assert (record.session is not None) is kept
    assert (says is None and not record.notes) or any(says in note for note in record.notes)


async def test_a_restart_tells_saved_tasks_from_lost_ones_by_their_ids(tmp_path):
    """A session with another task's turn does not pass for this one's answer."""
    server = Scripted(task_s=10.0)
    bench = Bench(tmp_path, server, optim(1))

    async def restart():
        await anyio.sleep(5)
        server.tasks.clear()
        turn = {"turn": 1, "task_id": "task-of-another", "status": "success"}
        server.sessions["s-0"]["last_turn_data"]["workflow_history"].append(turn)

    await bench.run(during=restart)
    (record,) = bench.records().values()
    assert record.ending is Ending.LOST


async def test_a_task_that_stays_in_cancelling_costs_its_slot_a_moment(tmp_path):
    """It never ends: it timed out, the record says that it did not stop, and the next is asked."""

    class Stuck(Scripted):
        def _task(self, task_id: str) -> httpx.Response:
            status = "cancelling" if self.tasks[task_id]["cancelled"] else "processing"
            return httpx.Response(200, json={"task_id": task_id, "status": status, "events": []})

    bench = Bench(tmp_path, Stuck(), optim(2), replace(ONE_AT_A_TIME, timeout_s=20.0))
    await bench.run()
    assert endings(bench) == {Ending.TIMED_OUT}
    assert all("did not stop within 10 s" in record.notes[0] for record in bench.records().values())
    assert anyio.current_time() < 70


async def test_a_cancellation_that_fails_is_said_and_ends_nothing(tmp_path):
    """The trial timed out either way."""
    server = Scripted(task_s=1e6)
    server.trouble("/cancel", *[httpx.Response(403, json={"error": "Access denied"})] * 9)
    bench = Bench(tmp_path, server, optim(1), replace(CONDITIONS, timeout_s=20.0))
    await bench.run()
    (record,) = bench.records().values()
    assert record.ending is Ending.TIMED_OUT
    assert "not cancelled on the server: cancel: HTTP 403, Access denied" in record.notes
