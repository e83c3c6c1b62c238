"""``init``: the files of a first experiment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import PlainHttp, address, not_stdout, surroundings
from uderia_bench.printable import plain, shell_word

_PROFILES = ("IDEAT", "OPTIM")


def command(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Directory to write to.", show_default=False, parser=not_stdout)
    ] = Path(),
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL|sim", help="The server to ask, or sim for the embedded one.")
    ] = None,
    profiles: Annotated[
        list[str] | None,
        typer.Option("--profile", metavar="TAG", help="A profile to compare. May be repeated. The first is the baseline."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--ci", metavar="github|gitlab|cron|systemd|airflow|none", help="Where a nightly run is started."),
    ] = None,
    allow_plain_http: PlainHttp = False,
) -> None:
    """Write a first corpus, an experiment and a recipe for CI.

    On a terminal, missing options are asked. Elsewhere the defaults are the server of
    UDERIA_URL, else sim, the profiles IDEAT and OPTIM, and github. Existing files are never changed.

    Example: uderia-bench init bench --server sim --profile IDEAT --profile OPTIM --ci github
    """
    from uderia_bench.commands import init

    asks = sys.stdin.isatty() and not os.environ.get("CI")
    said = server or os.environ.get("UDERIA_URL") or "sim"
    if asks and server is None:
        said = typer.prompt("Server to ask (a URL, or sim for the embedded one)", default=said, err=True)
    where = address(said)
    chosen = list(profiles or ())
    if not chosen:
        chosen = _asked_profiles(where, allow_plain_http=allow_plain_http) if asks else list(_PROFILES)
    if recipe is None:
        choices = ", ".join(init.RECIPES)
        recipe = typer.prompt(f"Recipe for a nightly run ({choices})", default="github", err=True) if asks else "github"
    written, kept = init.write(folder, server=where, profiles=chosen, recipe=recipe)
    for path in written:
        typer.echo(f"wrote {plain(str(path))}")
    for path in kept:
        typer.echo(f"kept {plain(str(path))}, which exists; add output/ to it")
    typer.echo("\nNext: put your own questions into corpus.yaml, then")
    for line in _next(folder, where):
        typer.echo(f"  {line}")


def _asked_profiles(server: str, *, allow_plain_http: bool) -> list[str]:
    """Ask for profiles. The server's own are the choice, where it can be reached."""
    from uderia_bench.commands.profiles import profiles
    from uderia_bench.errors import BenchError

    default = ", ".join(_PROFILES)
    try:
        found = profiles(server, surroundings(allow_plain_http=allow_plain_http, trusted=[server]))
    except BenchError as error:
        typer.echo(f"The profiles of {server} cannot be listed: {plain(str(error))}", err=True)
    else:
        for profile in found:
            typer.echo(f"  @{plain(profile.tag):<10} {plain(profile.profile_type)}", err=True)
        default = ", ".join([plain(profile.tag) for profile in found][:2]) or default
    said = typer.prompt("Profiles to compare, the baseline first", default=default, err=True)
    return [tag.strip() for tag in said.split(",") if tag.strip()]


def _next(folder: Path, server: str) -> list[str]:
    """Return the commands that come next."""
    enter = [] if folder == Path() else [f"cd {plain(shell_word(str(folder)))}"]
    sign_in = (
        [] if server == "sim" else [f"export UDERIA_URL={server} UDERIA_TOKEN=…   # or UDERIA_USERNAME and UDERIA_PASSWORD"]
    )
    commands = ("check experiment.yaml", "run experiment.yaml --dry-run", "run experiment.yaml")
    return [*enter, *sign_in, *(f"uderia-bench {each}" for each in commands)]
