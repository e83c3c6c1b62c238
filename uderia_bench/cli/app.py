"""All commands in one application, and the one place where an error becomes a line and an exit code."""

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
from uderia_bench.errors import BenchError, DocumentError
from uderia_bench.printable import without_passwords
from uderia_bench.runner import stop

INTERNAL = 3  # an error of ours is no usage error, no missed gate and nothing to resume: it could not run
INTERRUPTED = 4

app = typer.Typer(
    name="uderia-bench",
    help="Compare Uderia profiles by running a corpus of questions through them, with numbers a reviewer would sign.",
    epilog="Start with 'uderia-bench demo'. Every command has --help with an example. --debug shows tracebacks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help costs half the start-up time of rich's
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
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and leave."),
) -> None:
    pass


def main() -> None:
    """Run the command line; every refusal is its message on stderr and the exit code of docs/reference/exit-codes.md."""
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
        # A document's mistakes begin with file and line, as editors expect of every checker.
        told = without_passwords(str(error))
        typer.echo(told if isinstance(error, DocumentError) else f"uderia-bench: {told}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        typer.echo(f"uderia-bench: internal error, {type(error).__name__}: {error}; please report it with --debug", err=True)
        sys.exit(INTERNAL)
