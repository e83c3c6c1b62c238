"""``profiles``: the profiles of a server."""

from __future__ import annotations

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import AsJson, PlainHttp, Server, address, surroundings


def command(
    server: Server = None,
    as_json: AsJson = False,
    allow_plain_http: PlainHttp = False,
) -> None:
    """List the profiles of a server, with their types and models.

    Example: uderia-bench profiles --server sim
    """
    from uderia_bench.commands.profiles import profiles
    from uderia_bench.printable import plain

    found = profiles(address(server), surroundings(allow_plain_http=allow_plain_http, trusted=[server or ""]))
    if as_json:
        streams.as_json(found)
        return
    for profile in found:
        tag, kind, models, identity = map(
            plain, (profile.tag, profile.profile_type, ", ".join(profile.models) or "-", profile.profile_id)
        )
        typer.echo(f"@{tag:<10} {kind:<13} {models:<40} {identity}")
