"""The text of a corpus of imported questions: each question once, with a unique id.

Questions that differ only in case, white space or the final mark are one query, unless the source gives them different
ids, labels or expectations. Ids are made of a question's first words, so another import gives the same ids.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import orjson

from uderia_bench.documents import complexity
from uderia_bench.documents.corpus import Query
from uderia_bench.documents.imports.question import MOST_QUERIES, Options, Question, Unread, as_label
from uderia_bench.documents.imports.readers import READERS
from uderia_bench.documents.yaml.reading import MAX_BYTES
from uderia_bench.errors import DocumentError, Mistake, UsageError
from uderia_bench.printable import count_of

_ID_WORDS, _ID_LENGTH = 6, 48
_BRACED = re.compile(r"\{([A-Za-z_]\w*)\}")  # a corpus would read it as a placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A corpus made of other files: its text, how much it contains, and what of the files was not understood."""

    text: str
    summary: str
    unread: tuple[Mistake, ...]


def make(
    kind: str, files: Iterable[Path], options: Options, *, name: str, tags: Sequence[str] = (), label: bool = False
) -> Made:
    """Make a corpus of files of one kind. Raises ``UsageError`` where they cannot be read, or have no question."""
    unread = Unread()
    asked = [question for file in files for question in READERS[kind](file, options, unread)]
    kept = folded(asked)
    text = to_yaml(referring(named(kept, unread), unread), name=name, tags=tags, label=label)
    if not kept:
        raise DocumentError(unread.all()) if unread.all() else UsageError("the files contain no question")
    summary = f"{count_of(len(kept), 'query')} from {count_of(len(asked), 'question')}"
    if len(asked) > len(kept):
        summary += f" ({len(asked) - len(kept)} repeated)"
    if left := unread.all():
        summary += f"; {count_of(len(left), 'part')} not understood:"
    return Made(text=text, summary=summary, unread=left)


def folded(questions: Iterable[Question]) -> tuple[Question, ...]:
    """Return each question once, in the order of its first occurrence, with the tags of all occurrences.

    Raises ``UsageError`` for more than ``MOST_QUERIES``.
    """
    kept: list[Question] = []
    places: dict[tuple[str, ...], list[int]] = {}
    for question in questions:
        alike = places.setdefault(tuple(map(_key, question.turns)), [])
        for place in alike:
            if (joined := _joined(kept[place], question)) is not None:
                kept[place] = joined
                break
        else:
            alike.append(len(kept))
            kept.append(question)
        if len(kept) > MOST_QUERIES:
            raise UsageError(f"more than {MOST_QUERIES:,} different questions; take a sample of them")
    return tuple(kept)


def named(questions: Iterable[Question], unread: Unread) -> Iterator[Question]:
    """Yield the questions with unique ids, and note every id of the source that could not be used."""
    listed = list(questions)
    taken: dict[str, Question] = {}
    for question in listed:
        if question.id is not None and question.id == as_label(question.id):
            taken.setdefault(question.id, question)
    for question in listed:
        if question.id is not None and taken.get(question.id) is question:
            yield question
            continue
        made = _free(_slug(question.turns[0]) if question.id is None else as_label(question.id), taken)
        taken[made] = question
        if question.id is not None and question.place is not None:
            why = "is taken" if question.id in taken else "has a character that an id cannot have"
            unread.note(question.place, "id", f"{question.id!r} {why}: this query is {made!r}")
        yield replace(question, id=made)


def referring(questions: Iterable[Question], unread: Unread) -> Iterator[Question]:
    """Yield the questions without the references to queries that the corpus does not have."""
    listed = list(questions)
    known = {None, *(question.id for question in listed)}
    for question in listed:
        kept = tuple(each for each in question.expect if (other := each.get("same_as")) in known and other != question.id)
        if len(kept) < len(question.expect) and question.place is not None:
            unread.note(question.place, "same_as", "names no other query")
        yield replace(question, expect=kept)


def to_yaml(questions: Iterable[Question], *, name: str, tags: Sequence[str] = (), label: bool = False) -> str:
    """Return a corpus file of questions with ids. With ``label``, queries without a complexity get a proposal with its reason.

    Raises ``UsageError`` for a file that is too large to be read as a corpus.
    """
    lines = ["version: 1", f"name: {_quoted(name)}", "queries:"]
    for question in questions:
        assert question.id is not None, "named gives every question an id"
        lines.append(f"  - id: {_quoted(question.id)}")
        if len(question.turns) == 1:
            lines.append(f"    prompt: {_quoted(_escaped(question.turns[0]))}")
        else:
            lines += ["    turns:", *(f"      - {_quoted(_escaped(turn))}" for turn in question.turns)]
        if question.complexity is not None:
            lines.append(f"    complexity: {question.complexity}")
        elif label:
            proposal = complexity.propose(Query(id=question.id, prompt=question.turns[0], turns=question.turns))
            lines.append(f"    complexity: {proposal.complexity}  # proposed: {proposal.reason}")
        if all_tags := tuple(dict.fromkeys((*tags, *question.tags))):
            lines.append(f"    tags: {_flow(all_tags)}")
        if question.group is not None:
            lines.append(f"    group: {_quoted(question.group)}")
        if question.expect:
            lines += ["    expect:", *(f"      - {_flow(each)}" for each in question.expect)]
    text = "\n".join(lines) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise UsageError(f"the corpus would be larger than {MAX_BYTES // 2**20} MiB; import the questions in several files")
    return text


def _joined(known: Question, other: Question) -> Question | None:
    """Return two questions with the same words as one; None if the source tells them apart."""
    for name in ("id", "complexity", "group", "expect"):
        mine, its = getattr(known, name), getattr(other, name)
        if mine and its and mine != its:
            return None
    return replace(
        known,
        id=known.id or other.id,
        complexity=known.complexity or other.complexity,
        group=known.group or other.group,
        expect=known.expect or other.expect,
        tags=tuple(dict.fromkeys((*known.tags, *other.tags))),
    )


def _key(prompt: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())
    return text.rstrip(" ?!.") or text


def _slug(prompt: str) -> str:
    """Return the first words of a prompt as an id."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", prompt).lower())[:_ID_WORDS]
    return "-".join(words)[:_ID_LENGTH].strip("-")


def _free(stem: str, taken: dict[str, Question]) -> str:
    """Return an id that no query has: the wanted one, or one with a number."""
    numbered = (f"{stem or 'question'}-{number}" for number in count(2))
    return next(name for name in chain([stem or "question"], numbered) if name not in taken)


def _escaped(prompt: str) -> str:
    """Double the braces that a corpus would read as a placeholder."""
    return _BRACED.sub(r"{{\1}}", prompt)


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    match value:
        case str():
            return _quoted(value)
        case dict():
            return f"{{{', '.join(f'{_quoted(key)}: {_flow(item)}' for key, item in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_flow, value))}]"
    return orjson.dumps(value).decode()


def _quoted(text: str) -> str:
    """Return text as a double-quoted scalar, which JSON and YAML 1.2 share. Half characters become question marks."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(map(_printable, orjson.dumps(whole).decode()))


def _printable(character: str) -> str:
    """Escape a character that YAML or an editor would not show."""
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"
