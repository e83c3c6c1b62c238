"""A secret that a server repeats stays out of every reply and every error."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr
from scripted import URL, Scripted

from uderia_bench.errors import BenchError
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.gateway.masking import Secrets
from uderia_bench.gateway.wire import Wire

TOKEN = "tda_0123456789abcdef"
PASSWORD = 'pä"ss/w&rd <long>'


@pytest.mark.parametrize(
    "form",
    [
        PASSWORD,
        json.dumps(PASSWORD),
        json.dumps(PASSWORD, ensure_ascii=False),
        json.dumps(PASSWORD).replace("/", "\\/"),
        quote(PASSWORD, safe=""),
        base64.b64encode(PASSWORD.encode()).decode(),
        "pä&quot;ss/w&amp;rd &lt;long&gt;",
    ],
)
def test_a_secret_is_masked_in_every_usual_form(form):
    """Escaped for JSON, for a URL or for HTML, or in base64."""
    secrets = Secrets()
    secrets.add(PASSWORD)
    text = secrets.mask(f"not allowed for {form}!".encode(), error=False).decode()
    assert text.replace('"', "") == "not allowed for ***!"


@pytest.mark.parametrize(("error", "masked"), [(True, True), (False, False)])
def test_a_short_secret_is_masked_only_in_errors(error, masked):
    """In an answer "admin" is mostly a word, and masking it would change what is measured."""
    secrets = Secrets()
    secrets.add("admin")
    assert (b"admin" not in secrets.mask(b"the user admin", error=error)) is masked


def test_an_empty_secret_masks_nothing():
    """Or it would be found between any two bytes."""
    secrets = Secrets()
    secrets.add("")
    assert secrets.mask(b"text", error=True) == b"text"


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 302, 404, 422, 500])
async def test_a_token_that_was_sent_is_in_no_reply(status):
    """Body and Location are masked, whatever the status."""
    body = {"error": f"no for Bearer {TOKEN}", TOKEN: [TOKEN]}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body, headers={"Location": f"/login?token={TOKEN}"}))
    async with Wire(URL, transport) as opened:
        reply = await opened.exchange("GET", "/x", token=TOKEN)
        assert TOKEN not in str(reply)
        assert reply.json() == {"error": "no for Bearer ***", "***": ["***"]}
        assert TOKEN not in str(await opened.exchange("GET", "/x"))  # and not in later ones either


@pytest.mark.anyio
async def test_a_token_is_not_in_the_error_of_a_broken_connection():
    """Libraries quote what they could not read, such as a status line."""

    def broken(_request):
        raise httpx.RemoteProtocolError(f"bad status line: HTTP/1.1 {TOKEN}")

    async with Wire(URL, httpx.MockTransport(broken)) as opened:
        with pytest.raises(BenchError) as caught:
            await opened.exchange("GET", "/x", token=TOKEN)
    assert TOKEN not in str(caught.value)
    assert "bad status line: HTTP/1.1 ***" in str(caught.value)


@pytest.mark.anyio
async def test_neither_password_nor_fresh_token_is_repeated():
    """A refused sign-in repeats the password; a later error repeats the token that the sign-in returned."""
    server = Scripted()
    me = Credentials(username="me", password=SecretStr(PASSWORD))
    server.trouble("/auth/login", httpx.Response(401, json={"message": f"wrong password {PASSWORD}"}))
    with pytest.raises(BenchError) as refused:
        async with connect(URL, me, transport=server.transport()):
            pass
    assert "wrong password ***" in str(refused.value)
    server.trouble("/auth/login", httpx.Response(200, json={"token": TOKEN}))
    server.trouble("/profiles", httpx.Response(418, json={"error": f"{TOKEN} {PASSWORD}"}))
    async with connect(URL, me, transport=server.transport()) as uderia:
        with pytest.raises(BenchError) as caught:
            await uderia.profiles()
    assert "*** ***" in str(caught.value)


@pytest.mark.anyio
async def test_a_server_that_gives_the_same_token_again_can_be_used():
    """The reply of a sign-in is read before anything in it is masked."""
    server = Scripted()
    server.tokens.add(TOKEN)
    me = Credentials(username="me", password=SecretStr(PASSWORD))
    server.trouble("/auth/login", *(httpx.Response(200, json={"token": TOKEN}) for _ in range(2)))
    async with connect(URL, me, transport=server.transport()) as uderia:
        server.trouble("/sessions", httpx.Response(401, json={}))
        server.trouble("/auth/me", httpx.Response(401, json={}))
        assert await uderia.create_session(None)
    assert server.count("POST", "/auth/login") == 2
