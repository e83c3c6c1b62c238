"""Who signs in: from the environment only, held in a type that does not print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uderia_bench.errors import NotSignedIn


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that shows itself to nobody but the caller who asks for it by ``reveal``."""

    _text: str

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def reveal(self) -> str:
        """Return the text; only the wire and the sign-in body should need it."""
        return self._text


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Either an access token, or a username with its password."""

    token: Secret | None = None
    username: str | None = None
    password: Secret | None = None


def secret_of(environ: Mapping[str, str], name: str) -> Secret | None:
    """Read what goes into a header, less the end of the line of the file it came from; None where it is not set.

    Raises ``NotSignedIn`` where no header can hold it.
    """
    text = environ.get(name, "").strip()
    if not all("!" <= character <= "~" for character in text):
        raise NotSignedIn(f"{name} holds spaces, or characters that no token has: set it anew")
    return Secret(text) if text else None


def from_environment(environ: Mapping[str, str], *, embedded: bool) -> Credentials:
    """Read ``UDERIA_TOKEN``, or ``UDERIA_USERNAME`` and ``UDERIA_PASSWORD``; the embedded server's are its own and known.

    Raises ``NotSignedIn`` where a real server is asked for and neither is set.
    """
    if embedded:
        return Credentials(username="admin", password=Secret("admin"))  # the embedded server's fixed account
    if token := secret_of(environ, "UDERIA_TOKEN"):
        return Credentials(token=token)
    username, password = environ.get("UDERIA_USERNAME"), environ.get("UDERIA_PASSWORD")
    if username and password:
        return Credentials(username=username, password=Secret(password))
    raise NotSignedIn("no credentials: set UDERIA_TOKEN, or UDERIA_USERNAME and UDERIA_PASSWORD, in the environment")
