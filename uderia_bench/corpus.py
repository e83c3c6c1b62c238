"""What a corpus of questions may say, and the queries it stands for; what an experiment makes of them is not its business.

A corpus is written briefly and read expanded: a ``matrix`` becomes one query a combination, ``include`` brings in other
files, a ``prompt`` is a conversation of one turn. Expectations are checked for sense here and judged elsewhere.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from uderia_bench.documents import Document, Finding, Place, Steps, Written, echo, entries, read, validate, wrong
from uderia_bench.errors import DocumentError, Mistake

Complexity: TypeAlias = Literal["simple", "complex", "edge"]

MAX_EXPANSION = 10_000  # queries one matrix may stand for; more is a mistake in the matrix, not a corpus

_PLACEHOLDER = re.compile(r"\{\{(?P<literal>[A-Za-z_]\w*)\}\}|\{(?P<name>[A-Za-z_]\w*)\}")


def _not_blank(value: str) -> str:
    if not value.strip():
        raise wrong(((), "must not be empty"))
    return value


def _label(value: str) -> str:
    if not value.isprintable() or value != value.strip() or any(mark in value for mark in "[]"):
        raise wrong(((), "must be printable, without [ or ] and without space around it"))
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise wrong(((), f"is no regular expression: {error}")) from None
    return value


def _rooted(value: str) -> str:
    if not value.startswith("$"):
        raise wrong(((), f"should begin with $, as in $.rows[0].name, not {echo(value)}"))
    return value


def one_or_more(value: Any) -> Any:
    """Take a single text as a list of one."""
    return (value,) if isinstance(value, str) else value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text: TypeAlias = Annotated[str, AfterValidator(_not_blank)]
Label: TypeAlias = Annotated[Text, AfterValidator(_label)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(one_or_more)]
MatrixValue: TypeAlias = Annotated[Label, BeforeValidator(_as_text)]


class Number(Written):
    """A number and how far from it still counts, in the number's own unit."""

    value: float
    tolerance: Annotated[float, Field(ge=0)] = 0.0


