"""``corpus``: count what corpora contain, and make a corpus from other files."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated

import typer

from uderia_bench.cli import streams
from uderia_bench.cli.options import Overwrite, file_or_none
from uderia_bench.errors import DocumentError
from uderia_bench.printable import plain

group = typer.Typer(
    name="corpus",
    help="Count what corpora contain, or make a corpus from files.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Sources = Annotated[list[Path], typer.Argument(metavar="FILE…", help="The files to read.")]
Target = Annotated[
    Path | None,
    typer.Option("-o", "--file", metavar="FILE", help="File to write, or - for stdout, the default.", parser=file_or_none),
]
Name = Annotated[str, typer.Option("--name", help="Name of the corpus.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Tag for every query. May be repeated.")]
Suggest = Annotated[bool, typer.Option("--suggest", help="Propose a complexity from the words of each prompt.")]
Column = Annotated[
    str | None,
    typer.Option("--column", "--field", metavar="NAME", help="The one with the question. Default: prompt, question or input."),
]
Delimiter = Annotated[
    str | None, typer.Option("--delimiter", metavar="MARK", help="Between two cells, such as ';' or tab. Default: a comma.")
]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="NAME", help="Column to leave out without a message. May be repeated.")
]
Whole = Annotated[bool, typer.Option("--conversations", help="Keep each session as one conversation.")]


@group.command("stats", no_args_is_help=True)
def stats(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Corpora (YAML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count queries by theme, and expectations by kind.

    Example: uderia-bench corpus stats corpora/*.yaml
    """
    from uderia_bench.documents import corpus, corpus_counts

    rows = corpus_counts.table([corpus.load(path) for path in corpora])
    streams.document(streams.json_of(rows) if as_json else corpus_counts.to_markdown(rows))


@group.command("kinds")
def kinds(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List what a corpus can expect of an answer.

    Expectations of plug-ins are included.

    Example: uderia-bench corpus kinds
    """
    import textwrap

    from uderia_bench import plugins

    found = plugins.load().expectations
    if as_json:
        streams.as_json([{"name": kind.name, "doc": kind.doc} for kind in found])
        return
    for kind in found:
        typer.echo(kind.name)
        typer.echo(textwrap.fill(kind.doc, width=78, initial_indent="    ", subsequent_indent="    "))
    typer.echo("any, all\n    Several expectations, of which one or all must be met.")


def _importer(kind: str, doc: str, *options: str) -> None:
    """Add the command that makes a corpus from one kind of files, with the options that its reader takes."""

    def command(
        files: Sources,
        file: Target = None,
        overwrite: Overwrite = False,
        name: Name = "imported",
        tags: Tags = None,
        suggest: Suggest = False,
        column: Column = None,
        delimiter: Delimiter = None,
        ignore: Ignore = None,
        whole: Whole = False,
    ) -> None:
        from uderia_bench.commands.save import save
        from uderia_bench.documents.imports import corpus_text
        from uderia_bench.documents.imports.question import Options

        how = Options(column=column, delimiter=delimiter, ignore=frozenset(ignore or ()), whole=whole)
        made = corpus_text.make(kind, files, how, name=name, tags=tags or (), label=suggest)
        if file is None:
            streams.document(made.text, nl=False)
        else:
            save(file, made.text, overwrite=overwrite)
        typer.echo(f"{plain(str(file or 'corpus'))}: {made.summary}", err=True)
        if made.unread:
            raise DocumentError(made.unread)

    signature = inspect.signature(command, eval_str=True)
    shared = ("files", "file", "overwrite", "name", "tags", "suggest")
    own = [parameter for name, parameter in signature.parameters.items() if name in (*shared, *options)]
    command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined] # what typer makes options of
    command.__doc__ = doc
    group.command(f"from-{kind}", no_args_is_help=True)(command)


_importer(
    "text",
    """Make a corpus from text files with one question per line.

    A line that begins with # is a comment.

    Example: uderia-bench corpus from-text questions.txt -o corpora/ours.yaml --tag ours
    """,
)
_importer(
    "csv",
    """Make a corpus from CSV files.

    Datasets of promptfoo and Inspect are read too.

    Columns that are read if they exist: id, complexity, tags, group, expected (the right answer),
    expect (as in a corpus), __expected (as in promptfoo) and every kind of expectation by its name.

    What is not understood is listed with its line, and the exit code is 2. The corpus is written all the same.

    Example: uderia-bench corpus from-csv log.csv --column question -o corpora/ours.yaml
    """,
    "column",
    "delimiter",
    "ignore",
)
_importer(
    "jsonl",
    """Make a corpus from JSON objects.

    They stand one per line or in one list. Datasets of promptfoo and Inspect are read too.

    The fields are those of CSV, and turns for a conversation.

    What is not understood is listed with its line, and the exit code is 2. The corpus is written all the same.

    Example: uderia-bench corpus from-jsonl log.jsonl --field text -o corpora/ours.yaml
    """,
    "column",
    "ignore",
)
_importer(
    "sessions",
    """Make a corpus from session files of Uderia.

    Example: uderia-bench corpus from-sessions tda_sessions/*/*.json -o corpora/ours.yaml
    """,
    "whole",
)
_importer(
    "promptfoo",
    """Make a corpus from the tests of promptfoo.

    The file is a configuration, or a list of tests in YAML.

    What is not understood is listed with its line, and the exit code is 2. The corpus is written all the same.

    Example: uderia-bench corpus from-promptfoo promptfooconfig.yaml -o corpora/ours.yaml
    """,
    "column",
    "ignore",
)
