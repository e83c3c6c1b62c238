"""Credentials from the environment, in pydantic's type that hides them when printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from uderia_bench.errors import NotSignedIn
from uderia_bench.gateway.kept_tokens import KeptTokens
from uderia_bench.gateway.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Either an access token, or a username with its password."""

    token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    of_login: bool = False
    """Whether the token comes from ``uderia-bench login``."""


def secret_of(environ: Mapping[str, str], name: str) -> SecretStr | None:
    """Read a secret for a header, without white space around it; None if it is not set.

    Raises ``NotSignedIn`` if a header cannot contain it.
    """
    text = environ.get(name, "").strip()
    if not all("!" <= character <= "~" for character in text):
        raise NotSignedIn(f"{name} contains spaces, or characters that a token cannot have: set it again")
    return SecretStr(text) if text else None


EMBEDDED = Credentials(username="admin", password=SecretStr("admin"))
"""The fixed account of the embedded server."""


def for_server(environ: Mapping[str, str], address: str, trust: Trust, kept: KeptTokens | None) -> Credentials:
    """Return the credentials for a server: those of the environment, else those of ``uderia-bench login``.

    Raises ``NotSignedIn`` when there are none, or when the server's host may not receive them.
    """
    try:
        return from_environment(environ, address, trust)
    except NotSignedIn:
        token = None if kept is None else kept.of_login(address)
        if token is None:
            raise
        return Credentials(token=SecretStr(token), of_login=True)


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
        return Credentials(username=username, password=SecretStr(password))
    raise NotSignedIn("no credentials: set UDERIA_TOKEN, or UDERIA_USERNAME and UDERIA_PASSWORD, or run 'uderia-bench login'")
