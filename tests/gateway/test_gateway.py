"""What the gateway promises: errors in our words, retries only where nothing can happen twice, one sign-in, no secret shown."""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext

import anyio
import httpx
import pytest
from pydantic import SecretStr
from scripted import PROFILES, URL, Scripted

from uderia_bench.errors import Gone, NoAnswer, NoCredentials, NotSignedIn, Refused, Throttled, UnknownProfile, Unreachable
from uderia_bench.gateway import directory
from uderia_bench.gateway.connect import connect, reach
from uderia_bench.gateway.credentials import Credentials, from_environment
from uderia_bench.gateway.trust import Trust

pytestmark = pytest.mark.anyio
HERE = "http://localhost:5050"
ADMIN = Credentials(username="admin", password=SecretStr("hunter2"))


@asynccontextmanager
async def connected(server: Scripted, credentials: Credentials = ADMIN):
    """Open the scripted server, signed in."""
    async with connect(URL, credentials, transport=server.transport()) as uderia:
        yield uderia


async def test_one_login_serves_every_call():
    """Trials share one token: the server counts five logins a minute."""
    server = Scripted()
    async with connected(server) as uderia, anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(uderia.create_session, None)
    assert server.count("POST", "/auth/login") == 1
    assert len(server.sessions) == 20


async def test_wrong_password_says_what_to_set():
    """A refused login is one line that names the server, the user and the variables to set."""
    server = Scripted()
    server.trouble("/auth/login", httpx.Response(401, json={"message": "Invalid username or password"}))
    with pytest.raises(NotSignedIn, match=r"refuses 'admin': Invalid username or password; check UDERIA_USERNAME"):
        async with connected(server):
            pass


async def test_sign_in_limit_is_waited_out():
    """A limit that says when is waited out; one that is too long is not."""
    server = Scripted()
    server.trouble("/auth/login", httpx.Response(429, json={"message": "Login rate limit exceeded", "retry_after": 12}))
    began = anyio.current_time()
    async with connected(server):
        assert anyio.current_time() - began == pytest.approx(12.5, abs=0.1)
    server.trouble("/auth/login", httpx.Response(429, json={"message": "locked", "retry_after": 900}))
    with pytest.raises(NotSignedIn, match="too many sign-ins"):
        async with connected(server):
            pass


async def test_a_server_that_does_not_answer_is_unreachable():
    """A refused connection names the address and what to do."""
    server = Scripted()
    server.trouble("/auth/login", httpx.ConnectError("refused"))
    with pytest.raises(Unreachable, match=r"no server answers at https://uderia.test \(ConnectError: refused\)"):
        async with connected(server):
            pass


async def test_an_expired_token_is_renewed_once():
    """404 for a task that should exist is settled by /auth/me; ten trials that notice together log in once."""
    server = Scripted(task_s=0.0)
    async with connected(server) as uderia:
        session = await uderia.create_session(None)
        task = (await uderia.submit(session, "q", "p-ideat")).task_id
        server.tokens.clear()
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(uderia.task, task)
    assert server.count("POST", "/auth/login") == 2


async def test_an_unknown_task_is_gone_without_another_sign_in():
    """A 404 with a valid token is the truth."""
    server = Scripted()
    async with connected(server) as uderia:
        with pytest.raises(Gone, match="Task 'task-9' not found"):
            await uderia.task("task-9")
    assert server.count("POST", "/auth/login") == 1


async def test_polls_are_retried_through_a_restart():
    """A poll survives refused connections and 502 pages."""
    server = Scripted(task_s=0.0)
    async with connected(server) as uderia:
        session = await uderia.create_session(None)
        task = (await uderia.submit(session, "q", "p-ideat")).task_id
        server.trouble(task, httpx.ConnectError("refused"), httpx.Response(502, text="<html>"), httpx.ReadError("reset"))
        assert (await uderia.task(task)).terminal
        server.trouble(task, *[httpx.ConnectError("refused")] * 5)
        with pytest.raises(NoAnswer):
            await uderia.task(task)


async def test_a_query_that_may_have_arrived_is_never_sent_again():
    """A broken connection after sending is reported as such; one that never connected is retried."""
    server = Scripted()
    async with connected(server) as uderia:
        session = await uderia.create_session(None)
        server.trouble("/query", httpx.ReadError("reset"))
        with pytest.raises(NoAnswer) as caught:
            await uderia.submit(session, "q", "p-ideat")
        assert caught.value.arrived
        assert server.count("POST", "/query") == 1
        server.trouble("/query", httpx.ConnectError("refused"))
        assert (await uderia.submit(session, "q", "p-ideat")).task_id
    assert len(server.tasks) == 1


async def test_submit_is_timed_around_the_transport():
    """``sent_s`` to ``accepted_s`` is the round trip, retries left out."""
    server = Scripted(submit_s=0.06)
    async with connected(server) as uderia:
        session = await uderia.create_session(None)
        server.trouble("/query", httpx.ConnectError("refused"))
        accepted = await uderia.submit(session, "q", "p-ideat")
    assert accepted.accepted_s - accepted.sent_s == pytest.approx(0.06)


async def test_throttled_waits_as_told_then_gives_up():
    """A 429 that says when is obeyed; one that wants too long is the caller's to record."""
    server = Scripted()
    async with connected(server) as uderia:
        server.trouble("/sessions", httpx.Response(429, json={"message": "slow down", "retry_after": 7}))
        began = anyio.current_time()
        await uderia.create_session(None)
        assert anyio.current_time() - began == pytest.approx(7, abs=0.1)
        server.trouble("/sessions", httpx.Response(429, json={"message": "slow down", "retry_after": 3600}))
        with pytest.raises(Throttled):
            await uderia.create_session(None)


