"""Questions from elsewhere as a corpus: a list of lines, CSV, JSON lines, Uderia's own session files. Text in, YAML text out.

The same question asked twice is one query: case, white space and the final mark aside. Ids are made of a question's first
words, so they are the same tomorrow whatever stands around it, and what an author renames stays renamed only in their file.
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

MOST_QUERIES = 10_000
"""More is a log and not a corpus: draw a sample of it first."""

_ID_WORDS, _ID_LENGTH = 6, 48
_COMMENT = "#"
_BRACED = re.compile(r"\{([A-Za-z_]\w*)\}")  # the corpus would take it for a placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question or conversation as it was found; ``id`` and ``complexity`` only where the source names them."""

    turns: tuple[str, ...]
    id: str | None = None
    complexity: str | None = None
    tags: tuple[str, ...] = ()


def from_text(text: str) -> Iterator[Question]:
    """Read a question a line; empty lines and those that begin with ``#`` are passed over."""
    for line in text.splitlines():
        prompt = line.strip()
        if prompt and not prompt.startswith(_COMMENT):
            yield Question(turns=(prompt,))


def from_csv(text: str, *, column: str = "prompt") -> Iterator[Question]:
    """Read a question a row; ``id``, ``complexity`` and ``tags`` (with spaces between) are read where there are such columns.

    Raises ``UsageError`` where the column is not there.
    """
    rows = csv.DictReader(io.StringIO(text))
    if column not in (rows.fieldnames or ()):
        raise UsageError(f"no column {column!r}; there are: {', '.join(rows.fieldnames or ['none'])}")
    yield from _from_mappings(rows, column)


def from_jsonl(text: str, *, field: str = "prompt") -> Iterator[Question]:
    """Read a question an object, one object a line, with the same fields as CSV; raises ``UsageError`` with the line."""
    objects: list[Mapping[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise UsageError(f"line {number} is no JSON: {error}") from None
        if not isinstance(value, dict) or not isinstance(value.get(field), str):
            raise UsageError(f"line {number} has no text under {field!r}")
        objects.append(value)
    yield from _from_mappings(objects, field)


def from_session(body: bytes, *, whole: bool = False) -> Iterator[Question]:
    """Read what a user asked in one of Uderia's session files (or of ``GET /sessions/{id}/details``), each prompt by itself.

    ``whole``: the session as one conversation. Raises ``UsageError`` where it is no session.
    """
    try:
        session = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"no JSON: {error}") from None
    found = session.get("session", session) if isinstance(session, dict) else {}
    history = found.get("session_history") if isinstance(found, dict) else None
    if not isinstance(history, list):
        raise UsageError("no session of Uderia: it has no session_history")
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
    """Return each question once, in the order of first asking, with the tags of all its askings.

    Raises ``UsageError`` where there are more than ``MOST_QUERIES``.
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
    """Return a corpus file; ``label``: with a proposed complexity, and why, where the source has none."""
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
    """Return text as an id or a tag may be (``documents.texts.Label``)."""
    return "".join(character for character in text if character.isprintable() and character not in "[]").strip()


def _escaped(prompt: str) -> str:
    """Write braces that the corpus would take for a placeholder as the text itself."""
    return _BRACED.sub(r"{{\1}}", prompt)


def _quoted(text: str) -> str:
    """Return text as a double-quoted scalar: JSON's is one of YAML 1.2; what is no character becomes a question mark."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(map(_printable, orjson.dumps(whole).decode()))


def _printable(character: str) -> str:
    """Escape what YAML or an editor would not show."""
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
