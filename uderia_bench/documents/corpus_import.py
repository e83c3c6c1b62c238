"""Import of questions into a corpus: from lines, CSV, JSON lines or session files of Uderia to YAML text.

Questions that differ only in case, white space or the final mark are one query. Ids are made of a question's first
words, so another import gives the same ids.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from uderia_bench.documents import complexity
from uderia_bench.documents.corpus import COMPLEXITIES, Query
from uderia_bench.errors import UsageError
from uderia_bench.json_text import parse_json

MOST_QUERIES = 10_000
"""The most questions of one import. Draw a sample from a longer log first."""

_ID_WORDS, _ID_LENGTH = 6, 48
_COMMENT = "#"
_BRACED = re.compile(r"\{([A-Za-z_]\w*)\}")  # a corpus would read it as a placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question or conversation of a source; ``id`` and ``complexity`` only if the source has them."""

    turns: tuple[str, ...]
    id: str | None = None
    complexity: str | None = None
    tags: tuple[str, ...] = ()


def from_text(text: str) -> Iterator[Question]:
    """Read one question per line. Empty lines and lines that begin with ``#`` are skipped."""
    for line in text.splitlines():
        prompt = line.strip()
        if prompt and not prompt.startswith(_COMMENT):
            yield Question(turns=(prompt,))


def from_csv(text: str, *, column: str = "prompt") -> Iterator[Question]:
    """Read one question per row, with the columns ``id``, ``complexity`` and ``tags`` (separated by spaces) if present.

    Raises ``UsageError`` if there is no such column.
    """
    rows = csv.DictReader(io.StringIO(text))
    if column not in (rows.fieldnames or ()):
        raise UsageError(f"no column {column!r}; there are: {', '.join(rows.fieldnames or ['none'])}")
    yield from _from_mappings(rows, column)


def from_jsonl(text: str, *, field: str = "prompt") -> Iterator[Question]:
    """Read one question per line of JSON, with the same fields as CSV; raises ``UsageError`` with the line."""
    objects: list[Mapping[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line).value
        except ValueError as error:
            raise UsageError(f"line {number} is not JSON: {error}") from None
        if not isinstance(value, dict) or not isinstance(value.get(field), str):
            raise UsageError(f"line {number} has no text under {field!r}")
        objects.append(value)
    yield from _from_mappings(objects, field)


def from_session(body: bytes, *, whole: bool = False) -> Iterator[Question]:
    """Read the user's prompts from a session file of Uderia (or ``GET /sessions/{id}/details``).

    Each prompt is a question; with ``whole``, the session is one conversation. Raises ``UsageError`` for another file.
    """
    try:
        session = parse_json(body).value
    except ValueError as error:
        raise UsageError(f"not JSON: {error}") from None
    found = session.get("session", session) if isinstance(session, dict) else {}
    history = found.get("session_history") if isinstance(found, dict) else None
    if not isinstance(history, list):
        raise UsageError("not a session file of Uderia: session_history is missing")
    said = [message for message in history if isinstance(message, dict) and message.get("role") == "user"]
    prompts = tuple(
        message["content"].strip()
        for message in said
        if isinstance(message.get("content"), str) and message["content"].strip() and message.get("isValid") is not False
    )
    if whole and prompts:
        yield Question(turns=prompts, tags=("conversation",) if len(prompts) > 1 else ())
    else:
        yield from (Question(turns=(prompt,)) for prompt in prompts)


def folded(questions: Iterable[Question]) -> tuple[Question, ...]:
    """Return each question once, in the order of its first occurrence, with the tags of all occurrences.

    Raises ``UsageError`` for more than ``MOST_QUERIES``.
    """
    first: dict[tuple[str, ...], Question] = {}
    for question in questions:
        key = tuple(map(_key, question.turns))
        known = first.get(key, question)
        tags = tuple(dict.fromkeys((*known.tags, *question.tags)))
        first[key] = Question(turns=known.turns, id=known.id, complexity=known.complexity, tags=tags)
        if len(first) > MOST_QUERIES:
            raise UsageError(f"more than {MOST_QUERIES:,} different questions; take a sample of them")
    return tuple(first.values())


def to_yaml(questions: Sequence[Question], *, name: str, tags: Sequence[str] = (), label: bool = False) -> str:
    """Return a corpus file. With ``label``, queries without a complexity get a proposal with its reason."""
    lines = ["version: 1", f"name: {_quoted(name)}", "queries:"]
    taken = {question.id for question in questions if question.id}
    for question in questions:
        given = question.id or _free_id(question.turns[0], taken)
        taken.add(given)
        lines.append(f"  - id: {_quoted(given)}")
        if len(question.turns) == 1:
            lines.append(f"    prompt: {_quoted(_escaped(question.turns[0]))}")
        else:
            lines += ["    turns:", *(f"      - {_quoted(_escaped(turn))}" for turn in question.turns)]
        if question.complexity is not None:
            lines.append(f"    complexity: {question.complexity}")
        elif label:
            proposal = complexity.propose(Query(id=given, prompt=question.turns[0], turns=question.turns))
            lines.append(f"    complexity: {proposal.complexity}  # proposed: {proposal.reason}")
        if all_tags := tuple(dict.fromkeys((*tags, *question.tags))):
            lines.append(f"    tags: [{', '.join(map(_quoted, all_tags))}]")
    return "\n".join(lines) + "\n"


def _from_mappings(rows: Iterable[Mapping[str, Any]], prompt: str) -> Iterator[Question]:
    for row in rows:
        text = str(row.get(prompt) or "").strip()
        if not text:
            continue
        label = str(row.get("complexity") or "").strip().lower()
        said = row.get("tags") or ()
        tags = said.replace(",", " ").split() if isinstance(said, str) else [str(tag) for tag in said]
        yield Question(
            turns=(text,),
            id=_label(str(row.get("id") or "")) or None,
            complexity=label if label in COMPLEXITIES else None,
            tags=tuple(filter(None, map(_label, tags))),
        )


def _key(prompt: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())
    return text.rstrip(" ?!.") or text


def _free_id(prompt: str, taken: set[str]) -> str:
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", prompt).lower())[:_ID_WORDS]
    stem = "-".join(words)[:_ID_LENGTH].strip("-") or "question"
    number = 2
    name = stem
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name


def _label(text: str) -> str:
    """Remove the characters that an id or a tag cannot have (``documents.yaml.texts.Label``)."""
    return "".join(character for character in text if character.isprintable() and character not in "[]").strip()


def _escaped(prompt: str) -> str:
    """Double the braces that a corpus would read as a placeholder."""
    return _BRACED.sub(r"{{\1}}", prompt)


def _quoted(text: str) -> str:
    """Return text as a double-quoted scalar, which JSON and YAML 1.2 share. Half characters become question marks."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(map(_printable, orjson.dumps(whole).decode()))


def _printable(character: str) -> str:
    """Escape a character that YAML or an editor would not show."""
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
