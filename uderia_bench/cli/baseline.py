"""``baseline``: names for runs, to compare with later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli.options import OUTPUT, AsJson, Output, Run
from uderia_bench.printable import plain

group = typer.Typer(
    name="baseline",
    help="Give a run a name, to compare with it later.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@group.command("save", no_args_is_help=True)
def save(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name. An existing name is moved to this run.")],
    run: Run,
    output: Output = OUTPUT,
) -> None:
    """Give a run a name. Every command that takes RUN accepts it.

    The name is stored in baselines.json next to the experiment of the run, or in the current
    directory.

    Example: uderia-bench baseline save release latest
    """
    import os

    from uderia_bench.commands.shipped import shipped
    from uderia_bench.errors import UsageError
    from uderia_bench.runs import baselines, files, find, manifest

    found = find.directory(run, output)
    if (itself := find.own(name, output)) is not None:
        raise UsageError(f"baseline {name}: a run has this name ({_from_here(itself.path)}); choose another name")
    folder = manifest.folder_of(found.read_manifest().get("experiment_file"))
    if folder == shipped("configs/quickstart.yaml").parent:
        folder = None  # a shipped experiment, whose folder belongs to the package
    elif folder is not None and not os.access(folder, os.W_OK):
        folder = None  # read-only checkout: the current directory is searched too
    places = baselines.files([folder])
    # An existing name is moved in its file.
    file = next((place for place in places if name in baselines.load(place)), places[0])
    path = baselines.path_from(file.parent, found.path)
    files.write(file, baselines.with_name(baselines.load(file), name, path))
    typer.echo(plain(f"{name} is {_from_here(found.path)}, in {_from_here(file)}"))


@group.command("list")
def show(output: Output = OUTPUT, as_json: AsJson = False) -> None:
    """List the names and their runs.

    The names are those of the current directory and of the experiments of the runs in --output.

    Example: uderia-bench baseline list
    """
    from uderia_bench.cli import streams
    from uderia_bench.runs import baselines, find

    found: list[dict[str, str]] = []
    for file in baselines.files([None, *find.experiment_folders(output)]):
        for name, path in baselines.load(file).items():
            ways = baselines.leads_to(file, path)
            run = next((way for way in ways if way.exists()), ways[0])
            found.append({"name": name, "run": str(_from_here(run)), "file": str(_from_here(file))})
    if as_json:
        streams.as_json(found)
    elif not found:
        typer.echo("uderia-bench: no baseline yet. Name a run with 'uderia-bench baseline save NAME RUN'", err=True)
    for each in () if as_json else found:
        where = "" if each["file"] == str(baselines.FILE) else f" (in {each['file']})"
        typer.echo(plain(f"{each['name']}: {each['run']}{where}"))


def _from_here(path: Path) -> Path:
    """Return a path relative to the current directory if it is below it, else the whole path."""
    path, here = path.resolve(), Path.cwd().resolve()
    return path.relative_to(here) if path.is_relative_to(here) else path