async def test_error_pages_are_refusals_not_crashes():
    """HTML instead of JSON, or JSON without the id asked for, is a refusal that says so."""
    server = Scripted()
    async with connected(server) as uderia:
        server.trouble("/sessions", httpx.Response(500, text="<html>boom</html>"))
        with pytest.raises(Refused, match="create session: HTTP 500"):
            await uderia.create_session(None)
        server.trouble("/sessions", httpx.Response(201, json=["no", "object"]))
        with pytest.raises(NoAnswer, match="names no usable session_id"):
            await uderia.create_session(None)


async def test_credentials_of_providers_are_left_behind():
    """The LLM configurations may contain keys; none leaves the gateway."""
    server = Scripted()
    async with connected(server) as uderia:
        assert "do-not-keep" not in str(await uderia.llm_configurations())


async def test_a_profile_is_found_by_tag_or_id():
    """Tags match with or without @ in any case, an id matches exactly, and the models are joined in."""
    server = Scripted()
    async with connected(server) as uderia:
        profiles = directory.read(await uderia.profiles(), await uderia.llm_configurations())
    for wanted in ("@IDEAT", "ideat", "p-ideat"):
        assert directory.resolve(wanted, profiles, server=URL).models == ("Alpha/one",)
    assert directory.resolve("OPTIM", profiles, server=URL).profile_type == "tool_enabled"


async def test_an_unknown_profile_names_those_there_are():
    """The error lists the profiles and proposes the nearest."""
    profiles = directory.read({"profiles": PROFILES}, [])
    with pytest.raises(UnknownProfile, match=r"it has @IDEAT, @OPTIM; did you mean @OPTIM\?"):
        directory.resolve("OPTIMM", profiles, server=URL)
    with pytest.raises(UnknownProfile, match="lists no profiles"):
        directory.resolve("OPTIM", (), server=URL)


async def test_an_ambiguous_tag_is_an_error():
    """Two profiles with tags that differ in case only are told apart by id."""
    twins = [{"id": "a", "tag": "Optim"}, {"id": "b", "tag": "OPTIM"}]
    with pytest.raises(UnknownProfile, match="ambiguous"):
        directory.resolve("optim", directory.read({"profiles": twins}, []), server=URL)


@pytest.mark.parametrize("named", ["../../auth/logout", "a/b", "x" * 129, "", "s?x=1", "é"])
async def test_an_id_of_the_servers_is_never_a_path(named):
    """What the server calls a session goes into our paths: anything but an id is refused."""
    server = Scripted()
    server.trouble("/sessions", httpx.Response(201, json={"session_id": named}))
    async with connected(server) as uderia:
        with pytest.raises(NoAnswer, match="no usable session_id"):
            await uderia.create_session(None)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://localhost:5050", True),
        ("http://127.0.0.1:5050", True),
        ("http://[::1]:5050", True),
        ("https://uderia.example", True),
        ("http://uderia.example", False),
        ("http://10.0.0.8:5050", False),
        ("http://localhost.example", False),
    ],
)
async def test_credentials_stay_off_plain_http(url, allowed):
    """To another machine only over https, unless that is asked for; nothing is sent before."""
    server = Scripted()
    refused = True
    try:
        async with connect(url, ADMIN, transport=server.transport()):
            refused = False
    except NotSignedIn as error:
        assert "--allow-plain-http" in str(error)  # noqa: PT017 - whether it is raised is the table's second column
    assert refused is not allowed
    assert bool(server.calls) is allowed
    async with connect(url, ADMIN, transport=server.transport(), allow_plain_http=True):
        assert server.count("POST", "/auth/login")


def test_a_secret_is_hidden_when_printed():
    """Neither str nor repr nor a dataclass around it prints the text."""
    credentials = from_environment({"UDERIA_USERNAME": "me", "UDERIA_PASSWORD": "hunter2"}, HERE, Trust())
    assert "hunter2" not in f"{credentials} {credentials!r} {credentials.password}"


def away(request):
    """Refuse the connection."""
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (
            lambda _: httpx.Response(401, json={"message": "no"}),
            NoCredentials,
            f"no credentials for {HERE}: set UDERIA_TOKEN, or",
        ),
        (lambda _: httpx.Response(404, text="no"), Unreachable, "does not exist"),
        (lambda _: httpx.Response(503, text="no"), Unreachable, "answers with an error"),
        (away, Unreachable, "no server answers"),
    ],
)
async def test_missing_credentials_are_named_only_for_a_server_that_answers(answer, error, said):
    """What is wrong with the address comes first. ``reach`` finds the same without credentials, and nothing else."""
    none = from_environment({"UDERIA_USERNAME": "me"}, HERE, Trust())
    with pytest.raises(error, match=said):
        async with connect(HERE, none, transport=httpx.MockTransport(answer)):
            pass
    with nullcontext() if error is NoCredentials else pytest.raises(error, match=said):
        await reach(HERE, transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("token", ["tda_ü", "two words", "a\nb"])
def test_a_token_that_no_header_can_hold_is_refused_by_name_and_not_shown(token):
    """It would fail deep inside of the first request."""
    with pytest.raises(NotSignedIn, match=r"UDERIA_TOKEN contains spaces, or characters that a token cannot have") as refused:
        from_environment({"UDERIA_TOKEN": token}, HERE, Trust())
    assert token not in str(refused.value)


def test_the_end_of_a_line_is_no_part_of_a_token():
    """Files that tokens are kept in have one."""
    credentials = from_environment({"UDERIA_TOKEN": "tda_x\r\n"}, HERE, Trust())
    assert credentials.token == SecretStr("tda_x")
