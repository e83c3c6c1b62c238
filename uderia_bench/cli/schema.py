"""``schema``: JSON Schemas of documents, of the report and of the view."""

from __future__ import annotations

from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import File, Overwrite


def command(
    kind: Annotated[str, typer.Argument(metavar="corpus|experiment|report|view", help="The document.")],
    file: File = None,
    overwrite: Overwrite = False,
) -> None:
    """Print a JSON Schema for editors and programs.

    An editor uses it if the first line of a YAML file is "# yaml-language-server:
    $schema=experiment.schema.json".

    Example: uderia-bench schema experiment -o experiment.schema.json
    """
    from uderia_bench.cli.target import target
    from uderia_bench.commands import schema
    from uderia_bench.errors import UsageError
    from uderia_bench.view import state

    known = {**schema.ALL, "view": state.schema}
    if kind not in known:
        raise UsageError(f"schema {kind}: use {', '.join(known)}")
    target(("json",), file=file, overwrite=overwrite).deliver(streams.json_of(known[kind]()))
