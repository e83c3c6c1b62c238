"""``check``: validate corpora and experiments without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import AsJson
from uderia_bench.printable import plain

if TYPE_CHECKING:
    from uderia_bench.commands.check import Checked


def command(
    documents: Annotated[list[Path], typer.Argument(metavar="DOC…", help="Corpora and experiments (YAML).")],
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Propose a complexity where the words of a query suggest another one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Validate corpora and experiments without a server.

    Every mistake is printed with its file, line and path, on stderr. JSON has the mistakes too.

    Example: uderia-bench check corpora/*.yaml configs/*.yaml
    """
    from uderia_bench import plugins
    from uderia_bench.commands import check
    from uderia_bench.errors import DocumentError

    installed = plugins.load()
    found: list[Checked] = []
    for path in documents:
        one = check.checked(path, installed, suggest=suggest)
        found.append(one)
        if one.summary is not None and not as_json:
            typer.echo(f"{plain(one.file)}: {one.summary}")
            for line in one.remarks:
                typer.echo(f"  {line}")
    if as_json:
        streams.as_json(found)
    if mistakes := tuple(mistake for one in found for mistake in one.mistakes):
        raise DocumentError(mistakes)
