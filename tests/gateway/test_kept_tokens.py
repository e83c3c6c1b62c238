"""A token of an earlier sign-in is used again: at its server only, with its password only, from a file of its owner only."""

from __future__ import annotations

import json
import os
from contextlib import AsyncExitStack
from functools import partial

import anyio
import httpx
import pytest
from pydantic import SecretStr
from scripted import URL, Scripted

from uderia_bench.errors import NotSignedIn
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import Credentials, for_server
from uderia_bench.gateway.kept_tokens import MOST_KEPT, KeptTokens, default_file
from uderia_bench.gateway.trust import Trust

ADMIN = Credentials(username="admin", password=SecretStr("hunter2"))


@pytest.fixture
def kept(tmp_path) -> KeptTokens:
    """Return an empty file of tokens."""
    return KeptTokens(tmp_path / "cache" / "tokens.json")


async def signed_in(server: Scripted, kept: KeptTokens, credentials: Credentials = ADMIN) -> None:
    """Sign in as one command does, and make one call."""
    async with connect(URL, credentials, transport=server.transport(), kept=kept) as uderia:
        await uderia.profiles()


@pytest.mark.anyio
async def test_many_commands_sign_in_once(kept):
    """The server counts five sign-ins a minute, and ten commands are no trouble."""
    server = Scripted()
    for _ in range(10):
        await signed_in(server, kept)
    assert server.count("POST", "/auth/login") == 1


@pytest.mark.anyio
async def test_another_password_signs_in_itself(kept):
    """A wrong password must be refused although a token of the right one is kept."""
    server = Scripted()
    await signed_in(server, kept)
    server.trouble("/auth/login", httpx.Response(401, json={"message": "wrong"}))
    with pytest.raises(NotSignedIn, match="wrong"):
        await signed_in(server, kept, Credentials(username="admin", password=SecretStr("hunter3")))


@pytest.mark.anyio
async def test_a_token_that_is_no_longer_valid_is_replaced(kept):
    """After a restart of the server, or when it has expired during a run."""
    server = Scripted()
    await signed_in(server, kept)
    server.tokens.clear()
    await signed_in(server, kept)
    async with connect(URL, ADMIN, transport=server.transport(), kept=kept) as uderia:
        server.tokens.clear()
        assert await uderia.create_session(None)
    assert server.count("POST", "/auth/login") == 3
    await signed_in(server, kept)
    assert server.count("POST", "/auth/login") == 3


def test_the_file_is_for_its_owner_only_and_contains_no_password(kept):
    """Mode 0600 in a directory of mode 0700."""
    assert kept.keep(URL, "me", "t1", password="hunter2")
    assert kept.file.stat().st_mode & 0o777 == 0o600
    assert kept.file.parent.stat().st_mode & 0o777 == 0o700
    assert "hunter2" not in kept.file.read_text()
    assert [path.name for path in kept.file.parent.iterdir()] == ["tokens.json"]


def test_a_token_is_bound_to_server_name_and_password(kept):
    """Any other address, user or password has none."""
    kept.keep(URL, "me", "t1", password="hunter2")
    assert kept.of_password(URL, "me", "hunter2") == "t1"
    for server, name, password in (
        ("https://other.test", "me", "hunter2"),
        (f"{URL}:8443", "me", "hunter2"),
        (URL, "you", "hunter2"),
        (URL, "me", "hunter3"),
        (URL, "me", ""),
    ):
        assert kept.of_password(server, name, password) is None
    assert kept.of_login(URL) is None  # needs the password


def test_a_login_is_used_where_the_environment_has_no_credentials(kept):
    """It needs no permission for its own server, and is not sent to another."""
    kept.keep(URL, "me", "t1", password=None)
    assert for_server({}, f"{URL}/", Trust(), kept).token == SecretStr("t1")
    stranger = {"UDERIA_TOKEN": "tda_x", "UDERIA_URL": "https://right.test"}
    assert for_server(stranger, URL, Trust(), kept).token == SecretStr("t1")  # the environment's token stays here
    assert for_server({"UDERIA_TOKEN": "tda_x", "UDERIA_URL": URL}, URL, Trust(), kept).token == SecretStr("tda_x")
    assert not for_server({}, "https://other.test", Trust(), kept).given
    with pytest.raises(NotSignedIn, match="right"):
        for_server(stranger, "https://other.test", Trust(), kept)


@pytest.mark.anyio
async def test_an_expired_login_says_what_to_run():
    """There is no password to sign in with again."""
    of_login = Credentials(token=SecretStr("t1"), of_login=True)
    with pytest.raises(NotSignedIn, match=f"the sign-in at {URL} has expired: run 'uderia-bench login --server {URL}' again"):
        async with connect(URL, of_login, transport=Scripted().transport()):
            pass


