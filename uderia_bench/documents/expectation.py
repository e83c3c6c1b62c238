"""Expectations of an answer in a corpus, as validated models; ``reading.expectations`` judges them.

Each entry has one kind: ``contains: "3"``, ``number: {value: 3, tolerance: 0.5}``, or ``any: [...]`` of several.
``weight`` and ``turn`` may be set next to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, TypeAlias

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from uderia_bench.documents.yaml.checking import Complaint, Written, echo, wrong
from uderia_bench.documents.yaml.document import Steps
from uderia_bench.documents.yaml.quantities import Share
from uderia_bench.documents.yaml.texts import Label, Text, Texts, one_or_more

MOST_DESCENTS = 2
"""The most ``..`` in one JSONPath: each multiplies the places to visit by the size of the answer."""

MOST_NESTED = 4
"""The most levels of ``any`` and ``all``, so that a corpus stays readable."""


def _pattern(value: str) -> str:
    import regex  # noqa: PLC0415 - only a corpus with patterns pays for the import

    try:
        regex.compile(value)
    except (regex.error, OverflowError, RecursionError, ValueError) as error:
        raise wrong(((), f"is not a regular expression: {error}")) from None
    return value


def _path(value: str) -> str:
    import jsonpath  # noqa: PLC0415 - only a corpus with paths pays for the import

    if not value.startswith("$"):
        raise wrong(((), f"should begin with $, as in $.rows[0].name, not {echo(value)}"))
    if value.count("..") > MOST_DESCENTS or re.search(r"\b(match|search)\s*\(", value):
        raise wrong(((), f"may descend (..) {MOST_DESCENTS} times and search no patterns; use matches"))
    try:
        jsonpath.JSONPathEnvironment(strict=True).compile(value)
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise wrong(((), f"is not a JSONPath (RFC 9535): {str(error).splitlines()[0]}")) from None
    return value


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - only a corpus with schemas pays for the import

    try:
        Draft202012Validator.check_schema(as_json(value))
    except SchemaError as error:
        place = "".join(f".{step}" for step in error.absolute_path)
        raise wrong(((), f"is not a JSON Schema (2020-12): {place[1:] or 'the schema'}: {error.message}")) from None
    return value


def as_json(value: Any) -> Any:
    """Return a value of a document as JSON has it: lists instead of tuples."""
    match value:
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case tuple() | list():
            return [as_json(item) for item in value]
    return value


def _under(key: str, *kinds: type) -> BeforeValidator:
    """Accept a short form: a value of these types instead of a mapping with ``key``."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, kinds) and not isinstance(value, bool) else value)


class Number(Written):
    """A number that the answer should state. Short form: the number itself."""

    value: float
    """The number that the answer should state."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """How far from it still counts, in the unit of the number."""
    unit: Text | None = None
    """Text that has to be next to the number, such as ``GB``."""


class JsonPath(Written):
    """A place in the answer's JSON. Short form: the path itself."""

    path: Annotated[Text, AfterValidator(_path)]
    """A JSONPath (RFC 9535), such as ``$.rows[0].name``."""
    equals: str | int | float | bool | None = None
    """The value that should be there. Without it, the place only has to exist."""


Patterns: TypeAlias = Annotated[
    tuple[Annotated[Text, AfterValidator(_pattern)], ...], Field(min_length=1), BeforeValidator(one_or_more)
]

Cell: TypeAlias = str | int | float | bool


class Table(Written):
    """Rows that a table of the answer should have. Short form: the rows themselves."""

    rows: Annotated[tuple[Annotated[tuple[Cell, ...], Field(min_length=1)], ...], Field(min_length=1)]
    """The rows, as lists of cells. Their order does not matter."""
    more: bool = False
    """Whether the table may have other rows too."""


class LlmJudge(Written):
    """A rubric for a judging language model. Short form: the rubric itself."""

    rubric: Text
    """What the judge looks for in the answer."""
    at_least: Share = 0.7
    """The part of the judge's scale from which the expectation is met."""


class Similar(Written):
    """A text whose words the answer should share. Short form: the text itself."""

    text: Text
    """The text to compare with."""
    at_least: Share = 0.6
    """The least overlap of words, from 0 (none in common) to 1 (the same words)."""


class Sources(Written):
    """Documents that retrieval should find. Short form: one or several names."""

    documents: Texts
    """Documents by title, file name or id. Case does not matter."""
    within: Annotated[int, Field(ge=1)] | None = None
    """How many of the best chunks count; all of them by default."""


class Custom(Written):
    """An expectation kind of a plug-in."""

    kind: Label
    """Name of an expectation kind that a plug-in adds."""
    value: Any = None
    """The value that the kind takes."""


