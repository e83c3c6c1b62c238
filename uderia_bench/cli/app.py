"""All commands in one application. Errors become one line and an exit code here."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated

import typer

from uderia_bench import __version__
from uderia_bench.cli import baseline, corpus, label, streams
from uderia_bench.cli.options import HELP
from uderia_bench.errors import BenchError, DocumentError
from uderia_bench.printable import plain
from uderia_bench.runner import signals

INTERNAL = 3  # a mistake in this program counts as "could not run"
INTERRUPTED = 4
TYPER_INTERRUPTED = 130  # typer ends so after a KeyboardInterrupt, without a message

app = typer.Typer(
    name="uderia-bench",
    help="Compare Uderia profiles on a corpus of questions: time, tokens, cost and answers, with their uncertainty.",
    epilog="Start with 'uderia-bench demo', then 'uderia-bench init'. Every command has --help with an example. "
    "--debug shows a traceback.",
    no_args_is_help=True,
    context_settings=HELP,
    rich_markup_mode=None,  # plain help starts twice as fast as with rich
    pretty_exceptions_enable=False,
)
# Without arguments, the others print their help.
_RUN_ALONE = {"demo", "init", "runs", "view", "history", "login", "profiles", "metrics", "detectors", "sim", "healthcheck"}
_COMMANDS = (
    "demo",
    "init",
    "run",
    "compare",
    "resume",
    "work",
    "restore",
    "derive",
    "report",
    "open",
    "runs",
    "trials",
    "watch",
    "view",
    "ctl",
    "diff",
    "history",
    "power",
    "try",
    "export",
    "profiles",
    "login",
    "inspect",
    "check",
    "metrics",
    "detectors",
    "schema",
    "sim",
    "healthcheck",
)  # in the order of the help
_MODULES = {"try": "try_changes"}  # ``try`` is a word of Python
for _name in _COMMANDS:
    _module = import_module(f"uderia_bench.cli.{_MODULES.get(_name, _name)}")
    app.command(_name, no_args_is_help=_name not in _RUN_ALONE)(_module.command)

app.add_typer(corpus.group)
app.add_typer(label.group)
app.add_typer(baseline.group)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"uderia-bench {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line. An error is printed on stderr, and its exit code is used."""
    streams.install()
    signals.take_as_interrupt()
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(args=arguments, prog_name="uderia-bench")
    except SystemExit as ended:
        if ended.code == TYPER_INTERRUPTED:
            typer.echo("uderia-bench: interrupted", err=True)
            sys.exit(INTERRUPTED)
        sys.exit(streams.exit_code(ended.code) if isinstance(ended.code, int) else ended.code)
    except (KeyboardInterrupt, Exception) as error:
        if debug:
            raise
        message, code = _told(error)
        typer.echo(message, err=True)
        sys.exit(code)


def _told(error: BaseException) -> tuple[str, int]:
    """Return the message of an error and its exit code. Text from outside cannot control the terminal."""
    if isinstance(error, DocumentError):  # one mistake per line, which begins with file and line, as editors expect
        return "\n".join(plain(line) for line in str(error).split("\n")), error.exit_code
    from uderia_bench.runs import mirror

    said = plain(mirror.told(error))
    if isinstance(error, BenchError):
        return f"uderia-bench: {said}", error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "uderia-bench: interrupted", INTERRUPTED
    problem = f"internal error ({type(error).__name__}: {said})"
    return f"uderia-bench: {problem}. Run it again with --debug and report the output", INTERNAL
