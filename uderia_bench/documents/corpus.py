"""Corpus files, and the queries that they stand for.

Reading expands a corpus: a ``matrix`` becomes one query per combination, ``include`` adds other files, and a ``prompt``
is a conversation of one turn. Expectations are validated here and judged in ``reading.expectations``.
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
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

import orjson
from pydantic import BeforeValidator, Field, model_validator

from uderia_bench.documents.expectation import Expectation
from uderia_bench.documents.yaml.checking import Complaint, Written, echo, entries, suggestion, validate, wrong
from uderia_bench.documents.yaml.document import Document, Place, Steps
from uderia_bench.documents.yaml.reading import read
from uderia_bench.documents.yaml.texts import Label, Text
from uderia_bench.errors import DocumentError, Mistake

Complexity: TypeAlias = Literal["simple", "complex", "edge"]
COMPLEXITIES: tuple[str, ...] = get_args(Complexity)

MAX_EXPANSION = 10_000  # queries that one matrix may make; more is a mistake in the matrix

_PATTERNS = frozenset({"matches", "regex_all"})  # expectations in which a value from a matrix is quoted
_PLACEHOLDER = re.compile(r"\{\{(?P<literal>[A-Za-z_]\w*)\}\}|\{(?P<name>[A-Za-z_]\w*)\}")


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


MatrixValue: TypeAlias = Annotated[Label, BeforeValidator(_as_text)]


class QueryTemplate(Written):
    """A query as it is written. With a ``matrix`` it makes one query for each combination of values."""

    id: Label
    """Name of the query, unique in the corpus. It pairs arms and runs, so keep it stable."""
    prompt: Text | None = None
    """The question. ``{name}`` is filled in from ``matrix``; write ``{{name}}`` for the text itself."""
    turns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """The questions of a conversation, in order, instead of ``prompt``. They share one session, and
    each is a trial."""
    complexity: Complexity | None = None
    """The class of the query. It decides which rule names a winner; edge cases name none."""
    tags: tuple[Label, ...] = ()
    """Words to filter by."""
    expect: tuple[Expectation, ...] = ()
    """What makes the answer right. Each entry says one thing."""
    matrix: Annotated[dict[Text, Annotated[tuple[MatrixValue, ...], Field(min_length=1)]], Field(min_length=1)] | None = None
    """Values for the placeholders of the prompt. Each combination makes one query: ``id[name=value]``."""
    group: Label | None = None
    """Queries that depend on each other, such as variants of one question. A comparison counts a group
    once. The queries of a ``matrix`` are a group by default, named like the query."""
    paraphrase_of: Label | None = None
    """The id of the query that this one asks in other words. Both are one group by default, and what memory is worth is
    reported for paraphrases alone."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How often users ask this, compared with other queries. Estimates use it with ``weights: traffic``."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        findings = [*self._asks(), *self._fills(), *self._expects()]
        if findings:
            raise wrong(*findings)
        return self

    def _asks(self) -> Iterator[Complaint]:
        if self.prompt is None and self.turns is None:
            yield (), "has no question; give it a prompt"
        if self.prompt is not None and self.turns is not None:
            yield ("turns",), "and prompt exclude each other; a prompt is a conversation of one turn"

    def _fills(self) -> Iterator[Complaint]:
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
            yield ("matrix",), f"makes {size:,} queries; the limit is {MAX_EXPANSION:,}"
        elif len({self._id(values) for values in self._combinations()}) < size:
            yield ("matrix",), "gives two queries one id; is a value there twice?"

    def _expects(self) -> Iterator[Complaint]:
        turns = len(tuple(self._texts()))
        for index, expectation in enumerate(self.expect):
            if expectation.turn is not None and expectation.turn > turns:
                yield ("expect", index, "turn"), f"is {expectation.turn}, and the query has {turns}"

    def _texts(self) -> Iterator[tuple[Steps, str]]:
        if self.prompt is not None:
            yield ("prompt",), self.prompt
        for index, turn in enumerate(self.turns or ()):
            yield ("turns", index), turn

    def expanded(self) -> Iterator[Query]:
        """Yield the queries of this template in the order of the matrix; the last key changes fastest."""
        for values in self._combinations():
            turns = tuple(_filled(text, values) for _, text in self._texts())
            yield Query(
                id=self._id(values),
                prompt=turns[0],
                turns=turns,
                complexity=self.complexity,
                tags=self.tags,
                expect=tuple(_expectation_filled(expectation, values) for expectation in self.expect),
                group=self.group or self.paraphrase_of or (self.id if values else None),
                paraphrase_of=self.paraphrase_of,
                weight=self.weight,
            )

    def _combinations(self) -> Iterator[dict[str, str]]:
        matrix = self.matrix or {}
        return (dict(zip(matrix, combination, strict=True)) for combination in itertools.product(*matrix.values()))

    def _id(self, values: dict[str, str]) -> str:
        return f"{self.id}[{','.join(f'{name}={value}' for name, value in values.items())}]" if values else self.id


