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
    """Either an access token, or a username with its password. Without values: there are no credentials."""

    token: SecretStr | None = None
    username: str | None = None
    password: SecretStr | None = None
    of_login: bool = False
    """Whether the token comes from ``uderia-bench login``."""

    @property
    def given(self) -> bool:
        """Whether there are credentials."""
        return self.token is not None or self.password is not None


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
    """Return the credentials for a server, if there are any: those of the environment, else those of ``uderia-bench login``.

    Raises ``NotSignedIn`` when the server's host may not receive them.
    """
    token = None if kept is None else kept.of_login(address)
    of_login = None if token is None else Credentials(token=SecretStr(token), of_login=True)
    try:
        found = from_environment(environ, address, trust)
    except NotSignedIn:
        if of_login is None:
            raise
        return of_login
    return found if found.given or of_login is None else of_login


def from_environment(environ: Mapping[str, str], address: str, trust: Trust) -> Credentials:
    """Read ``UDERIA_TOKEN``, or ``UDERIA_USERNAME`` and ``UDERIA_PASSWORD``, for the server at ``address``.

    Raises ``NotSignedIn`` when the server's host may not receive them.
    """
    if token := secret_of(environ, "UDERIA_TOKEN"):
        trust.require(address, environ, what="your UDERIA_TOKEN")
        return Credentials(token=token)
    username, password = environ.get("UDERIA_USERNAME"), environ.get("UDERIA_PASSWORD")
    if username and password:
        trust.require(address, environ, what="your UDERIA_PASSWORD")
        return Credentials(username=username, password=SecretStr(password))
    return Credentials()
