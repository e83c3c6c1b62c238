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
    from uderia_bench.cli.target import target
    from uderia_bench.commands.profiles import profiles
    from uderia_bench.report.formats.layout import lay_out
    from uderia_bench.report.table import Table, left

    found = profiles(address(server), surroundings(allow_plain_http=allow_plain_http, trusted=[server or ""]))
    if as_json:
        streams.as_json(found)
        return
    rows = ((f"@{each.tag}", each.profile_type, ", ".join(each.models) or "-", each.profile_id) for each in found)
    columns = (left("profile"), left("type"), left("models", wraps=True), left("id", below=True, wraps=True))
    for line in lay_out(Table.of("Profiles", columns, rows), target(("text",), form=None).width):
        typer.echo(line)