class Expectation(Written):
    """One thing that makes an answer right; exactly one field is set, ``kind`` names it and ``value`` is what it says."""

    contains: Text | None = None
    matches: Annotated[Text, AfterValidator(_pattern)] | None = None
    number: Number | None = None
    tools_called: Texts | None = None
    tools_not_called: Texts | None = None
    max_s: Annotated[float, Field(gt=0)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    json_path: Annotated[Text, AfterValidator(_rooted)] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if len(self.model_fields_set) != 1 or self.value is None:
            raise wrong(((), f"should say one of {', '.join(type(self).model_fields)}; begin each with its own dash"))
        return self

    @property
    def kind(self) -> str:
        """The name of the field that is set."""
        (kind,) = self.model_fields_set
        return kind

    @property
    def value(self) -> Any:
        """What the field that is set says."""
        return getattr(self, self.kind)


class QueryTemplate(Written):
    """A query as it is written: with a ``matrix`` it stands for one query a combination of values."""

    id: Label
    prompt: Text | None = None
    turns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    complexity: Complexity | None = None
    tags: tuple[Label, ...] = ()
    expect: tuple[Expectation, ...] = ()
    matrix: Annotated[dict[Text, Annotated[tuple[MatrixValue, ...], Field(min_length=1)]], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        findings = [*self._asks(), *self._fills()]
        if findings:
            raise wrong(*findings)
        return self

    def _asks(self) -> Iterator[Finding]:
        if self.prompt is None and self.turns is None:
            yield (), "says nothing to ask; give it a prompt"
        if self.prompt is not None and self.turns is not None:
            yield ("turns",), "and prompt exclude each other; a prompt is a conversation of one turn"

    def _fills(self) -> Iterator[Finding]:
        matrix = self.matrix or {}
        used = set[str]()
        for at, text in self._texts():
            names = {match["name"] for match in _PLACEHOLDER.finditer(text) if match["name"]}
            used |= names
            for name in sorted(names - matrix.keys()):
                yield at, f"{{{name}}} has no values; give it some in matrix, or write {{{{{name}}}}} for the text itself"
        for name in matrix:
            if name not in used:
                yield ("matrix", name), f"is used in no prompt; write {{{name}}} where its values should stand"
        size = math.prod(len(values) for values in matrix.values())
        if size > MAX_EXPANSION:
            yield ("matrix",), f"stands for {size:,} queries; at most {MAX_EXPANSION:,} make sense"
        elif len({self._id(values) for values in self._combinations()}) < size:
            yield ("matrix",), "gives two queries one id; is a value there twice?"

    def _texts(self) -> Iterator[tuple[Steps, str]]:
        if self.prompt is not None:
            yield ("prompt",), self.prompt
        for index, turn in enumerate(self.turns or ()):
            yield ("turns", index), turn

    def expanded(self) -> Iterator[Query]:
        """Give the queries this stands for, in the order the matrix is written, the last key changing fastest."""
        for values in self._combinations():
            turns = tuple(_filled(text, values) for _, text in self._texts())
            yield Query(
                id=self._id(values),
                prompt=turns[0],
                turns=turns,
                complexity=self.complexity,
                tags=self.tags,
                expect=tuple(_expectation_filled(expectation, values) for expectation in self.expect),
            )

    def _combinations(self) -> Iterator[dict[str, str]]:
        matrix = self.matrix or {}
        return (dict(zip(matrix, combination, strict=True)) for combination in itertools.product(*matrix.values()))

    def _id(self, values: dict[str, str]) -> str:
        return f"{self.id}[{','.join(f'{name}={value}' for name, value in values.items())}]" if values else self.id


class CorpusFile(Written):
    """One corpus file as it is written."""

    version: Literal[1] = 1
    name: Label | None = None
    queries: tuple[QueryTemplate, ...] = ()
    include: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question, ready to be asked. ``turns`` are all prompts of the conversation, ``prompt`` is the first."""

    id: str
    prompt: str
    turns: tuple[str, ...]
    complexity: Complexity | None = None
    tags: tuple[str, ...] = ()
    expect: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The queries of a corpus file and of the files it includes; ids are unique."""

    name: str
    queries: tuple[Query, ...]

    @property
    def content_hash(self) -> str:
        """SHA-256 of what is asked and expected, in order; how it was spread over files and matrices does not matter."""
        return content_hash(self.queries)


def load(path: str | os.PathLike[str]) -> Corpus:
    """Read a corpus with what it includes. Raises ``DocumentError`` with every mistake in every file."""
    return load_all([path])[0]


def load_all(paths: Sequence[str | os.PathLike[str]]) -> tuple[Corpus, ...]:
    """Read several corpora to be used together: ids are unique over all of them. Raises ``DocumentError`` as ``load``."""
    loader = _Loader()
    corpora = [loader.corpus(os.path.normpath(path)) for path in paths]
    if loader.mistakes:
        raise DocumentError(tuple(loader.mistakes))
    return tuple(corpora)


def content_hash(queries: Iterable[Query]) -> str:
    """SHA-256 of queries, in order, as canonical JSON without the fields that are not set."""
    return hashlib.sha256(orjson.dumps([_canonical(query) for query in queries], option=orjson.OPT_SORT_KEYS)).hexdigest()


class _Loader:
    """Reads files and those they include, each once, and goes on after a mistake to find the others."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self.ids: dict[str, Place] = {}
        self.files: set[str] = set()

    def corpus(self, file: str) -> Corpus:
        mistakes_before = len(self.mistakes)
        if os.path.realpath(file) in self.files:
            self._note(file, None, "is read twice; it is listed or included before")
        document = self._document(file)
        queries = tuple(self._queries(document, ())) if document else ()
        if not queries and len(self.mistakes) == mistakes_before:
            self._note(file, "queries", "is empty; a corpus needs a query")
        name = document.value(("name",)) if document else None
        return Corpus(name=name if isinstance(name, str) else Path(file).stem, queries=queries)

    def _note(self, file: str, path: str | None, message: str) -> None:
        self.mistakes.append(Mistake(file=file, line=None, path=path, message=message))

    def _document(self, file: str) -> Document | None:
        self.files.add(os.path.realpath(file))
        try:
            return read(file)
        except DocumentError as error:
            self.mistakes.extend(error.mistakes)
            return None

    def _queries(self, document: Document, within: tuple[str, ...]) -> Iterator[Query]:
        chain = (*within, document.file)
        try:
            written = validate(CorpusFile, document, lambda data: self._repeated(data, document))
        except DocumentError as error:
            self.mistakes.extend(error.mistakes)
        else:
            for template in written.queries:
                yield from template.expanded()
        included = document.value(("include",))
        for index, path in enumerate(included if isinstance(included, tuple) else ()):
            if isinstance(path, str) and (other := self._included(document, ("include", index), path, chain)):
                yield from self._queries(other, chain)

    def _included(self, document: Document, steps: Steps, path: str, chain: tuple[str, ...]) -> Document | None:
        file = os.path.normpath(Path(document.file).parent / path)
        real = os.path.realpath(file)
        if real in {os.path.realpath(each) for each in chain}:
            self.mistakes.append(document.mistake(steps, f"includes itself: {' → '.join((*chain, file))}"))
        elif not Path(file).exists():
            self.mistakes.append(document.mistake(steps, f"no such file: {file}"))
        elif real not in self.files:
            return self._document(file)
        return None

    def _repeated(self, data: Any, document: Document) -> Iterator[Finding]:
        for index, query in entries(data, "queries"):
            steps = ("queries", index, "id")
            if not isinstance(name := query.get("id"), str):
                continue
            place = document.place(steps)
            first = self.ids.setdefault(name, place)
            if first is not place:
                yield steps, f"{echo(name)} is taken; it is first in {first.seen_from(place.file)}"


def _filled(text: str, values: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: f"{{{match['literal']}}}" if match["literal"] else values[match["name"]], text)


def _expectation_filled(expectation: Expectation, values: dict[str, str]) -> Expectation:
    """Fill placeholders in what is expected; braces that name no value are left alone, since patterns are full of them."""
    text = expectation.contains or expectation.matches
    if text is None or not values:
        return expectation
    quoted = {name: re.escape(value) if expectation.matches else value for name, value in values.items()}
    filled = _PLACEHOLDER.sub(lambda match: quoted.get(match["name"] or "", match[0]), text)
    return Expectation.model_validate({expectation.kind: filled})


def _canonical(query: Query) -> dict[str, Any]:
    expect = [expectation.model_dump(mode="json", exclude_unset=True) for expectation in query.expect]
    return {"id": query.id, "turns": query.turns, "complexity": query.complexity, "tags": query.tags, "expect": expect}
