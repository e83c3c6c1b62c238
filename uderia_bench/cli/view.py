"""``view``: runs in the browser, while they go on and afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.cli import complete
from uderia_bench.cli.options import OUTPUT, Output, Overwrite, not_stdout

if TYPE_CHECKING:
    from uderia_bench.view.folder import Folder

PORT = 8017
IDLE_S = 3.0  # without a page, after which a view that a run has started ends with it


def command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|DIR|FILE]",
            help="A run id, a run directory, a directory of runs, or a recording. Default: the directory of --output.",
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
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            metavar="FILE",
            parser=not_stdout,
            help="Record the page of RUN, to replay it later. For a run that has ended: record it and end.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    speed: Annotated[float, typer.Option("--speed", metavar="N", min=0.01, help="Speed of a replay.")] = 1.0,
    output: Output = OUTPUT,
    until_idle: Annotated[bool, typer.Option("--until-idle", hidden=True)] = False,
) -> None:
    """Show runs in the browser, while they go on and afterwards.

    The first line on stdout is the address. It has a token, so only you can open it. Stop the view
    with Ctrl-C. Runs do not depend on it.

    Example: uderia-bench view latest --open
    """
    import os
    from contextlib import ExitStack
    from urllib.parse import quote

    from uderia_bench.view import priority

    if not open_:  # a browser would inherit the priority
        priority.lower()

    from uderia_bench import plugins
    from uderia_bench.errors import CannotRun
    from uderia_bench.gateway.kept_tokens import default_file
    from uderia_bench.gateway.trust import is_loopback
    from uderia_bench.runs import files
    from uderia_bench.runs.seal import kept_key
    from uderia_bench.view import server
    from uderia_bench.view.folder import Folder
    from uderia_bench.view.recording import Recorder, Recording

    source: Folder | Recording
    if what is not None and Path(what).is_file():
        source = Recording(Path(what), speed=speed)
        run_id: str | None = source.run_id
    else:
        folder, run_id = _found(what, output)
        source = Folder(folder, plugins.load())
    _check(record, speed, follows=isinstance(source, Folder), run_id=run_id, overwrite=overwrite)

    if record is not None and run_id is not None and isinstance(source, Folder) and not source.goes_on(run_id):
        _keep(record, source, run_id)
        return

    def started(url: str) -> None:
        address = url if run_id is None else url.replace("/?", f"/runs/{quote(run_id)}?")
        typer.echo(address)
        if not is_loopback(host):
            typer.echo("uderia-bench: other machines can reach this view; traffic is not encrypted", err=True)
        if open_:
            _open(address)
            priority.lower()

    with ExitStack() as opened:
        try:
            listener = opened.enter_context(server.listening(host, port, PORT))
            recorder = None
            if record is not None and run_id is not None and isinstance(source, Folder):
                file = opened.enter_context(files.made(record))
                recorder = Recorder(file, source, run_id, failed=lambda error: _tell_failed(record, error))
                opened.callback(recorder.keep_report)  # it may not have been readable when the state changed last
        except OSError as error:
            where = f"write {record}" if error.filename else f"listen on {host}:{port or PORT}; choose another --port or --host"
            raise CannotRun(f"{error.strerror or error}: cannot {where}") from error
        server.serve(
            source,
            listener,
            host=host,
            key=kept_key(default_file(os.environ).with_name("view.key")),
            control=control,
            recorded=None if recorder is None or run_id is None else (run_id, recorder),
            started=started,
            idle_s=IDLE_S if until_idle else None,
        )


def beside(output: Path) -> None:
    """Start the view in a separate process, which ends with this one and its last page. Print its address on stderr."""
    import subprocess
    import sys
    import threading

    view = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "uderia_bench", "view", "--output", str(output), "--until-idle"],
        stdin=subprocess.PIPE,  # it closes when this process ends, however that happens
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,  # so that Ctrl-C reaches the run only; in a new session the lower priority would have no effect
        text=True,
    )

    def tell() -> None:
        if view.stdout is not None and (address := view.stdout.readline().strip()):
            typer.echo(f"uderia-bench: see this run at {address}", err=True)

    threading.Thread(target=tell).start()  # the address is printed, however short the run is


def _check(record: Path | None, speed: float, *, follows: bool, run_id: str | None, overwrite: bool) -> None:
    """Raise ``UsageError`` for options that do not fit what is shown: runs that the view ``follows``, or a replay."""
    from uderia_bench.commands.save import refuse_existing
    from uderia_bench.errors import UsageError

    if follows and speed != 1.0:
        raise UsageError("--speed is for a replay: write view FILE --speed N")
    if record is not None and (run_id is None or not follows):
        raise UsageError("--record needs a run: write view RUN --record FILE")
    if record is not None and not overwrite:
        refuse_existing(record)


def _keep(record: Path, source: Folder, run_id: str) -> None:
    """Record a run that has ended."""
    from uderia_bench.errors import CannotRun
    from uderia_bench.runs import files
    from uderia_bench.view.recording import keep

    try:
        with files.made(record) as file:
            keep(file, source, run_id)
    except OSError as error:
        raise CannotRun(f"{error.strerror or error}: cannot write {record}") from error
    typer.echo(f"uderia-bench: wrote {record}. Replay it with 'uderia-bench view {record}'", err=True)


def _tell_failed(record: Path, error: OSError) -> None:
    """Say on stderr that a recording ended early. The pages go on."""
    typer.echo(f"uderia-bench: {error.strerror or error}: the recording in {record} ends here", err=True)


def _open(address: str) -> None:
    """Open the address in a browser."""
    import webbrowser

    if not webbrowser.open(address):
        typer.echo("uderia-bench: no browser was found; open the address above in one", err=True)


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
