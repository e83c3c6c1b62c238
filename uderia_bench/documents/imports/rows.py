"""Questions from rows: of CSV, of JSON, of datasets of Inspect, and of tests of promptfoo."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

from uderia_bench.documents.corpus import COMPLEXITIES
from uderia_bench.documents.imports import expected
from uderia_bench.documents.imports.expected import Expected, NotUnderstood
from uderia_bench.documents.imports.question import MOST_QUERIES, Options, Question, Unread, as_label
from uderia_bench.errors import Mistake

PROMPTS = ("prompt", "question", "input", "query", "text")
"""Names of the column with the question. The first of them that a row has counts."""

_ANSWERS = frozenset({"expected", "expected_answer", "answer", "ideal", "target", "reference"})
_CELL = re.compile(r"__expected\d*")
_NO_MEANING = re.compile(r"description|__description|__metric|__metadata:.*")  # words for promptfoo's own reports
_TEMPLATE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def is_empty(row: Mapping[Any, Any]) -> bool:
    """Whether all fields of a row are empty."""
    return not any(map(_says, row.values()))


def _says(value: Any) -> bool:
    return value is not None and bool(str(value).strip())


def questions(row: Mapping[Any, Any], place: Mistake, options: Options, unread: Unread) -> Iterator[Question]:
    """Yield the question of a row; nothing for an empty row. What is not understood is noted."""
    fields = {_name(name): value for name, value in row.items() if _says(value)}
    if isinstance(fields.get("vars"), dict):
        yield from tests(fields, (), place, options, unread)
    elif fields:
        taken = _Row(fields, place, options, unread)
        if turns := taken.turns():
            yield Question(
                turns=turns,
                place=place,
                id=taken.id(),
                complexity=taken.complexity(),
                tags=taken.tags(),
                group=taken.group(),
                expect=tuple(taken.expectations()),
            )
            taken.note_the_rest()


def tests(
    test: Mapping[str, Any], prompts: Sequence[str], place: Mistake, options: Options, unread: Unread
) -> Iterator[Question]:
    """Yield the questions of a test of promptfoo: each prompt with each combination of the variables.

    Without prompts, a variable has the question.
    """
    variables = test.get("vars", {})
    beside = {key: value for key, value in test.items() if key != "vars"}
    lists = [value if isinstance(value, list | tuple) else (value,) for value in variables.values()]
    if (count := prod(map(len, lists))) > MOST_QUERIES:
        unread.note(place, "vars", f"has {count:,} combinations; at most {MOST_QUERIES:,} are read")
        return
    for combination in itertools.product(*lists):
        values = dict(zip(variables, combination, strict=True))
        if not prompts:
            yield from questions({**values, **beside}, place, options, unread)
        for prompt in prompts:
            filled = _TEMPLATE.sub(lambda found: str(values.get(found[1], found[0])), prompt)  # noqa: B023 - called at once
            if "{{" in filled:
                unread.note(place, "vars", f"has no value for a variable of the prompt {prompt[:40]!r}")
            else:
                yield from questions({"prompt": filled, **beside}, place, options, unread)


class _Row:
    """The fields of a row, each taken once."""

    def __init__(self, fields: dict[str, Any], place: Mistake, options: Options, unread: Unread) -> None:
        self._fields, self._place, self._options, self._unread = fields, place, options, unread
        if isinstance(beside := fields.get("metadata"), dict):  # of Inspect
            for name in ("complexity", "tags"):
                if name in beside:
                    fields.setdefault(name, beside[name])
            fields["metadata"] = {key: value for key, value in beside.items() if key not in ("complexity", "tags")}
        self._choices = self._listed(fields.pop("choices", ()))

    def turns(self) -> tuple[str, ...]:
        """Return the question, or the questions of a conversation; empty with a note where there is none."""
        wanted = (_name(self._options.column),) if self._options.column else ("turns", *PROMPTS)
        name = next((each for each in wanted if each in self._fields), None)
        said = self._fields.pop(name) if name else ()
        found = said if isinstance(said, list | tuple) else (said,)
        turns = tuple(filter(None, (self._turn(name or "", each) for each in found)))
        if not turns:
            self._note(name, "has no question" if name else f"is not there: no {' or '.join(wanted)}")
        if turns and self._choices:  # as Inspect asks it
            listed = (f"{letter}) {choice}" for letter, choice in zip(_LETTERS, self._choices, strict=False))
            return (*turns[:-1], "\n".join((turns[-1], "", *listed)))
        return turns

    def id(self) -> str | None:
        """Return the id as it is written; None without one."""
        said = self._fields.pop("id", None)
        if isinstance(said, dict | list | tuple):
            self._note("id", "should be a text")
            return None
        return None if said is None else str(said).strip()

    def group(self) -> str | None:
        """Return the group; None without one."""
        return self._label("group", self._fields.pop("group")) if "group" in self._fields else None

    def complexity(self) -> str | None:
        """Return the class of the query; None with a note for another word."""
        said = str(self._fields.pop("complexity", "")).strip().lower()
        if said and said not in COMPLEXITIES:
            self._note("complexity", f"is {said!r}; the classes are {', '.join(COMPLEXITIES)}")
        return said if said in COMPLEXITIES else None

    def tags(self) -> tuple[str, ...]:
        """Return the tags: a list, or a text of tags with semicolons, commas or spaces between them."""
        said = self._fields.pop("tags", ())
        return tuple(dict.fromkeys(filter(None, (self._label("tags", each) for each in self._listed(said, spaces=True)))))

    def expectations(self) -> Iterator[Expected]:
        """Yield what is expected of the answer. A note says which part cannot be said in a corpus."""
        for name in list(self._fields):
            if (read := self._reader(name)) is not None:
                try:
                    yield from read(self._fields.pop(name))
                except NotUnderstood as reason:
                    self._note(name, str(reason))

    def note_the_rest(self) -> None:
        """Note the fields that nothing has taken."""
        for name, value in self._fields.items():
            if value and name not in map(_name, self._options.ignore) and not _NO_MEANING.fullmatch(name):
                self._note(name, f"is not understood and left out; if that is right, add --ignore {name}")

    def _reader(self, name: str) -> Callable[[Any], Iterable[Expected]] | None:
        if name == "expect":
            return expected.of_entries
        if name in expected.KINDS:
            return lambda value: [expected.of_kind(name, value)]
        if name in _ANSWERS:
            return lambda value: expected.of_choices(self._choices, value) if self._choices else [expected.of_answer(value)]
        if _CELL.fullmatch(name):
            return expected.of_cell
        return self._assertions if name == "assert" else None

    def _assertions(self, listed: Any) -> Iterator[Expected]:
        for each in listed if isinstance(listed, list | tuple) else (listed,):
            if not isinstance(each, dict):
                raise NotUnderstood("should be a list of assertions")
            try:
                yield from expected.of_assertion(each)
            except NotUnderstood as reason:
                self._note("assert", str(reason))

    def _turn(self, name: str, said: Any) -> str:
        """Return one prompt: a text, a number, or what a message of a chat says for the user."""
        if isinstance(said, dict) and isinstance(said.get("content"), str):
            if said.get("role") == "user":
                return str(said["content"]).strip()
            self._note(name, f"has a message of the {said.get('role')}, which is left out")
            return ""
        if isinstance(said, str | int | float):
            return str(said).strip()
        self._note(name, "should be a text")
        return ""

    def _label(self, name: str, said: Any) -> str | None:
        if isinstance(said, dict | list | tuple):
            self._note(name, "should be a text")
            return None
        made = as_label(str(said))
        if made != str(said).strip():
            self._note(name, f"is {said!r}, which cannot have [, ] or control characters: it is {made!r} now")
        return made or None

    def _listed(self, said: Any, *, spaces: bool = False) -> Sequence[Any]:
        if isinstance(said, str):
            mark = ";" if ";" in said else "," if "," in said or not spaces else None
            return [part.strip() for part in said.split(mark) if part.strip()]
        return said if isinstance(said, list | tuple) else (said,)

    def _note(self, name: str | None, message: str) -> None:
        self._unread.note(self._place, name, message)


def _name(written: Any) -> str:
    """Return the name of a field, in any case and with spaces or dashes for its underscores."""
    return re.sub(r"[\s-]+", "_", str(written).strip().lower())