class CorpusFile(Written):
    """One corpus file."""

    version: Literal[1] = 1
    """Version of the document format."""
    name: Label | None = None
    """Name of the corpus; by default the file's name."""
    queries: tuple[QueryTemplate, ...] = ()
    """The questions."""
    include: tuple[Text, ...] = ()
    """More corpus files, relative to this one. Their queries are added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question, ready to be asked. ``turns`` are all prompts of the conversation, ``prompt`` is the first.

    ``group`` names the queries that depend on each other; None for a query on its own. ``paraphrase_of``
    is the query that this one asks in other words. ``weight`` is how
    often users ask it. ``counts`` is how much it counts in the estimates of an experiment, None where all
    of its queries count the same.
    """

    id: str
    prompt: str
    turns: tuple[str, ...]
    complexity: Complexity | None = None
    tags: tuple[str, ...] = ()
    expect: tuple[Expectation, ...] = ()
    group: str | None = None
    paraphrase_of: str | None = None
    weight: float = 1.0
    counts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The queries of a corpus file and of the files it includes; ids are unique."""

    name: str
    queries: tuple[Query, ...]

    @property
    def content_hash(self) -> str:
        """SHA-256 of the expanded queries in order, whichever files and matrices they come from."""
        return content_hash(self.queries)


def load(path: str | os.PathLike[str]) -> Corpus:
    """Read a corpus and the files it includes. Raises ``DocumentError`` with every mistake in every file."""
    return load_all([path])[0]


def load_all(paths: Sequence[str | os.PathLike[str]]) -> tuple[Corpus, ...]:
    """Read several corpora for one run. Ids must be unique over all of them. Raises ``DocumentError`` as ``load``."""
    loader = _Loader()
    corpora = [loader.corpus(os.path.normpath(path)) for path in paths]
    loader.follow_references()
    if loader.mistakes:
        raise DocumentError(tuple(loader.mistakes))
    return tuple(corpora)


def content_hash(queries: Iterable[Query]) -> str:
    """SHA-256 of queries, in order, as canonical JSON without the fields that are not set."""
    return hashlib.sha256(orjson.dumps([_canonical(query) for query in queries], option=orjson.OPT_SORT_KEYS)).hexdigest()


class _Loader:
    """Reads files and the files they include, each once. Continues after a mistake to find the others."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self.ids: dict[str, Place] = {}
        self.files: set[str] = set()
        self.asked: set[str] = set()
        self.references: list[tuple[Document, Steps, str, str]] = []  # where, by which query, to which

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

    def follow_references(self) -> None:
        """Note every ``same_as`` and ``paraphrase_of`` of an unknown query, after all files are read."""
        for document, steps, own, other in self.references:
            if other == own:
                self.mistakes.append(document.mistake(steps, "names the query itself"))
            elif other not in self.asked:
                self.mistakes.append(document.mistake(steps, f"no query is named {echo(other)}{suggestion(other, self.asked)}"))

    def _meet(self, document: Document, steps: Steps, query: Query) -> None:
        self.asked.add(query.id)
        if query.paraphrase_of is not None:
            self.references.append((document, (*steps, "paraphrase_of"), query.id, query.paraphrase_of))
        for index, expectation in enumerate(query.expect):
            for below, kind, value in expectation.named():
                if kind == "same_as":
                    self.references.append((document, (*steps, "expect", index, *below, kind), query.id, value))

    def _note(self, file: str, path: str | None, message: str) -> None:
        self.mistakes.append(Mistake(file=file, line=None, path=path, message=message))

    def _document(self, file: str) -> Document | None:
        self.files.add(os.path.realpath(file))
        try:
            document = read(file)
        except DocumentError as error:
            self.mistakes.extend(error.mistakes)
            return None
        if isinstance(document.data, dict) and "arms" in document.data and "queries" not in document.data:
            self.mistakes.append(document.mistake((), "is an experiment, not a corpus; name the file with its queries"))
            return None
        return document

    def _queries(self, document: Document, within: tuple[str, ...]) -> Iterator[Query]:
        chain = (*within, document.file)
        try:
            written = validate(CorpusFile, document, lambda data: self._repeated(data, document))
        except DocumentError as error:
            self.mistakes.extend(error.mistakes)
        else:
            for index, template in enumerate(written.queries):
                for query in template.expanded():
                    self._meet(document, ("queries", index), query)
                    yield query
        included = document.value(("include",))
        for index, path in enumerate(included if isinstance(included, tuple) else ()):
            if isinstance(path, str) and (other := self._included(document, ("include", index), path, chain)):
                yield from self._queries(other, chain)

    def _included(self, document: Document, steps: Steps, path: str, chain: tuple[str, ...]) -> Document | None:
        file = os.path.normpath(Path(document.file).parent / path)
        real = os.path.realpath(file)
        if real in {os.path.realpath(each) for each in chain}:
            self.mistakes.append(document.mistake(steps, f"includes itself: {' → '.join((*chain, file))}"))
        elif not os.path.exists(file):  # noqa: PTH110 - Path.exists raises where no path can be so long
            self.mistakes.append(document.mistake(steps, f"no such file: {file}"))
        elif real not in self.files:
            return self._document(file)
        return None

    def _repeated(self, data: Any, document: Document) -> Iterator[Complaint]:
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
    """Fill placeholders in an expectation. Other braces stay as they are, because patterns use them."""
    return (
        Expectation.model_validate(_said_filled(expectation.model_dump(exclude_unset=True), values)) if values else expectation
    )


def _said_filled(said: Any, values: dict[str, str], *, in_pattern: bool = False) -> Any:
    match said:
        case str():
            quoted = {name: re.escape(value) if in_pattern else value for name, value in values.items()}
            return _PLACEHOLDER.sub(lambda match: quoted.get(match["name"] or "", match[0]), said)
        case dict():
            return {key: _said_filled(item, values, in_pattern=key in _PATTERNS) for key, item in said.items()}
        case tuple():
            return tuple(_said_filled(item, values, in_pattern=in_pattern) for item in said)
    return said


def _canonical(query: Query) -> dict[str, Any]:
    """Return what is asked and expected of a query. Group and weight change neither, so they are not part of the hash."""
    expect = [expectation.model_dump(mode="json", exclude_unset=True) for expectation in query.expect]
    return {"id": query.id, "turns": query.turns, "complexity": query.complexity, "tags": query.tags, "expect": expect}
