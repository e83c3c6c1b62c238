"""``baseline``: names for runs, to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, Output, Run

group = typer.Typer(
    name="baseline",
    help="Name a run, to compare with it later.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@group.command("save", no_args_is_help=True)
def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it; a name that exists is moved.")],
    run: Run,
    output: Output = OUTPUT,
) -> None:
    """Point a name at a run; wherever a command takes RUN it takes the name.

    Example: uderia-bench baseline save release latest
    """
    from uderia_bench import baselines, store

    found = store.find(run, output)
    here = Path.cwd()
    path = found.path.relative_to(here) if found.path.is_relative_to(here) else found.path
    store.write_file(baselines.FILE, baselines.with_name(baselines.load(), name, path))
    typer.echo(f"{name} is {path}, in {baselines.FILE}")


@group.command("list")
def show() -> None:
    """List the names and where they point.

    Example: uderia-bench baseline list
    """
    from uderia_bench import baselines

    for name, path in baselines.load().items():
        typer.echo(f"{name}: {path}")
