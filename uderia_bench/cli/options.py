"""The options that several commands share, declared once so that they read and behave alike."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from uderia_bench.runner.sitting import Surroundings

Output = Annotated[Path, typer.Option("--output", metavar="DIR", help="Where run directories are kept.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run id, a run directory, or 'latest'.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, everything else on stderr.")]
LogFormat = Annotated[str, typer.Option("--log-format", metavar="text|json", help="How to log on stderr.")]
RunId = Annotated[str | None, typer.Option("--run-id", metavar="ID", help="The run's name; a time stamp by default.")]
Server = Annotated[
    str | None,
    typer.Option("--server", metavar="URL|sim", help="Where to ask: an address, or sim for the embedded Uderia."),
]
PlainHttp = Annotated[
    bool, typer.Option("--allow-plain-http", help="Sign in over plain http to another machine; anybody on the way can read it.")
]
Grace = Annotated[
    str | None, typer.Option("--grace", metavar="TIME", help="What trials in flight get when the run is told to stop; 30s.")
]
Threshold = Annotated[
    list[str] | None,
    typer.Option("--threshold", metavar="NAME=VALUE", help="Change what a detector compares with; may be repeated."),
]
OUTPUT = Path("output")
DEFAULT_SERVER = "http://localhost:5050"


def surroundings(*, log_format: str = "text", allow_plain_http: bool = False) -> Surroundings:
    """Return what a run takes from this process; progress goes to stderr, so that stdout is only the result."""
    from rich.console import Console

    from uderia_bench.errors import UsageError
    from uderia_bench.runner.sitting import Surroundings

    if log_format not in ("text", "json"):
        raise UsageError(f"--log-format {log_format}: use text or json")
    return Surroundings(
        environ=os.environ,
        console=Console(stderr=True, soft_wrap=True),
        log_as_json=log_format == "json",
        allow_plain_http=allow_plain_http,
    )


def address(server: str | None) -> str:
    """Return what ``--server`` says, or else UDERIA_URL, or the default; raises ``DocumentError`` where no document may."""
    from uderia_bench.documents.experiment_parts import Server as Address
    from uderia_bench.documents.yaml import Document, Place, Written, validate

    class Asked(Written):
        server: Address

    said = server or os.environ.get("UDERIA_URL") or DEFAULT_SERVER
    origin = f"--server {server}" if server else "UDERIA_URL"
    return validate(Asked, Document.of({}, file=origin).replaced(("server",), said, Place(origin, None))).server


def colour() -> bool:
    """Whether stdout may be coloured: a terminal, and nobody set NO_COLOR (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