class Expectation(Written):
    """One thing that makes an answer right. Exactly one of the kinds is set."""

    contains: Text | None = None
    """Text that the answer has. Case and white space do not matter."""
    not_contains: Text | None = None
    """Text that the answer must not have."""
    one_of: Texts | None = None
    """Texts of which the answer has at least one."""
    matches: Annotated[Text, AfterValidator(_pattern)] | None = None
    """A regular expression that finds something in the answer. ``^`` and ``$`` match at line ends."""
    regex_all: Patterns | None = None
    """Several regular expressions, each of which finds something in the answer, by the rules of ``matches``."""
    equals: Text | int | float | bool | None = None
    """The whole answer. Case, white space, emphasis and a full stop at the end do not matter."""
    similar: Annotated[Similar, _under("text", str)] | None = None
    """A text that the answer shares enough words with, in any order."""
    not_refused: Literal[True] | None = None
    """``true``: the answer does not decline to answer."""
    number: Annotated[Number, _under("value", int, float)] | None = None
    """A number that the answer states, in digits of any locale or in words."""
    json_path: Annotated[JsonPath, _under("path", str)] | None = None
    """A place in an answer that is JSON, bare or in a code block."""
    json_schema: Annotated[dict[str, Any], AfterValidator(_schema)] | None = None
    """A JSON Schema (2020-12) for an answer that is JSON, bare or in a code block."""
    table: Annotated[Table, _under("rows", tuple, list)] | None = None
    """A table that the answer has, as HTML, Markdown or JSON."""
    tools_called: Texts | None = None
    """Tools that the agent called at least once."""
    tools_not_called: Texts | None = None
    """Tools that the agent did not call."""
    sources: Annotated[Sources, _under("documents", str, tuple, list)] | None = None
    """Documents that retrieval found for the answer. Not checked where the trial searched no knowledge."""
    phases_at_most: Annotated[int, Field(ge=0)] | None = None
    """The largest number of phases that were executed. Not checked where the profile type plans none."""
    max_s: Annotated[float, Field(gt=0)] | None = None
    """The longest time to the answer (``latency_s``), in seconds."""
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    """The most tokens of the turn, in and out, session naming excluded."""
    same_as: Text | None = None
    """The id of another query. Its answer on the same arm and repeat must state the same facts."""
    llm_judge: Annotated[LlmJudge, _under("rubric", str)] | None = None
    """A rubric for the experiment's judge. Not checked where the experiment has no judge."""
    custom: Custom | None = None
    """An expectation kind of a plug-in."""
    any: Annotated[tuple[Expectation, ...], Field(min_length=1)] | None = None
    """Several expectations of which at least one must hold."""
    all: Annotated[tuple[Expectation, ...], Field(min_length=1)] | None = None
    """Several expectations that must all hold."""
    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Weight of this expectation among those of the query."""
    turn: Annotated[int, Field(ge=1)] | None = None
    """The turn of a conversation that it is about, from 1; by default the last."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = self.model_fields_set - _BESIDE
        if len(said) != 1 or getattr(self, next(iter(said))) is None:
            kinds = ", ".join(name for name in type(self).model_fields if name not in _BESIDE)
            raise wrong(((), f"should have one of {kinds}; begin each with its own dash"))
        if findings := [*self._misplaced(), *self._too_deep()]:
            raise wrong(*findings)
        return self

    def _misplaced(self) -> Iterator[Complaint]:
        for step, part in self._parts():
            for name in sorted(part.model_fields_set & _BESIDE):
                yield (*step, name), f"belongs beside {self.kind}, not inside it"

    def _too_deep(self) -> Iterator[Complaint]:
        if self.depth > MOST_NESTED:
            yield (), f"is nested more than {MOST_NESTED} levels deep"

    def _parts(self) -> Iterator[tuple[Steps, Expectation]]:
        for name, parts in (("any", self.any), ("all", self.all)):
            for index, part in enumerate(parts or ()):
                yield (name, index), part

    @property
    def depth(self) -> int:
        """Levels of ``any`` and ``all``, this one included."""
        return 1 + max((part.depth for _, part in self._parts()), default=0)

    @property
    def kind(self) -> str:
        """The kind that is set; a custom one by its own name."""
        return self.custom.kind if self.custom is not None else self._set()

    @property
    def value(self) -> Any:
        """The expected value, as the kind's judgement takes it."""
        return self.custom.value if self.custom is not None else getattr(self, self._set())

    @property
    def said(self) -> str:
        """The expected value as it is written in the corpus: a text unchanged, anything else as JSON."""
        said = _shortened(self.model_dump(mode="json", exclude_unset=True)[self._set()])
        return said if isinstance(said, str) else orjson.dumps(said).decode()

    def named(self) -> Iterator[tuple[Steps, str, Any]]:
        """Yield this expectation and its parts: the steps to it, its kind and its value."""
        yield (), self.kind, self.value
        for steps, part in self._parts():
            yield from ((steps + below, kind, value) for below, kind, value in part.named())

    def _set(self) -> str:
        (name,) = self.model_fields_set - _BESIDE
        return name


_BESIDE = frozenset({"weight", "turn"})


def _shortened(said: Any) -> Any:
    """Write whole numbers without a fraction, as most people write them."""
    match said:
        case float() if said.is_integer():
            return int(said)
        case dict():
            return {key: _shortened(value) for key, value in said.items()}
        case list():
            return [_shortened(value) for value in said]
    return said
