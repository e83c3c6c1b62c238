"""``check``: validate corpora and experiments without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.printable import plain

if TYPE_CHECKING:
    from uderia_bench.errors import Mistake


def command(
    documents: Annotated[list[Path], typer.Argument(metavar="DOC…", help="Corpora and experiments (YAML).")],
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Propose a complexity where the words of a query suggest another one.")
    ] = False,
) -> None:
    """Validate corpora and experiments without a server.

    Every mistake is printed with its file, line and path.

    Example: uderia-bench check corpora/*.yaml configs/*.yaml
    """
    from uderia_bench import plugins
    from uderia_bench.commands import check
    from uderia_bench.errors import DocumentError

    installed = plugins.load()
    mistakes: list[Mistake] = []
    for path in documents:
        try:
            typer.echo(f"{plain(str(path))}: {check.describe(path, installed)}")
            for line in check.remarks(path, suggest=suggest):
                typer.echo(f"  {line}")
        except DocumentError as error:
            mistakes += error.mistakes
    if mistakes:
        raise DocumentError(tuple(mistakes))
