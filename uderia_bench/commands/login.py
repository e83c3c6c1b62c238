"""Sign in to a server and keep the token for later commands."""

from __future__ import annotations

from functools import partial

import anyio
from pydantic import SecretStr

from uderia_bench.errors import CannotRun
from uderia_bench.gateway import connect as gateway
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import log


def reach(server: str, around: Surroundings) -> None:
    """Raise ``Unreachable`` where no Uderia answers at ``server``, so that no password is typed in vain."""
    with log.into(None, as_json=around.log_as_json):
        anyio.run(partial(gateway.reach, server, allow_plain_http=around.allow_plain_http))


def login(server: str, username: str, password: str, around: Surroundings) -> None:
    """Sign in at ``server`` with a password and keep the token, not the password, for that address.

    Raises ``NotSignedIn`` or ``Unreachable``, and ``CannotRun`` if the token cannot be kept.
    """

    async def ask() -> str:
        credentials = Credentials(username=username, password=SecretStr(password))
        async with gateway.connect(server, credentials, allow_plain_http=around.allow_plain_http) as uderia:
            return await uderia.sign_in()

    with log.into(None, as_json=around.log_as_json):
        token = anyio.run(ask)
    if around.kept is None or not around.kept.keep(server, username, token, password=None):
        raise CannotRun("signed in, but the token cannot be kept: the cache directory cannot be written (XDG_CACHE_HOME)")
