"""``view``: runs in the browser, while they go on and afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli import complete
from uderia_bench.cli.options import OUTPUT, Output

PORT = 8017
IDLE_S = 10.0  # without a page, after which a view that a run has started ends with it


def command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|DIR]",
            help="A run id, a run directory, or a directory of runs. Default: the directory of --output.",
            autocompletion=complete.runs,
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", help=f"Port. Default: {PORT}, or a free one if that is taken.")
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on. Traffic is not encrypted.")] = "127.0.0.1",
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    control: Annotated[
        bool, typer.Option("--control", help="Show buttons that pause, stop or change a run in progress.")
    ] = False,
    output: Output = OUTPUT,
    until_idle: Annotated[bool, typer.Option("--until-idle", hidden=True)] = False,
) -> None:
    """Show runs in the browser, while they go on and afterwards.

    The first line on stdout is the address. It has a token, so only you can open it. Stop the view
    with Ctrl-C. Runs do not depend on it.

    Example: uderia-bench view latest --open
    """
    import os
    import webbrowser

    from uderia_bench import plugins
    from uderia_bench.errors import CannotRun
    from uderia_bench.gateway.kept_tokens import default_file
    from uderia_bench.view import guard, server
    from uderia_bench.view.folder import Folder

    folder, run_id = _found(what, output)
    try:
        listener = server.listening(host, port, PORT)
    except OSError as error:
        raise CannotRun(f"cannot listen on {host}:{port or PORT}: {error.strerror or error}; choose another --port") from error

    def started(url: str) -> None:
        address = url if run_id is None else url.replace("/?", f"/runs/{run_id}?")
        typer.echo(address)
        if host not in guard.LOOPBACK:
            typer.echo("uderia-bench: other machines can reach this view; traffic is not encrypted", err=True)
        if open_ and not webbrowser.open(address):
            typer.echo("uderia-bench: no browser was found; open the address above in one", err=True)

    key = guard.kept_key(default_file(os.environ).with_name("view.key"))
    with listener:
        server.serve(
            Folder(folder, plugins.load()),
            listener,
            host=host,
            key=key,
            control=control,
            started=started,
            idle_s=IDLE_S if until_idle else None,
        )


def _found(what: str | None, output: Path) -> tuple[Path, str | None]:
    """Return the folder to show, and the run to open first."""
    from uderia_bench.runs import find
    from uderia_bench.runs.directory import RunDirectory

    if what is None:
        return output.resolve(), None
    if Path(what).is_dir() and not RunDirectory(Path(what)).begun:
        return Path(what).resolve(), None
    found = find.directory(what, output)
    return found.path.parent, found.run_id
