"""``schema``: the JSON Schema of a document or of the report, for editors and programs."""

from __future__ import annotations

from typing import Annotated

import typer

NAME = "schema"
NEEDS_ARGUMENTS = True


def command(
    kind: Annotated[str, typer.Argument(metavar="corpus|experiment|report", help="Of what.")],
) -> None:
    """Print a JSON Schema.

    An editor takes it from the first line of a YAML file: "# yaml-language-server: $schema=experiment.schema.json".

    Example: uderia-bench schema experiment > experiment.schema.json
    """
    import json

    from uderia_bench.commands import schema
    from uderia_bench.errors import UsageError

    if kind not in schema.ALL:
        raise UsageError(f"schema {kind}: there are {', '.join(schema.ALL)}")
    typer.echo(json.dumps(schema.ALL[kind](), indent=2))
