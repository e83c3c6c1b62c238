"""Runs on a server that is away, overloaded, out of quota, forgetful or late: every trial ends with the right label."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import httpx
import pytest
from benches import Bench, planned, under
from scripted import Scripted

from uderia_bench.errors import NotSignedIn
from uderia_bench.runner.patience import seconds_to_refill
from uderia_bench.runner.stop import Stop
from uderia_bench.trial import Ending

pytestmark = pytest.mark.anyio
PAGE = {"text": "<html>Bad gateway</html>", "headers": {"Content-Type": "text/html"}}
ONE_AT_A_TIME = under(load={"concurrency": 1})
HOURLY = "Rate limit exceeded: Hourly limit exceeded (1000 requests/hour)"
MONTHLY = "Token quota exceeded: Input token quota exceeded (5 tokens/month)"


def optim(n: int):
    """Return n trials of one arm."""
    return planned(n, arms=("OPTIM",))


def endings(bench: Bench) -> set[Ending]:
    """Return how the trials ended."""
    return {record.ending for record in bench.records().values()}


class Away(Scripted):
    """A server that cannot be reached between two times."""

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
    """A server that breaks connections and then does not answer for a long time."""

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/auth/me"):
            await anyio.sleep(100)
            return httpx.Response(200, json={})
        if request.url.path.endswith("/sessions"):
            raise httpx.ReadError("reset")
        return await super()._answer(request)


async def test_a_stop_ends_the_run_while_the_server_is_silent(tmp_path):
    """No trial is sent after a stop, and the run does not wait for a server that does not answer."""
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
    """During 50 s without the server, running tasks are followed further, other trials wait, and all are answered."""
    bench = Bench(tmp_path, Away(5, 55, trouble, task_s=3.0), optim(20))
    await bench.run()
    assert endings(bench) == {Ending.SETTLED}
    assert {task["prompt"] for task in bench.server.tasks.values()} == {f"question {n}" for n in range(20)}
    assert len(bench.server.tasks) == 21  # one query warms the server up and is asked again


async def test_a_server_that_stays_away_stops_the_run_with_most_of_the_plan_left(tmp_path):
    """After the allowed outage the run stops with the reason, and ``resume`` asks the rest."""
    bench = Bench(tmp_path, Away(5, 5000, task_s=3.0), optim(100), under(outage=60.0))
    began = anyio.current_time()
    await bench.run()
    assert anyio.current_time() - began < 100
    assert bench.stop.reason.startswith("no server answers at https://uderia.test for 6")
    assert len(bench.records()) < 20
    await anyio.sleep(5000)
    bench.stop = Stop()
    await bench.run(resume=True)
    assert endings(bench) == {Ending.SETTLED}
    assert len(bench.records()) == len(bench.server.tasks) == 100


async def test_a_server_that_refuses_everything_ends_the_run(tmp_path):
    """After many refused trials in a row the run stops and quotes the server."""
    server = Scripted()
    server.trouble("/sessions", *[httpx.Response(500, json={"error": "Failed to create session."})] * 1000)
    bench = Bench(tmp_path, server, optim(200), ONE_AT_A_TIME)
    await bench.run()
    assert endings(bench) == {Ending.REFUSED}
    assert len(bench.records()) == 10
    assert "did not accept any of the last 10 trials (create session: HTTP 500, Failed to create session.)" in bench.stop.reason


async def test_polls_survive_the_errors_of_a_proxy(tmp_path):
    """A task is followed through HTTP 500 and 502, an HTML page, half a body, and 429 with and without Retry-After."""
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
    bench = Bench(tmp_path, server, optim(1), under(timeout=300.0))
    await bench.run()
    (record,) = bench.records().values()
    assert (record.ending, record.attempts) == (Ending.SETTLED, 1)
    assert server.count("POST", "/query") == 1
    assert record.seen_hi_s > 90
    assert record.notes == ("the server answered HTTP 429, 8 times",)


async def test_polls_survive_a_process_that_is_out_of_file_descriptors(tmp_path):
    """A failure to open a connection is a problem of this process, so the poll is repeated."""
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
async def test_a_query_without_a_usable_reply_is_looked_up(tmp_path, answer, taken):
    """The server may have accepted it: it is followed if its session shows it, else asked again and counted."""
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


async def test_a_token_may_expire_during_an_outage(tmp_path):
    """Signing in again waits for the server like every other request."""
    server = Away(5, 40, lambda: httpx.Response(502, **PAGE), task_s=3.0)
    bench = Bench(tmp_path, server, optim(20))

    async def expire():
        await anyio.sleep(39)
        server.tokens.clear()

    await bench.run(during=expire)
    assert endings(bench) == {Ending.SETTLED}
    assert server.count("POST", "/auth/login") == 2


async def test_a_proxy_error_at_sign_in_is_an_outage(tmp_path):
    """An HTML page with status 502 means that the server is away; the password is not blamed."""
    server = Scripted(task_s=3.0)
    bench = Bench(tmp_path, server, optim(12))

    async def expire():
        await anyio.sleep(5)
        server.tokens.clear()
        server.trouble("/auth/login", *[httpx.Response(502, **PAGE)] * 8)

    await bench.run(during=expire)
    assert endings(bench) == {Ending.SETTLED}


async def test_a_sign_in_limit_is_waited_out(tmp_path):
    """The run waits with few sign-ins, with or without a stated time, and the trials wait with it."""
    server = Scripted(task_s=3.0)
    bench = Bench(tmp_path, server, optim(12), under(timeout=600.0))

    async def expire():
        await anyio.sleep(5)
        server.tokens.clear()
        server.trouble("/auth/login", httpx.Response(429), httpx.Response(429), httpx.Response(429, json={"retry_after": 20}))

    await bench.run(during=expire)
    assert endings(bench) == {Ending.SETTLED}
    assert server.count("POST", "/auth/login") == 5


async def test_a_task_that_ended_while_polls_were_delayed_did_not_time_out(tmp_path):
    """The task ended after 3 s; polls were impossible for a minute, which must not count against the agent."""
    server = Scripted(task_s=3.0)
    server.trouble("task-0", httpx.Response(429, json={"retry_after": 59}))
    bench = Bench(tmp_path, server, optim(1), under(timeout=30.0))
    await bench.run()
    (record,) = bench.records().values()
    assert record.ending is Ending.SETTLED
    assert server.count("POST", "/cancel") == 0


async def test_a_password_that_was_changed_ends_the_run(tmp_path):
    """Waiting does not help; settled trials are kept."""
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
    """A server whose tasks end at a limit until a given time."""

    def __init__(self, words: str, until: float, **state) -> None:
        super().__init__(**state)
        self.words, self.until = words, until

    def _is_limited(self, task_id: str) -> bool:
        return self.tasks[task_id]["end"] - self.task_s < self.until

    def finish(self, task_id: str) -> None:
        """Leave out the turn of a limited task."""
        if not self._is_limited(task_id):
            super().finish(task_id)

    def _task(self, task_id: str) -> httpx.Response:
        if not self._is_limited(task_id):
            return super()._task(task_id)
        event = {"event_type": "error", "event_data": {"error": self.words}, "timestamp": "2026-11-24T10:00:00+00:00"}
        body = {"task_id": task_id, "status": "error", "events": [event], "result": {"error": self.words}}
        return httpx.Response(200, json=body)


async def test_a_quota_pauses_the_run_and_is_not_a_failed_answer(tmp_path):
    """A trial that meets the hourly limit waits for the next hour, is asked again, counted and answered."""
    bench = Bench(tmp_path, Limited(HOURLY, until=3.0, task_s=1.0), optim(12))
    await bench.run()
    records = bench.records().values()
    assert {record.ending for record in records} == {Ending.SETTLED}
    assert sorted(record.attempts for record in records) == [1] * 8 + [2] * 4
    assert max(record.sent_s - record.due_s for record in records) < 1  # the pause is no wait for a slot of ours
    assert bench.stop.reason is None


@pytest.mark.parametrize(("on_quota", "words"), [("stop", HOURLY), ("pause", MONTHLY)])
async def test_a_quota_may_stop_the_run(tmp_path, on_quota, words):
    """With ``stop``, or for a monthly quota, the trial is rate limited and asked again on resume."""
    bench = Bench(tmp_path, Limited(words, until=1e9), optim(12), under(on_quota=on_quota))
    await bench.run()
    assert endings(bench) == {Ending.RATE_LIMITED}
    assert len(bench.records()) <= 4
    assert bench.stop.reason == words
    bench.server.until, bench.stop = 0.0, Stop()
    await bench.run(resume=True)
    assert endings(bench) == {Ending.SETTLED}
    assert len(bench.records()) == 12


async def test_a_run_may_continue_past_a_quota(tmp_path):
    """``continue`` asks the next trial at once; every limited one is labelled with the server's message."""
    bench = Bench(tmp_path, Limited(HOURLY, until=1e9), optim(12), under(on_quota="continue"))
    await bench.run()
    assert {(record.ending, record.detail) for record in bench.records().values()} == {(Ending.RATE_LIMITED, HOURLY)}
    assert len(bench.records()) == 12


