"""All commands in one application. Errors become one line and an exit code here."""

from __future__ import annotations

import os
import sys

import typer

from uderia_bench import __version__
from uderia_bench.cli import (
    baseline,
    check,
    compare,
    corpus,
    demo,
    derive,
    detectors,
    diff,
    export,
    history,
    inspect,
    metrics,
    power,
    profiles,
    report,
    resume,
    run,
    schema,
    sim,
    watch,
)
from uderia_bench.cli.options import HELP
from uderia_bench.errors import BenchError, DocumentError
from uderia_bench.printable import without_passwords
from uderia_bench.runner import stop

INTERNAL = 3  # a mistake in this program counts as "could not run"
INTERRUPTED = 4

app = typer.Typer(
    name="uderia-bench",
    help="Compare Uderia profiles on a corpus of questions: time, tokens, cost and answers, with their uncertainty.",
    epilog="Start with 'uderia-bench demo'. Every command has --help with an example. --debug shows a traceback.",
    no_args_is_help=True,
    context_settings=HELP,
    rich_markup_mode=None,  # plain help starts twice as fast as with rich
    pretty_exceptions_enable=False,
)
for _module in (
    demo,
    run,
    compare,
    resume,
    derive,
    report,
    watch,
    diff,
    history,
    power,
    export,
    profiles,
    inspect,
    check,
    metrics,
    detectors,
    schema,
    sim,
):
    app.command(name=_module.NAME, no_args_is_help=_module.NEEDS_ARGUMENTS)(_module.command)

app.add_typer(corpus.group)
app.add_typer(baseline.group)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"uderia-bench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line. An error is printed on stderr, and its exit code is used."""
    stop.take_as_interrupt()
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(args=arguments, prog_name="uderia-bench")
    except BrokenPipeError:  # the reader of a pipe has left, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        if debug:
            raise
        typer.echo("uderia-bench: interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BenchError as error:
        if debug:
            raise
        # Mistakes in documents begin with file and line, which editors recognise.
        told = without_passwords(str(error))
        typer.echo(told if isinstance(error, DocumentError) else f"uderia-bench: {told}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        typer.echo(
            f"uderia-bench: internal error ({type(error).__name__}: {error}). Run it again with --debug and report the output",
            err=True,
        )
        sys.exit(INTERNAL)
