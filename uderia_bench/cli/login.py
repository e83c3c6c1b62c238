"""``login``: sign in once, for all later commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from uderia_bench.cli.options import PlainHttp, address, surroundings


def command(
    server: Annotated[str | None, typer.Option("--server", metavar="URL", help="The server to sign in to.")] = None,
    allow_plain_http: PlainHttp = False,
) -> None:
    """Sign in to a server and keep the token for later commands. The password is not kept.

    Example: uderia-bench login --server https://uderia.example
    """
    from uderia_bench.commands.login import login, reach
    from uderia_bench.errors import UsageError

    where = address(server)
    if where == "sim":
        raise UsageError("--server sim: the embedded server needs no sign-in")
    around = surroundings(allow_plain_http=allow_plain_http)
    reach(where, around)
    username, password = _asked(where)
    login(where, username, password, around)
    typer.echo(f"signed in at {where} as {username}", err=True)


def _asked(server: str) -> tuple[str, str]:
    """Return username and password: asked on a terminal, else from the environment."""
    from uderia_bench.errors import NotSignedIn

    username = os.environ.get("UDERIA_USERNAME", "")
    if sys.stdin.isatty():
        username = typer.prompt(f"Username at {server}", default=username or None, err=True)
        return username, typer.prompt("Password", hide_input=True, err=True)
    password = os.environ.get("UDERIA_PASSWORD", "")
    if not username or not password:
        raise NotSignedIn("no terminal to ask for a password: set UDERIA_USERNAME and UDERIA_PASSWORD")
    return username, password
