"""Sign in once for all trials, and sign in again when the token has expired.

The server limits logins to 5 per minute and address. It answers an expired token with 403, 404 or an
empty 200 (docs/reference/protocol.md, "Expired tokens"), so ``/auth/me`` is asked before a new login.
"""

from __future__ import annotations

from contextlib import nullcontext

import anyio
import httpx
import structlog

from uderia_bench.errors import CannotRun, Down, NotSignedIn, Throttled
from uderia_bench.gateway.blame import no_credentials, refused_sign_in
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.gateway.kept_tokens import KeptTokens
from uderia_bench.gateway.wire import Reply, Wire, refuse, server_words

# longest wait that a sign-in limit may ask for (docs/reference/commands.md, "Settings and secrets")
LONGEST_WAIT_S = 90.0
# wait for a limit without a time: the server allows 5 logins per minute
# (docs/reference/protocol.md, "Login limits")
UNKNOWN_WAIT_S = 15.0
LOGIN = "/api/v1/auth/login"
ME = "/api/v1/auth/me"
log = structlog.get_logger(__name__)


class SignIn:
    """The bearer token of one server.

    Raises ``NotSignedIn`` when the server refuses the credentials, ``NoAnswer`` when it is away, and
    ``Throttled`` after too many sign-ins, which can happen just when a token expires. Without credentials it
    raises ``NoCredentials``, but only for a server that answers: another address may need no new credentials.
    """

    def __init__(self, wire: Wire, credentials: Credentials, kept: KeptTokens | None = None) -> None:
        self._wire = wire
        self._credentials = credentials
        self._kept = kept
        self._token: str | None = None
        self._renewing = anyio.Lock()

    async def token(self) -> str:
        """Return the token; sign in first if there is no token yet."""
        if self._token is None:
            async with self._renewing:
                if self._token is None:
                    self._token = await self._obtain()
        return self._token

    async def renew_if_expired(self, suspect: str) -> bool:
        """Check whether ``suspect`` has expired and sign in again if so. True if the caller should try again.

        Raises ``NotSignedIn`` if the token cannot be renewed (an access token, or changed credentials).
        """
        async with self._renewing:
            if self._token != suspect:
                return True  # another trial has renewed it meanwhile
            probe = await self._wire.exchange("GET", ME, token=suspect)
            if probe.status != httpx.codes.UNAUTHORIZED:
                return False
            log.warning("token expired", server=self._wire.base_url)
            if self._credentials.of_login:
                raise self._expired()
            if self._credentials.token is not None:
                raise NotSignedIn(f"UDERIA_TOKEN is no longer accepted by {self._wire.base_url}: set a valid one")
            self._token = await self._obtain()
            return True

    async def _obtain(self) -> str:
        """Return a token that the server accepts: a given one, one that a command on this machine keeps, or a new one."""
        if not self._credentials.given:
            raise await self._without_credentials()
        if self._credentials.token is not None:
            token = self._credentials.token.get_secret_value()
            probe = await self._probe(token)
            if _accepted(probe):
                return token
            if self._credentials.of_login:
                raise self._expired()
            raise refused_sign_in(self._wire.base_url, ME, probe, None)
        async with nullcontext() if self._kept is None else self._kept.turn(self._wire.base_url):
            return await self._obtain_with_password()

    async def _obtain_with_password(self) -> str:
        waited, refused = 0.0, self._token  # an earlier token has expired
        while True:
            kept = self._kept_token()  # in every round, because another command may have signed in meanwhile
            if kept is not None and kept != refused:
                if _accepted(await self._probe(kept)):
                    return kept
                refused = kept
            try:
                return await self._log_in()
            except Throttled as limit:
                wait = UNKNOWN_WAIT_S if limit.retry_after_s is None else limit.retry_after_s
                if waited + wait > LONGEST_WAIT_S:
                    raise
                log.warning(f"sign-in limit reached, waiting {wait:g} s", server=self._wire.base_url)  # noqa: G004 - structlog's event
                await anyio.sleep(wait + 0.5)  # the server counts whole seconds
                waited += wait + 0.5

    async def _without_credentials(self) -> CannotRun:
        """Return what is wrong: first what is wrong with the address, else that credentials are missing."""
        refused = refused_sign_in(self._wire.base_url, ME, await self._probe(None), None)
        return no_credentials(self._wire.base_url) if isinstance(refused, NotSignedIn) else refused

    async def _probe(self, token: str | None) -> Reply:
        probe = await self._wire.exchange("GET", ME, token=token)
        _require_presence(probe)
        return probe

    def _kept_token(self) -> str | None:
        name, password = self._credentials.username, self._credentials.password
        if self._kept is None or name is None or password is None:
            return None
        return self._kept.of_password(self._wire.base_url, name, password.get_secret_value())

    async def _log_in(self) -> str:
        who, password = self._credentials.username, self._credentials.password
        assert who is not None, "credentials are a token or a username with a password"
        assert password is not None, "credentials are a token or a username with a password"
        body = {"username": who, "password": password.get_secret_value()}
        if who != password.get_secret_value():  # or the user's name would be masked
            self._wire.hide(password.get_secret_value())
        reply = await self._wire.exchange_unmasked("POST", LOGIN, body=body)
        data = reply.json()
        if reply.status == httpx.codes.OK and isinstance(data, dict) and isinstance(data.get("token"), str):
            token = str(data["token"])
            self._wire.hide(token)
            if self._kept is not None:
                self._kept.keep(self._wire.base_url, who, token, password=password.get_secret_value())
            return token
        reply = self._wire.masked(reply)
        _require_presence(reply)
        if reply.status == httpx.codes.TOO_MANY_REQUESTS:
            raise refuse(reply, f"sign-in at {self._wire.base_url}")
        raise refused_sign_in(self._wire.base_url, LOGIN, reply, who)

    def _expired(self) -> NotSignedIn:
        server = self._wire.base_url
        return NotSignedIn(f"the sign-in at {server} has expired: run 'uderia-bench login --server {server}' again")


def _accepted(probe: Reply) -> bool:
    return probe.status == httpx.codes.OK and isinstance(probe.json(), dict)


def _require_presence(reply: Reply) -> None:
    """Raise ``Down`` for a 5xx, which is not about the credentials."""
    if reply.status >= httpx.codes.INTERNAL_SERVER_ERROR:
        said = server_words(reply)
        raise Down(f"sign-in: HTTP {reply.status}" + (f", {said}" if said else ""), arrived=True)
