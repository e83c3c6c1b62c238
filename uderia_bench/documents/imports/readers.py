"""Files of questions, each read into rows with their lines: text, CSV, JSON, sessions of Uderia, and promptfoo."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from uderia_bench.documents.imports import rows
from uderia_bench.documents.imports.question import Options, Question, Unread
from uderia_bench.documents.yaml.document import Document
from uderia_bench.documents.yaml.reading import read_text
from uderia_bench.errors import DocumentError, Mistake, UsageError
from uderia_bench.json_text import parse_json, repeated_keys

Reader: TypeAlias = Callable[[Path, Options, Unread], Iterator[Question]]
"""Reads the questions of a file. Raises ``UsageError`` for a file that has none in this format."""

LARGEST_CELL = 2**31 - 1  # characters; the size of the corpus is limited when it is written
_COMMENT = "#"
_ELSEWHERE = "file://"
_NOT_HERE = "is another file or not an object; write it here"
_BEFORE_ENTRY = re.compile(r"\s*[\[,]\s*+(?!\])")  # of a JSON list
_DELIMITERS = {"tab": "\t", "\\t": "\t"}
_TABS = (".tsv", ".tab")


def lines(file: Path, _: Options, __: Unread) -> Iterator[Question]:
    """Read one question per line. Empty lines and lines that begin with ``#`` are skipped."""
    for number, line in enumerate(io.StringIO(_text(file), newline=None), start=1):
        prompt = line.strip()
        if prompt and not prompt.startswith(_COMMENT):
            yield Question(turns=(prompt,), place=_place(file, number))


def comma_separated(file: Path, options: Options, unread: Unread) -> Iterator[Question]:
    """Read one question per row of CSV. The first row has the names of the columns."""
    given = options.delimiter or ("tab" if file.suffix.lower() in _TABS else ",")
    delimiter = _DELIMITERS.get(given, given)
    if len(delimiter) != 1:
        raise UsageError(f"--delimiter {given}: should be one character, or 'tab'")
    csv.field_size_limit(LARGEST_CELL)
    table = csv.reader(io.StringIO(_text(file), newline=""), delimiter=delimiter, strict=True)
    last = 0
    try:
        names = next(table, [])
        _require_column(names, file, options)
        for name in {name for name in names if name and names.count(name) > 1}:
            unread.note(_place(file, 1), name, "is the name of two columns, and the last one counts")
        last = table.line_num
        for cells in table:
            place, last = _place(file, last + 1), table.line_num
            if len(cells) > len(names) and any(cells[len(names) :]):
                unread.note(place, None, f"has {len(cells)} cells and the first row {len(names)}: the last ones are left out")
            yield from rows.questions(dict(zip(names, cells, strict=False)), place, options, unread)
    except csv.Error as error:
        unread.note(_place(file, last + 1), None, f"a quote of this row does not end its cell ({error}): not read from here on")


def json_lines(file: Path, options: Options, unread: Unread) -> Iterator[Question]:
    """Read one question per line of JSON, or per entry of one JSON list."""
    text = _text(file)
    for place, entry in _entries(file, text) if text.lstrip().startswith("[") else _lines(file, text):
        try:
            parsed = parse_json(entry)
        except ValueError as error:
            unread.note(place, None, f"is not JSON: {error}")
            continue
        for note in parsed.notes:
            unread.note(place, None, note)
        for name in repeated_keys(entry):
            unread.note(place, name, "is given twice, and the last one counts")
        yield from _from_json(parsed.value, place, options, unread)


def session(file: Path, options: Options, unread: Unread) -> Iterator[Question]:
    """Read the user's prompts from a session file of Uderia (or ``GET /sessions/{id}/details``).

    Each prompt is a question; with ``whole``, the session is one conversation.
    """
    try:
        found = parse_json(_bytes(file)).value
    except ValueError as error:
        raise UsageError(f"{file}: not JSON: {error}") from None
    data = found.get("session", found) if isinstance(found, dict) else {}
    history = data.get("session_history") if isinstance(data, dict) else None
    if not isinstance(history, list):
        raise UsageError(f"{file}: not a session file of Uderia: session_history is missing")
    prompts = []
    for number, message in enumerate(history, start=1):
        if not isinstance(message, dict) or message.get("role") != "user" or message.get("isValid") is False:
            continue
        if isinstance(said := message.get("content"), str):
            prompts.append(said.strip())
        else:
            unread.note(_place(file, None), f"session_history.{number - 1}", "has a prompt that is not text")
    turns = tuple(filter(None, prompts))
    if options.whole and turns:
        yield Question(turns=turns, place=_place(file, None), tags=("conversation",) if len(turns) > 1 else ())
    else:
        yield from (Question(turns=(turn,), place=_place(file, None)) for turn in turns)


