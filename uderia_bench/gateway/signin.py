"""Sign in once for all trials, and sign in again when the token has expired.

The server limits logins to 5 per minute and address. It answers an expired token with 403, 404 or an
empty 200 (docs/reference/protocol.md, "Expired tokens"), so ``/auth/me`` is asked before a new login.
"""

from __future__ import annotations

import anyio
import httpx
import structlog

from uderia_bench.errors import NoAnswer, NotSignedIn, Throttled, Unreachable
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.gateway.wire import Reply, Wire, refuse, server_words

# longest wait that a sign-in limit may ask for (docs/reference/commands.md, "Settings and secrets")
LONGEST_WAIT_S = 90.0
# wait for a limit without a time: the server allows 5 logins per minute
# (docs/reference/protocol.md, "Login limits")
UNKNOWN_WAIT_S = 15.0
log = structlog.get_logger(__name__)


class SignIn:
    """The bearer token of one server.

    Raises ``NotSignedIn`` when the server refuses the credentials, ``NoAnswer`` when it is away, and
    ``Throttled`` after too many sign-ins, which can happen just when a token expires.
    """

    def __init__(self, wire: Wire, credentials: Credentials) -> None:
        self._wire = wire
        self._credentials = credentials
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
            probe = await self._wire.exchange("GET", "/api/v1/auth/me", token=suspect)
            if probe.status != httpx.codes.UNAUTHORIZED:
                return False
            log.warning("token expired", server=self._wire.base_url)
            if self._credentials.token is not None:
                raise NotSignedIn(
                    f"{self._wire.base_url} does not accept the access token (any more): set a valid UDERIA_TOKEN"
                )
            self._token = await self._obtain()
            return True

    async def _obtain(self) -> str:
        if self._credentials.token is not None:
            token = self._credentials.token.reveal()
            probe = await self._wire.exchange("GET", "/api/v1/auth/me", token=token)
            _require_presence(probe)
            if probe.status != httpx.codes.OK:
                raise NotSignedIn(f"{self._wire.base_url} does not accept UDERIA_TOKEN (HTTP {probe.status}): set a valid one")
            return token
        try:
            return await self._log_in()
        except Throttled as limit:
            wait = UNKNOWN_WAIT_S if limit.retry_after_s is None else limit.retry_after_s
            if wait > LONGEST_WAIT_S:
                raise
            log.warning("sign-in limit reached, waiting", seconds=wait, server=self._wire.base_url)
            await anyio.sleep(wait + 0.5)  # the server counts whole seconds
        return await self._log_in()

    async def _log_in(self) -> str:
        who, password = self._credentials.username, self._credentials.password
        assert password is not None, "credentials are a token or a username with a password"
        body = {"username": who, "password": password.reveal()}
        if who != password.reveal():  # or the user's name would be masked
            self._wire.hide(password.reveal())
        reply = await self._wire.exchange_unmasked("POST", "/api/v1/auth/login", body=body)
        data = reply.json()
        if reply.status == httpx.codes.OK and isinstance(data, dict) and isinstance(data.get("token"), str):
            self._wire.hide(data["token"])
            return str(data["token"])
        reply = self._wire.masked(reply)
        _require_presence(reply)
        if reply.status == httpx.codes.TOO_MANY_REQUESTS:
            raise refuse(reply, f"sign-in at {self._wire.base_url}")
        said = server_words(reply) or f"HTTP {reply.status}"
        raise NotSignedIn(f"{self._wire.base_url} refuses {who!r}: {said}; check UDERIA_USERNAME and UDERIA_PASSWORD")


def _require_presence(reply: Reply) -> None:
    """Raise ``NoAnswer`` for a 5xx of a proxy whose server is down, which is not about the credentials."""
    if reply.status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise NoAnswer(f"sign-in: HTTP {reply.status}", arrived=True)


def unreachable(server: str, error: NoAnswer) -> Unreachable:
    """Make the error for a server that does not answer, with its cause and the settings to change."""
    cause = error.__cause__
    reason = f"{type(cause).__name__}: {cause}" if cause is not None and str(cause) else ""
    reason = f" ({reason or error})"
    return Unreachable(f"no server answers at {server}{reason}: start it, or name another with --server or UDERIA_URL")
