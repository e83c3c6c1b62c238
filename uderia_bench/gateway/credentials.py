"""Credentials from the environment, in a type that hides them when printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uderia_bench.errors import NotSignedIn
from uderia_bench.gateway.kept_tokens import KeptTokens
from uderia_bench.gateway.trust import Trust


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that prints as ``***`` and is readable only through ``reveal``."""

    _text: str

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def reveal(self) -> str:
        """Return the text, for a header or the sign-in body."""
        return self._text


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Either an access token, or a username with its password."""

    token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    of_login: bool = False
    """Whether the token comes from ``uderia-bench login``."""


def secret_of(environ: Mapping[str, str], name: str) -> Secret | None:
    """Read a secret for a header, without white space around it; None if it is not set.

    Raises ``NotSignedIn`` if a header cannot contain it.
    """
    text = environ.get(name, "").strip()
    if not all("!" <= character <= "~" for character in text):
        raise NotSignedIn(f"{name} contains spaces, or characters that a token cannot have: set it again")
    return Secret(text) if text else None


EMBEDDED = Credentials(username="admin", password=Secret("admin"))
"""The fixed account of the embedded server."""


def for_server(environ: Mapping[str, str], address: str, trust: Trust, kept: KeptTokens | None) -> Credentials:
    """Return the credentials for a server: those of the environment, else those of ``uderia-bench login``.

    Raises ``NotSignedIn`` when there are none, or when the server's host may not receive them.
    """
    try:
        return from_environment(environ, address, trust)
    except NotSignedIn:
        token = None if kept is None else kept.of_login(address.rstrip("/"))
        if token is None:
            raise
        return Credentials(token=Secret(token), of_login=True)


def from_environment(environ: Mapping[str, str], address: str, trust: Trust) -> Credentials:
    """Read ``UDERIA_TOKEN``, or ``UDERIA_USERNAME`` and ``UDERIA_PASSWORD``, for the server at ``address``.

    Raises ``NotSignedIn`` when neither is set, or when the server's host may not receive them.
    """
    if token := secret_of(environ, "UDERIA_TOKEN"):
        trust.require(address, environ, what="your UDERIA_TOKEN")
        return Credentials(token=token)
    username, password = environ.get("UDERIA_USERNAME"), environ.get("UDERIA_PASSWORD")
    if username and password:
        trust.require(address, environ, what="your UDERIA_PASSWORD")
        return Credentials(username=username, password=Secret(password))
    raise NotSignedIn("no credentials: set UDERIA_TOKEN, or UDERIA_USERNAME and UDERIA_PASSWORD, or run 'uderia-bench login'")