def promptfoo(file: Path, options: Options, unread: Unread) -> Iterator[Question]:
    """Read the tests of a configuration of promptfoo, or of a file of tests, with the prompts of the configuration."""
    document = read_text(_text(file), file=str(file))
    if document.mistakes:
        raise DocumentError(document.mistakes)
    listed = document.data
    at: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    default = None
    if isinstance(listed, dict):
        at, listed = ("tests",), listed.get("tests")
        prompts = tuple(_prompts(document, unread))
        default = document.value(("defaultTest",))
        if not isinstance(default, dict | None):
            unread.note(_at(document, "defaultTest"), "defaultTest", _NOT_HERE)
            default = None
    for number, test in enumerate(listed if isinstance(listed, tuple) else (listed,)):
        place = _at(document, *at, number)
        if isinstance(test, str):
            yield from _elsewhere(file, test, place, options, unread)
        elif isinstance(test, dict):
            yield from rows.tests(_with_default(test, default or {}, place, unread), prompts, place, options, unread)
        else:
            raise UsageError(f"{file}: not a configuration of promptfoo: tests is missing")


READERS: dict[str, Reader] = {
    "text": lines,
    "csv": comma_separated,
    "jsonl": json_lines,
    "sessions": session,
    "promptfoo": promptfoo,
}


def _require_column(names: list[str], file: Path, options: Options) -> None:
    wanted = (options.column,) if options.column else rows.PROMPTS
    known = {name.strip().lower() for name in names}
    if not any(each.lower() in known for each in wanted):
        hint = next((f"; is the delimiter {mark!r}?" for mark in (";", "\t", "|") if len(names) == 1 and mark in names[0]), "")
        raise UsageError(f"{file}: no column {' or '.join(map(repr, wanted))}; there are: {', '.join(names) or 'none'}{hint}")


def _from_json(row: Any, place: Mistake, options: Options, unread: Unread) -> Iterator[Question]:
    if isinstance(row, dict) and not rows.is_empty(row):
        yield from rows.questions(row, place, options, unread)
    elif isinstance(row, str) and row.strip():
        yield Question(turns=(row.strip(),), place=place)
    else:
        unread.note(place, None, 'should be an object with a question, as in {"prompt": "…"}')


def _lines(file: Path, text: str) -> Iterator[tuple[Mistake, str]]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.strip():
            yield _place(file, number), line


def _entries(file: Path, text: str) -> Iterator[tuple[Mistake, str]]:
    """Yield the text of each entry of a JSON list. Its place is its number and the line where it begins."""
    try:
        parse_json(text)
    except ValueError as error:
        raise UsageError(f"{file}: not JSON: {error}") from None
    reader = json.JSONDecoder(strict=False)
    line, end, number = 1, 0, 0
    while found := _BEFORE_ENTRY.match(text, end):
        line += text.count("\n", end, start := found.end())
        _, end = reader.raw_decode(text, start)
        yield _place(file, line, f"entry {(number := number + 1)}"), text[start:end]
        line += text.count("\n", start, end)


def _prompts(document: Document, unread: Unread) -> Iterator[str]:
    written = document.value(("prompts",))
    for number, said in enumerate(written if isinstance(written, tuple) else (written,)):
        prompt = said.get("raw") if isinstance(said, dict) else said
        if isinstance(prompt, str) and not prompt.startswith(_ELSEWHERE):
            yield prompt.strip()
        elif said is not None:
            unread.note(_at(document, "prompts", number), f"prompts.{number}", "is another file; write the prompt here")


def _with_default(test: dict[str, Any], default: dict[str, Any], place: Mistake, unread: Unread) -> dict[str, Any]:
    """Return a test of promptfoo with the variables and the assertions of ``defaultTest``."""
    values: dict[str, Any] = {}
    asserts: tuple[Any, ...] = ()
    for part in (default, test):
        if isinstance(given := part.get("vars") or {}, dict):
            values |= given
        else:
            unread.note(place, "vars", _NOT_HERE)
        listed = part.get("assert") or ()
        asserts += listed if isinstance(listed, tuple) else (listed,)
    return {**test, "vars": values, "assert": asserts}


def _elsewhere(file: Path, name: str, place: Mistake, options: Options, unread: Unread) -> Iterator[Question]:
    """Read the file of tests that a configuration of promptfoo names."""
    target = file.parent / name.removeprefix(_ELSEWHERE)
    by_ending = {".csv": comma_separated, ".json": json_lines, ".jsonl": json_lines, ".yaml": promptfoo, ".yml": promptfoo}
    if (reader := by_ending.get(target.suffix.lower())) is None:
        unread.note(place, None, f"{name} is not a file of tests in CSV, JSON or YAML")
    else:
        yield from reader(target, options, unread)


def _place(file: Path, line: int | None, path: str | None = None) -> Mistake:
    return Mistake(file=str(file), line=line, path=path, message="")


def _at(document: Document, *steps: str | int) -> Mistake:
    """Return the line of a value; a message says itself which value it is about."""
    return replace(document.mistake(steps, ""), path=None)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from error


def _text(file: Path) -> str:
    data = _bytes(file)
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not UTF-8 text; convert it first") from error
