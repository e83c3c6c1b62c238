"""Options that several commands share."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uderia_bench import runs
from uderia_bench.cli import complete

if TYPE_CHECKING:
    from uderia_bench.runner.surroundings import Surroundings

OUTPUT = runs.OUTPUT
_DASH = "-"


def file_or_none(said: str) -> Path | None:
    """Return the file of ``-o``, None for ``-``, which is stdout as in other programs. A file of that name is ``./-``."""
    return None if said == _DASH else _named(said)


def data_file(said: str) -> Path:
    """Return the file of ``-o`` for data that are written as they are. Raises ``UsageError`` for stdout on a terminal."""
    from uderia_bench.errors import UsageError

    if said != _DASH:
        return _named(said)
    if sys.stdout.isatty():
        raise UsageError("-o -: data could control the terminal; name a file, or redirect stdout with > or |")
    return Path("/dev/stdout")


def data_option(about: str) -> Any:
    """Return the option ``-o`` for data that are written as they are."""
    return typer.Option("-o", "--file", metavar="FILE", help=about, parser=data_file)


def _named(file: str) -> Path:
    from uderia_bench.errors import UsageError

    if not file:
        raise UsageError("-o is empty; name a file, or - for stdout")
    return Path(file)


def not_stdout(said: str | Path) -> Path:
    """Return a path. Raises ``UsageError`` for ``-``, where stdout cannot be meant."""
    from uderia_bench.errors import UsageError

    if said == _DASH:
        raise UsageError("-: stdout cannot be used here; give the name of a file or directory (./- if it is named -)")
    return Path(said)


def _folder(said: str | Path) -> Path:
    """Return the directory of ``--output``. A store's runs are mirrored into the user's cache."""
    from uderia_bench.errors import UsageError
    from uderia_bench.runs import find

    if not str(said).strip():
        raise UsageError("--output is empty; name a directory or a store, or leave the option out")
    if said == _DASH:
        raise UsageError("--output -: the directory of the runs cannot be stdout; a report goes there without -o")
    if os.path.isfile(said):  # noqa: PTH113 - any name may be given
        raise UsageError(f"--output {said}: is a file; name a directory or a store")
    return find.folder(said)


Output = Annotated[
    Path,
    typer.Option(
        "--output",
        metavar="DIR|URL",
        help="Directory of the runs, or a store of runs such as s3://bucket/prefix.",
        parser=_folder,
    ),
]
File = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--file",
        metavar="FILE",
        help="File to write, or - for stdout, the default. Its ending gives the format.",
        parser=file_or_none,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")]
RUN_HELP = "A run id, a run directory or URL, a baseline name, or 'latest'."
Run = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP, autocompletion=complete.runs)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout. Messages go to stderr.")]
LogFormat = Annotated[str, typer.Option("--log-format", metavar="text|json", help="Format of the log on stderr.")]
RunId = Annotated[str | None, typer.Option("--run-id", metavar="ID", help="Id of the new run. Default: a time stamp.")]
Server = Annotated[
    str | None,
    typer.Option("--server", metavar="URL|sim", help="The server to ask: a URL, or sim for the embedded server."),
]
PlainHttp = Annotated[
    bool,
    typer.Option(
        "--allow-plain-http", help="Sign in over http to another machine. Your password and token travel unencrypted."
    ),
]
TrustServer = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-server",
        metavar="HOST",
        help="Send your credentials to this host when the experiment names it. May be repeated.",
    ),
]
AllowCommands = Annotated[
    bool, typer.Option("--allow-commands", help="Run the experiment's prepare and cleanup commands without asking.")
]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="ENGINE",
        help="Work on a run in a store with Dask: dask:local:N starts N processes on this machine; dask://HOST:PORT uses "
        "the workers of a scheduler.",
    ),
]
Grace = Annotated[
    str | None, typer.Option("--grace", metavar="TIME", help="How long trials in flight may finish after Ctrl-C. Default: 30s.")
]
Threshold = Annotated[
    list[str] | None,
    typer.Option("--threshold", metavar="NAME=VALUE", help="Change a threshold of a detector. May be repeated."),
]
HELP = {"help_option_names": ["-h", "--help"]}
"""Settings of every command: -h works as --help."""
DEFAULT_SERVER = "http://localhost:5050"


def surroundings(
    *, log_format: str = "text", allow_plain_http: bool = False, trusted: Iterable[str] = (), allowed: bool = False
) -> Surroundings:
    """Return what a run needs of this process. The hosts of the ``trusted`` addresses may receive credentials.

    Everything that a document or a ledger asks of this machine is ``allowed``, or else asked about on the terminal. Progress
    goes to stderr, so that stdout contains only the result.
    """
    from rich.console import Console

    from uderia_bench.errors import UsageError
    from uderia_bench.gateway.kept_tokens import KeptTokens, default_file
    from uderia_bench.gateway.trust import Trust
    from uderia_bench.runner.surroundings import Surroundings
    from uderia_bench.runs.seal import Seal

    if log_format not in ("text", "json"):
        raise UsageError(f"--log-format {log_format}: use text or json")
    tokens = default_file(os.environ)
    return Surroundings(
        environ=os.environ,
        console=Console(stderr=True, soft_wrap=True),
        log_as_json=log_format == "json",
        allow_plain_http=allow_plain_http,
        trust=Trust(trusted, ask=_confirmed),
        kept=KeptTokens(tokens),
        locks=tokens.parent / "servers",
        may=lambda question: allowed or _confirmed(question),
        seal=Seal.kept(tokens.parent / "changes.key"),
    )


def addresses_in(assignments: Iterable[str]) -> list[str]:
    """Return the URLs that ``--set`` gives: the user typed them, as with ``--server``."""
    return [found for each in assignments for found in re.findall(r"\w+://[^\s,'\"\]}]+", each.partition("=")[2])]


def _confirmed(question: str) -> bool:
    """Ask on the terminal. Without one, and in CI, the answer is no."""
    from uderia_bench.printable import plain

    if os.environ.get("CI") or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return typer.confirm(plain(question), err=True)  # a document chose some of its words
    except typer.Abort:
        return False


def value_of(kind: Any, said: str, flag: str) -> Any:
    """Return the value of an option, read as experiments read it. Raises ``UsageError`` for a wrong one."""
    from pydantic import create_model

    from uderia_bench.documents.yaml.checking import Written, validate
    from uderia_bench.documents.yaml.document import Document
    from uderia_bench.errors import DocumentError, UsageError

    asked: Any = create_model("Asked", __base__=Written, value=(kind, ...))
    try:
        return validate(asked, Document.of({"value": said}, file=flag)).value
    except DocumentError as error:
        raise UsageError(f"{flag} {said}: {error.mistakes[0].message}") from error


def address(server: str | None) -> str:
    """Return the server of ``--server``, else of UDERIA_URL, else the default.

    Raises ``DocumentError`` for a wrong address.
    """
    from uderia_bench.documents.experiment_parts import Server as Address
    from uderia_bench.errors import UsageError

    if server is not None and not server.strip():
        raise UsageError("--server is empty; name a URL, or leave the option out")
    found: str = value_of(
        Address, server or os.environ.get("UDERIA_URL") or DEFAULT_SERVER, "--server" if server else "UDERIA_URL"
    )
    return found
