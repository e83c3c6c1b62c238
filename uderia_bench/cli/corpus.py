"""``corpus``: count what corpora contain, and make a corpus from other files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uderia_bench.cli import streams

if TYPE_CHECKING:
    from uderia_bench.documents.corpus_import import Question

group = typer.Typer(
    name="corpus",
    help="Count what corpora contain, or make a corpus from other files.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Sources = Annotated[list[Path], typer.Argument(metavar="FILE…", help="The files to read.")]
Target = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write. Default: stdout.")]
Name = Annotated[str, typer.Option("--name", help="Name of the corpus.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Tag for every query. May be repeated.")]
Suggest = Annotated[bool, typer.Option("--suggest", help="Propose a complexity from the words of each prompt.")]


@group.command("stats", no_args_is_help=True)
def stats(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS…", help="Corpora (YAML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count queries by theme, and expectations by kind.

    Example: uderia-bench corpus stats corpora/*.yaml
    """
    import json
    from dataclasses import asdict

    from uderia_bench.documents import corpus, corpus_counts

    rows = corpus_counts.table([corpus.load(path) for path in corpora])
    streams.document(json.dumps([asdict(row) for row in rows], indent=2) if as_json else corpus_counts.to_markdown(rows))


@group.command("kinds")
def kinds(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List what a corpus can expect of an answer.

    Expectations of plug-ins are included.

    Example: uderia-bench corpus kinds
    """
    import json
    import textwrap

    from uderia_bench import plugins

    found = plugins.load().expectations
    if as_json:
        streams.document(json.dumps([{"name": kind.name, "doc": kind.doc} for kind in found], indent=2))
        return
    for kind in found:
        typer.echo(kind.name)
        typer.echo(textwrap.fill(kind.doc, width=78, initial_indent="    ", subsequent_indent="    "))
    typer.echo("any, all\n    Several expectations, of which one or all must be met.")


@group.command("from-text", no_args_is_help=True)
def from_text(
    files: Sources, output: Target = None, name: Name = "imported", tags: Tags = None, suggest: Suggest = False
) -> None:
    """Make a corpus from text files with one question per line.

    A line that begins with # is a comment.

    Example: uderia-bench corpus from-text questions.txt -o corpora/ours.yaml --tag ours
    """
    from uderia_bench.documents import corpus_import

    questions = (question for file in files for question in corpus_import.from_text(_text(file)))
    _write(questions, output, name=name, tags=tags, label=suggest)


@group.command("from-csv", no_args_is_help=True)
def from_csv(
    files: Sources,
    column: Annotated[str, typer.Option("--column", help="The one that has the question.")] = "prompt",
    output: Target = None,
    name: Name = "imported",
    tags: Tags = None,
    suggest: Suggest = False,
) -> None:
    """Make a corpus from CSV files.

    The columns id, complexity and tags are read if they exist.

    Example: uderia-bench corpus from-csv log.csv --column question -o corpora/ours.yaml
    """
    from uderia_bench.documents import corpus_import

    questions = (question for file in files for question in corpus_import.from_csv(_text(file), column=column))
    _write(questions, output, name=name, tags=tags, label=suggest)


@group.command("from-jsonl", no_args_is_help=True)
def from_jsonl(
    files: Sources,
    field: Annotated[str, typer.Option("--field", help="The one that has the question.")] = "prompt",
    output: Target = None,
    name: Name = "imported",
    tags: Tags = None,
    suggest: Suggest = False,
) -> None:
    """Make a corpus from files with one JSON object per line.

    The fields are those of CSV.

    Example: uderia-bench corpus from-jsonl log.jsonl --field text -o corpora/ours.yaml
    """
    from uderia_bench.documents import corpus_import

    questions = (question for file in files for question in corpus_import.from_jsonl(_text(file), field=field))
    _write(questions, output, name=name, tags=tags, label=suggest)


@group.command("from-sessions", no_args_is_help=True)
def from_sessions(
    files: Sources,
    whole: Annotated[bool, typer.Option("--conversations", help="Keep each session as one conversation.")] = False,
    output: Target = None,
    name: Name = "imported",
    tags: Tags = None,
    suggest: Suggest = False,
) -> None:
    """Make a corpus from the questions in Uderia's session files.

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
        raise UsageError(f"{file}: is not UTF-8 text; convert it first") from error


def _write(questions: Iterable[Question], output: Path | None, *, name: str, tags: list[str] | None, label: bool) -> None:
    from uderia_bench.commands.save import save
    from uderia_bench.documents import corpus_import
    from uderia_bench.errors import UsageError

    found = list(questions)
    kept = corpus_import.folded(found)
    if not kept:
        raise UsageError("the files contain no question")
    text = corpus_import.to_yaml(kept, name=name, tags=tuple(tags or ()), label=label)
    if output is None:
        streams.document(text, nl=False)
        return
    save(output, text)
    typer.echo(f"{output}: {len(kept)} queries from {len(found)} questions", err=True)