@pytest.mark.parametrize("text", ["", "[]", "{", '{"tokens": 5}', '{"tokens": [5, {}, {"server": "x"}]}', "x" * (2**20 + 1)])
def test_a_damaged_file_is_as_none(kept, text):
    """And is replaced by the next sign-in."""
    kept.file.parent.mkdir()
    kept.file.write_text(text)
    kept.file.chmod(0o600)
    assert kept.of_login(URL) is None
    assert kept.keep(URL, "me", "t1", password=None)
    assert kept.of_login(URL) == "t1"


def test_a_file_of_others_is_not_read(kept, tmp_path):
    """One that others can read or that is a link or a FIFO: its tokens may be another person's."""
    kept.keep(URL, "me", "t1", password=None)
    kept.file.chmod(0o644)
    assert kept.of_login(URL) is None
    kept.file.chmod(0o600)
    kept.file.rename(tmp_path / "elsewhere")
    kept.file.symlink_to(tmp_path / "elsewhere")
    assert kept.of_login(URL) is None
    kept.file.unlink()
    os.mkfifo(kept.file, 0o600)
    assert kept.of_login(URL) is None


def test_a_place_that_cannot_be_written_is_no_error(tmp_path):
    """The next command signs in again."""
    (tmp_path / "file").write_text("")
    assert not KeptTokens(tmp_path / "file" / "tokens.json").keep(URL, "me", "t1", password=None)


def test_only_the_newest_are_kept(kept):
    """Test servers have a new port each time."""
    for number in range(MOST_KEPT + 5):
        kept.keep(f"http://127.0.0.1:{number}", "me", "t", password=None)
    assert len(json.loads(kept.file.read_text())["tokens"]) == MOST_KEPT
    assert kept.of_login("http://127.0.0.1:0") is None
    assert kept.of_login(f"http://127.0.0.1:{MOST_KEPT + 4}") == "t"


@pytest.mark.parametrize(("given", "ends"), [("/x", "/x/uderia-bench/tokens.json"), ("x", ".cache/uderia-bench/tokens.json")])
def test_the_place_follows_the_convention(given, ends):
    """XDG_CACHE_HOME counts only if it is absolute."""
    assert str(default_file({"XDG_CACHE_HOME": given})).endswith(ends)


@pytest.mark.anyio
async def test_limits_are_waited_out_up_to_ninety_seconds_in_all():
    """A server that is asked by others too may limit again and again."""

    def limit(seconds):
        return httpx.Response(429, json={"message": "limited", "retry_after": seconds})

    server = Scripted()
    server.trouble("/auth/login", limit(40), limit(40))
    began = anyio.current_time()
    await signed_in(server, None)
    assert anyio.current_time() - began == pytest.approx(81, abs=0.5)
    server.trouble("/auth/login", limit(40), limit(40), limit(40))
    with pytest.raises(NotSignedIn, match="too many sign-ins"):
        await signed_in(server, None)


@pytest.mark.anyio
@pytest.mark.parametrize("expired", [False, True])
async def test_a_command_that_waits_for_a_limit_uses_the_token_of_another(kept, expired):
    """Another command has signed in meanwhile, so that this one does not ask for the limited sign-in again."""
    server = Scripted()
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        if expired:  # the token of a run in progress, after a restart of the server
            uderia = await stack.enter_async_context(connect(URL, ADMIN, transport=server.transport(), kept=kept))
            server.tokens.clear()
        asked = server.count("POST", "/auth/login")
        server.trouble("/auth/login", httpx.Response(429, json={"message": "limited", "retry_after": 40}))
        group.start_soon(uderia.profiles if expired else partial(signed_in, server, kept))
        await anyio.sleep(1)
        await signed_in(server, kept)
    assert server.count("POST", "/auth/login") == asked + 2


@pytest.mark.anyio
async def test_commands_that_start_together_sign_in_once(kept):
    """Ten of them are no trouble for a server that accepts five sign-ins a minute."""
    server = Scripted()
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(signed_in, server, kept)
    assert server.count("POST", "/auth/login") == 1


@pytest.mark.parametrize("typed", ["HTTPS://Uderia.test", "https://uderia.test:443/", "https://UDERIA.TEST"])
def test_an_address_may_be_typed_in_another_form(kept, typed):
    """A login counts for the server, however its address is written."""
    kept.keep(typed, "admin", "tda_1", password=None)
    assert kept.of_login("https://uderia.test") == "tda_1"
    assert kept.of_login("https://uderia.test:8443") is None
    assert kept.of_login("http://uderia.test") is None
