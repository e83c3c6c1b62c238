"""Whatever a server answers, the gateway says it in its own errors and in little memory: any replies, any session file."""

from __future__ import annotations

import json

import anyio
import httpx
from bounded import bounded, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from scripted import URL

from uderia_bench.errors import BenchError
from uderia_bench.gateway import directory
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.gateway.session_file import SessionFile

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["half \ud83d", 10**400, "a\u2028b", "a\x85b", "\x1b[2J", "::error::", "9" * 400])
)
KEYS = st.sampled_from(
    [
        *("token", "session_id", "task_id", "status", "profiles", "configurations", "costs", "id", "tag", "provider", "model"),
        *("dualModelConfig", "llmConfigurationId", "retry_after", "error", "message", "last_turn_data", "workflow_history"),
        *("session_history", "role", "x"),
    ]
)
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))
STATUSES = st.sampled_from([200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 418, 429, 500, 502, 503])
JSON = ANYTHING.map(lambda value: json.dumps(value).encode())
BODIES = JSON | JSON.map(lambda body: b"\xef\xbb\xbf" + body) | st.binary(max_size=60) | st.just(b"<html>")
REPLIES = st.lists(st.tuples(STATUSES, BODIES, st.booleans()), min_size=1, max_size=8)
STRANGER = Credentials(username="a", password=SecretStr("b"))


@settings(max_examples=examples(), deadline=None)
@given(REPLIES)
def test_any_replies_become_our_errors(replies):
    """Every call ends in a value or in one of our errors, with one line of text, and ends."""
    with bounded():
        anyio.run(_call_everything, replies, backend="trio", backend_options=_virtual_time())


def _virtual_time():
    from trio.testing import MockClock

    return {"clock": MockClock(autojump_threshold=0)}


async def _call_everything(replies):
    sent = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        if request.url.path.endswith("/auth/login"):
            return httpx.Response(200, json={"token": "t"})
        status, body, cut = replies[sent % len(replies)]
        sent += 1
        if cut and sent % 3 == 0:
            raise httpx.ReadError("reset")
        return httpx.Response(status, content=body)

    async with connect(
        URL, Credentials(username="a", password=SecretStr("b")), transport=httpx.MockTransport(answer)
    ) as uderia:
        calls = (
            lambda: _profiles(uderia),
            lambda: uderia.create_session("p"),
            lambda: uderia.submit("s", "prompt", "p"),
            lambda: uderia.task("t"),
            lambda: uderia.session("s"),
            lambda: uderia.cancel("t"),
            lambda: uderia.archive("s"),
            uderia.costs,
            uderia.presence,
            lambda: uderia.knows("t"),
        )
        said = [await _said(call) for call in calls]
    assert "\n" not in "".join(said)


async def _said(call):
    """Return the text of our error, nothing where there is none; any other error is the test's failure."""
    try:
        await call()
    except BenchError as error:
        return str(error)
    return ""


async def _profiles(uderia):
    return directory.read(await uderia.profiles(), await uderia.llm_configurations())


@settings(max_examples=examples(), deadline=None)
@given(st.dictionaries(KEYS, ANYTHING, max_size=5), st.none() | st.text(max_size=5), st.integers(1, 3))
def test_any_session_file_is_read(data, task_id, number):
    """No shape of it raises."""
    with bounded():
        file = SessionFile(body=b"", data=data)
        found = file.turn_of(task_id, number)
        assert found is None or isinstance(found, dict)
        assert file.prompts() >= 0
