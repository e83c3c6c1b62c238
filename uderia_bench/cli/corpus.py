"""``corpus``: what corpora hold, and corpora made of questions from elsewhere; each prints to stdout or writes with ``-o``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from uderia_bench.documents.corpus_import import Question

NAME = "corpus"
group = typer.Typer(
    name=NAME,
    help="Count what corpora hold; make a corpus of questions from elsewhere.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Sources = Annotated[list[Path], typer.Argument(metavar="FILE…", help="What to read.")]
Target = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write there; stdout by default.")]
Name = Annotated[str, typer.Option("--name", help="The corpus's name.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag for every query; may be repeated.")]
Suggest = Annotated[bool, typer.Option("--suggest", help="Propose a complexity from each prompt's words.")]


@group.command("stats", no_args_is_help=True)
def stats(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Corpora (YAML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count queries by theme and complexity, expectations by kind, as Markdown.

    Example: uderia-bench corpus stats corpora/*.yaml
    """
    import json
    from dataclasses import asdict

    from uderia_bench.documents import corpus, corpus_counts

    rows = corpus_counts.table([corpus.load(path) for path in corpora])
    typer.echo(json.dumps([asdict(row) for row in rows], indent=2) if as_json else corpus_counts.to_markdown(rows))


@group.command("kinds")
def kinds(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List what a corpus may expect of an answer, plug-ins included.

    Example: uderia-bench corpus kinds
    """
    import json
    import textwrap

    from uderia_bench import plugins

    found = plugins.load().expectations
    if as_json:
        typer.echo(json.dumps([{"name": kind.name, "doc": kind.doc} for kind in found], indent=2))
        return
    for kind in found:
        typer.echo(kind.name)
        typer.echo(textwrap.fill(kind.doc, width=78, initial_indent="    ", subsequent_indent="    "))
    typer.echo("any, all\n    Several of these: one of them holds, or every one does.")


@group.command("from-text", no_args_is_help=True)
def from_text(
    files: Sources, output: Target = None, name: Name = "imported", tags: Tags = None, suggest: Suggest = False
) -> None:
    """Make a corpus of text files: a question a line, # begins a comment.

    Example: uderia-bench corpus from-text questions.txt -o corpora/ours.yaml --tag ours
    """
    from uderia_bench.documents import corpus_import

    _write(
        (question for file in files for question in corpus_import.from_text(_text(file))),
        output,
        name=name,
        tags=tags,
        label=suggest,
    )


@group.command("from-csv", no_args_is_help=True)
def from_csv(
    files: Sources,
    column: Annotated[str, typer.Option("--column", help="Where the question stands.")] = "prompt",
    output: Target = None,
    name: Name = "imported",
    tags: Tags = None,
    suggest: Suggest = False,
) -> None:
    """Make a corpus of CSV files; columns id, complexity and tags are read where there are any.

    Example: uderia-bench corpus from-csv log.csv --column question -o corpora/ours.yaml
    """
    from uderia_bench.documents import corpus_import

    questions = (question for file in files for question in corpus_import.from_csv(_text(file), column=column))
    _write(questions, output, name=name, tags=tags, label=suggest)


@group.command("from-jsonl", no_args_is_help=True)
def from_jsonl(
    files: Sources,
    field: Annotated[str, typer.Option("--field", help="Where the question stands.")] = "prompt",
    output: Target = None,
    name: Name = "imported",
    tags: Tags = None,
    suggest: Suggest = False,
) -> None:
    """Make a corpus of JSON-lines files: an object a line, with the same fields as CSV.

    Example: uderia-bench corpus from-jsonl log.jsonl --field text -o corpora/ours.yaml
    """
    from uderia_bench.documents import corpus_import

    questions = (question for file in files for question in corpus_import.from_jsonl(_text(file), field=field))
    _write(questions, output, name=name, tags=tags, label=suggest)


@group.command("from-sessions", no_args_is_help=True)
def from_sessions(
    files: Sources,
    whole: Annotated[bool, typer.Option("--conversations", help="Keep each session as one conversation of turns.")] = False,
    output: Target = None,
    name: Name = "imported",
    tags: Tags = None,
    suggest: Suggest = False,
) -> None:
    """Make a corpus of what users asked in Uderia's session files (JSON).

    Example: uderia-bench corpus from-sessions tda_sessions/*/*.json -o corpora/ours.yaml
    """
    from uderia_bench.documents import corpus_import

    questions = (question for file in files for question in corpus_import.from_session(_bytes(file), whole=whole))
    _write(questions, output, name=name, tags=tags, label=suggest)


def _bytes(file: Path) -> bytes:
    from uderia_bench.errors import UsageError

    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from error


def _text(file: Path) -> str:
    from uderia_bench.errors import UsageError

    try:
        return _bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not UTF-8 text") from error


def _write(questions: Iterable[Question], output: Path | None, *, name: str, tags: list[str] | None, label: bool) -> None:
    from uderia_bench.documents import corpus_import
    from uderia_bench.errors import UsageError
    from uderia_bench.runs import directory

    found = list(questions)
    kept = corpus_import.folded(found)
    if not kept:
        raise UsageError("no question found")
    text = corpus_import.to_yaml(kept, name=name, tags=tuple(tags or ()), label=label)
    if output is None:
        typer.echo(text, nl=False)
        return
    directory.write_file(output, text)
    typer.echo(f"{output}: {len(kept)} queries of {len(found)} questions", err=True)