async def test_a_stop_ends_a_pause(tmp_path):
    """Ctrl-C ends a pause for the hourly quota at once."""
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
    """A limit ends at the next UTC hour or day, plus a margin for clock differences; a monthly one is not waited for."""
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
    """It is read again for a short time; without it the trial keeps its task alone, with a note."""
    bench = Bench(tmp_path, Forgetful(*answers), optim(1))
    await bench.run()
    (record,) = bench.records().values()
    assert record.ending is Ending.SETTLED
    assert record.task is not None
    assert (record.session is not None) is kept
    assert (says is None and not record.notes) or any(says in note for note in record.notes)


async def test_a_lost_task_is_not_mistaken_for_another_task_of_its_session(tmp_path):
    """A session that holds the turn of another task does not answer this one."""
    server = Scripted(task_s=10.0)
    bench = Bench(tmp_path, server, optim(1))

    async def restart():
        await anyio.sleep(5)
        server.tasks.clear()
        turn = {"turn": 1, "task_id": "task-of-another", "status": "success"}
        server.sessions["s-0"]["last_turn_data"]["workflow_history"].append(turn)

    await bench.run(during=restart)
    (record,) = bench.records().values()
    assert (record.ending, record.session_id) == (Ending.SETTLED, "s-2")  # asked again after a warm-up


async def test_a_task_that_stays_in_cancelling_frees_its_slot(tmp_path):
    """It times out, the record notes that it did not stop, and the next trial is asked."""

    class Stuck(Scripted):
        def _task(self, task_id: str) -> httpx.Response:
            status = "cancelling" if self.tasks[task_id]["cancelled"] else "processing"
            return httpx.Response(200, json={"task_id": task_id, "status": status, "events": []})

    bench = Bench(tmp_path, Stuck(), optim(2), under(load={"concurrency": 1}, timeout=20.0))
    await bench.run()
    assert endings(bench) == {Ending.TIMED_OUT}
    assert all("did not stop within 10 s" in record.notes[0] for record in bench.records().values())
    assert anyio.current_time() < 70


async def test_a_failed_cancellation_is_noted(tmp_path):
    """The trial times out either way."""
    server = Scripted(task_s=1e6)
    server.trouble("/cancel", *[httpx.Response(403, json={"error": "Access denied"})] * 9)
    bench = Bench(tmp_path, server, optim(1), under(timeout=20.0))
    await bench.run()
    (record,) = bench.records().values()
    assert record.ending is Ending.TIMED_OUT
    assert "not cancelled on the server: cancel: HTTP 403, Access denied" in record.notes
