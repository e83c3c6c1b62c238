"""``restore``: undo what a run changed on its servers."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import options, streams


def command(
    run: options.Run,
    output: options.Output = options.OUTPUT,
    log_format: options.LogFormat = "text",
    allow_plain_http: options.PlainHttp = False,
    trust_server: options.TrustServer = None,
    trust_run: Annotated[
        bool, typer.Option("--trust-run", help="Also undo changes that were noted on another machine or by another user.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Undo what a run that was killed changed on its servers.

    Other runs undo their changes when they end. A run directory of somebody else could name anything on your
    server, so its changes are undone only with --trust-run, or after a yes on the terminal.

    Example: uderia-bench restore latest
    """
    from uderia_bench.commands.restore import restore
    from uderia_bench.printable import plain
    from uderia_bench.runs import find

    found = find.directory(run, output)
    around = options.surroundings(
        log_format=log_format, allow_plain_http=allow_plain_http, trusted=[*(trust_server or ())], allowed=trust_run
    )
    undone = restore(found, around)
    if as_json:
        changes = [{"server": each.change.server, "kind": each.change.kind, "about": each.about} for each in undone]
        streams.as_json({"run_id": found.run_id, "restored": changes})
        return
    for noted in undone:
        typer.echo(plain(f"restored: {noted.change.kind} {noted.about} on {noted.change.server}"))
    if not undone:
        typer.echo(plain(f"{found.run_id}: nothing to restore"))
