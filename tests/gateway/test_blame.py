"""An error at the first contact blames what is wrong: the address, the path, the certificate, the protocol or the password."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener
from pydantic import SecretStr
from scripted import URL, Scripted

from uderia_bench.errors import BenchError, CannotRun, NotSignedIn, Refused, Unreachable
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import Credentials

pytestmark = pytest.mark.anyio
ADMIN = Credentials(username="admin", password=SecretStr("hunter2hunter2"))
TOKEN = Credentials(token=SecretStr("tda_0123456789"))
SIGNED_IN = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{"token":"t123"}'
PAGE = "<html><h1>It works!</h1>"


async def error_of(answer: httpx.Response, credentials: Credentials = ADMIN) -> CannotRun:
    """Return the error of a sign-in that is answered like this."""
    server = Scripted()
    server.trouble("/auth/login", answer)
    server.trouble("/auth/me", answer)
    with pytest.raises(CannotRun) as caught:
        async with connect(URL, credentials, transport=server.transport()):
            pass
    return caught.value


@pytest.mark.parametrize("credentials", [ADMIN, TOKEN])
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: httpx.Response(404, text=PAGE), r"does not exist \(HTTP 404\): check host, port and path"),
        (lambda: httpx.Response(404, json={"error": "no route"}), r"does not exist \(HTTP 404, no route\): check"),
        (lambda: httpx.Response(405, text=""), r"does not exist \(HTTP 405\)"),
        (lambda: httpx.Response(501, text=""), r"answers with an error \(sign-in: HTTP 501\): the server, or a proxy"),
        (lambda: httpx.Response(200, text=PAGE), r"answers, but not like Uderia \(HTTP 200\)"),
        (lambda: httpx.Response(400, text=PAGE), r"answers, but not like Uderia \(HTTP 400\)"),
        (lambda: httpx.Response(400, text="The plain HTTP request was sent to HTTPS port"), "expects https: use https://"),
        (lambda: httpx.Response(407, text=PAGE), "a proxy asks for a sign-in"),
        (
            lambda: httpx.Response(302, headers={"Location": "https://sso.test/start"}),
            "redirects the sign-in to https://sso.test/start",
        ),
        (lambda: httpx.Response(301, headers={"Location": "/\x1b[2Jx"}), r"redirects the sign-in to /\\x1b\[2Jx"),
        (lambda: httpx.Response(303), "redirects the sign-in to no address"),
    ],
)
async def test_another_answer_is_not_blamed_on_the_credentials(credentials, answer, said):
    """Password and token are not mentioned."""
    error = await error_of(answer(), credentials)
    assert isinstance(error, Unreachable)
    assert re.search(said, str(error))
    assert "PASSWORD" not in str(error)
    assert "UDERIA_TOKEN" not in str(error)


async def test_a_redirect_names_the_address_to_use():
    """The path of the sign-in is taken off, because an address is set without it."""
    moved = {"Location": "https://new.test/uderia/api/v1/auth/login"}
    error = await error_of(httpx.Response(308, headers=moved))
    assert str(error).endswith("such as https://new.test/uderia")


@pytest.mark.parametrize(("status", "body"), [(401, {"message": "Invalid"}), (403, {}), (400, {"error": "no such user"})])
async def test_what_is_about_the_credentials_blames_them(status, body):
    """The variables to check are named."""
    error = await error_of(httpx.Response(status, json=body))
    assert isinstance(error, NotSignedIn)
    assert "check UDERIA_USERNAME and UDERIA_PASSWORD" in str(error)
    error = await error_of(httpx.Response(status, json=body), TOKEN)
    assert "does not accept UDERIA_TOKEN" in str(error)


async def test_a_redirect_of_a_later_call_names_its_target():
    """It is an error of the call, not "no JSON"."""
    server = Scripted()
    async with connect(URL, ADMIN, transport=server.transport()) as uderia:
        server.trouble("/profiles", httpx.Response(302, headers={"Location": "https://sso.test/"}))
        with pytest.raises(Refused, match=r"profiles: HTTP 302, a redirect to https://sso.test/, which is not followed"):
            await uderia.profiles()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return a certificate for localhost that signs itself, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("certificate") / "self.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [openssl, *options.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", f"{file}.crt"],
        check=True,
        capture_output=True,
    )
    file.write_bytes(file.read_bytes() + (file.parent / "self.pem.crt").read_bytes())
    return file


class TestConnections:
    """Real connections, because the libraries' own errors are read."""

    @pytest.fixture
    def anyio_backend(self):
        """Run on asyncio: the connections are aiohttp's."""
        return "asyncio"

    @asynccontextmanager
    async def serving(self, certificate=None, reply=SIGNED_IN):
        """Yield the port of a server that answers with TLS, or without."""

        async def answer(stream):
            async with stream:
                try:
                    await stream.receive()
                    await stream.send(reply)
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(SocketAttribute.local_port)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            listener = TLSListener(listener, context, standard_compatible=False)
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, answer)
            yield port
            group.cancel_scope.cancel()
        await listener.aclose()

    async def said(self, url: str) -> str:
        """Return the error of a connection."""
        with pytest.raises(BenchError) as caught:
            async with connect(url, ADMIN):
                pass
        assert isinstance(caught.value, Unreachable)
        return str(caught.value)

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    async def test_a_certificate_that_is_not_trusted_is_named(self, certificate):
        """With the variable to set."""
        async with self.serving(certificate) as port:
            said = await self.said(f"https://localhost:{port}")
        assert "its certificate is not trusted (self-signed certificate)" in said
        assert "set SSL_CERT_FILE" in said

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    async def test_https_to_a_server_of_plain_http_says_so(self):
        """The scheme is what is wrong."""
        async with self.serving() as port:
            said = await self.said(f"https://127.0.0.1:{port}")
        assert "does not speak https (wrong version number): if it serves plain http, use http://" in said

    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    async def test_plain_http_to_a_server_of_https_suggests_https(self, certificate):
        """The connection just ends, so it is only a suggestion."""
        async with self.serving(certificate) as port:
            said = await self.said(f"http://127.0.0.1:{port}")
        assert "if it serves https, use https://" in said

    @pytest.mark.parametrize(
        ("reply", "why"),
        [
            (b"SSH-2.0-OpenSSH_9.6\r\n", "bad status line"),
            (b"\x00\xff\x1b[2J" * 9, "bad status line"),
            (b"HTTP/1.1 abc OK\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "invalid character in content-length"),
        ],
    )
    async def test_another_protocol_is_named_in_one_line(self, reply, why):
        """What the other program sent is not repeated: it may be anything."""
        async with self.serving(reply=reply) as port:
            said = await self.said(f"http://127.0.0.1:{port}")
        assert said == (
            f"http://127.0.0.1:{port} does not speak HTTP ({why}): check host and port of the address; "
            "if it serves https, use https://"
        )
