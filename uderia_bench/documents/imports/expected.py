"""Expectations of a corpus from what other files expect: plain answers, assertions of promptfoo, targets of Inspect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from uderia_bench.documents.expectation import Expectation
from uderia_bench.documents.yaml.checking import validate
from uderia_bench.documents.yaml.document import Document, frozen
from uderia_bench.documents.yaml.reading import read_text
from uderia_bench.errors import DocumentError, Mistake

Expected: TypeAlias = dict[str, Any]
"""One expectation as a corpus writes it."""

KINDS = frozenset(Expectation.model_fields) - {"any", "all", "custom", "weight", "turn"}
"""Kinds of expectations that a column can be named after."""

MOST_WORDS = 8
"""The longest answer that another one repeats word for word. A longer one is compared by its words (``similar``)."""

_TEXTS = frozenset({"contains", "not_contains", "matches", "equals", "same_as", "llm_judge", "similar"})
_LISTS = frozenset({"one_of", "regex_all", "tools_called", "tools_not_called", "sources"})
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
_IN_A_CELL = re.compile(r"(?P<type>(?:not-)?[a-z][a-z-]*)(?:\((?P<threshold>[0-9.]+)\))?\s*:\s*(?P<value>.*)", re.DOTALL)
_LISTS_OF_PROMPTFOO = ("contains-any", "contains-all", "icontains-any", "icontains-all")


class NotUnderstood(Exception):
    """What is expected cannot be said in a corpus; the message says what it is."""


def checked(said: Expected) -> Expected:
    """Return an expectation that a corpus accepts. Raises ``NotUnderstood`` for another."""
    try:
        validate(Expectation, Document.of(said, file=""))
    except DocumentError as error:
        raise NotUnderstood(_words(error.mistakes)) from None
    return said


def of_kind(kind: str, value: Any) -> Expected:
    """Return the expectation of a column that is named after its kind. Lists in a cell are separated by semicolons."""
    if isinstance(value, str) and kind in _LISTS:
        value = [part.strip() for part in value.split(";") if part.strip()]
    elif isinstance(value, str) and kind not in _TEXTS:
        value = _parsed(value)
    return checked({kind: value})


def of_entries(value: Any) -> list[Expected]:
    """Return the expectations that are written as in a corpus, as values or as text in YAML or JSON."""
    found = _parsed(value) if isinstance(value, str) else frozen(value)
    if isinstance(found, dict):
        found = (found,)
    if not isinstance(found, tuple) or not all(isinstance(each, dict) for each in found):
        return [of_answer(value)]
    return [checked(each) for each in found]


def of_answer(value: Any) -> Expected:
    """Return the expectation of a plain answer: a number, a short text, a long text, or one of several."""
    if isinstance(value, list | tuple):
        return checked({"one_of": [str(each) for each in value]}) if len(value) != 1 else of_answer(value[0])
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value.strip())
    if isinstance(value, bool):
        return checked({"equals": value})
    if isinstance(value, int | float):
        return checked({"number": value})
    if not isinstance(value, str):
        raise NotUnderstood("should be a text, a number or a list of them")
    return checked({"contains" if len(value.split()) <= MOST_WORDS else "similar": value.strip()})


def of_choices(choices: Iterable[Any], target: Any) -> list[Expected]:
    """Return the expectations of a multiple-choice question of Inspect: the texts of the right choices."""
    texts = [str(each) for each in choices]
    letters = "".join(map(str, target)) if isinstance(target, list | tuple) else str(target)
    places = [ord(letter) - ord("A") for letter in letters.replace(",", "").replace(" ", "").upper()]
    if not places or not all(0 <= place < len(texts) for place in places):
        raise NotUnderstood("names no choice by its letter")
    return [checked({"contains": texts[place]}) for place in places]


def of_cell(said: Any) -> list[Expected]:
    """Return the expectations of a cell ``__expected`` of promptfoo, such as ``contains: Paris``."""
    found = _IN_A_CELL.fullmatch(said.strip()) if isinstance(said, str) else None
    name = found["type"] if found else ""
    if found is None or name.removeprefix("not-") not in {*ASSERTIONS, "grade", "javascript", "fn", "eval", "python"}:
        return [of_answer(said)]
    value: Any = found["value"]
    if name.removeprefix("not-") in _LISTS_OF_PROMPTFOO:
        value = [part.strip() for part in value.split(",")]
    try:
        threshold = None if found["threshold"] is None else float(found["threshold"])
    except ValueError:
        raise NotUnderstood(f"the threshold {found['threshold']} is not a number") from None
    return of_assertion({"type": "llm-rubric" if name == "grade" else name, "value": value, "threshold": threshold})


def of_assertion(said: Mapping[str, Any]) -> list[Expected]:
    """Return the expectations of an entry of ``assert`` of promptfoo. Raises ``NotUnderstood`` for a type without one."""
    name, value, threshold = str(said.get("type")), said.get("value"), said.get("threshold")
    make = ASSERTIONS.get(name)
    if make is None:
        raise NotUnderstood(f"the type {name} has no counterpart in a corpus")
    try:
        found = make(value, threshold)
    except (TypeError, ValueError, OverflowError):
        raise NotUnderstood(f"the value of {name} cannot be read") from None
    beside = {} if said.get("weight") in (None, 1) else {"weight": said["weight"]}
    return [checked({**each, **beside}) for each in found]


def _parsed(text: str) -> Any:
    try:
        document = read_text(text, file="")
    except DocumentError as error:
        raise NotUnderstood(_words(error.mistakes)) from None
    if document.mistakes:
        raise NotUnderstood(_words(document.mistakes))
    return document.data


def _words(mistakes: Iterable[Mistake]) -> str:
    return "; ".join(f"{each.path or ''} {each.message}".strip() for each in mistakes)


def _each(kind: str) -> Callable[[Any, Any], list[Expected]]:
    """Return a maker of one expectation for each text of a list."""
    return lambda value, _: [{kind: str(each)} for each in ([value] if isinstance(value, str) else value)]


def _of_json(value: Any, _: Any) -> list[Expected]:
    return [{"json_schema": {} if value in (None, "") else _parsed(value) if isinstance(value, str) else value}]


def _similar(value: Any, threshold: Any) -> list[Expected]:
    if threshold is not None:
        raise NotUnderstood("similar has a threshold for embeddings, and a corpus compares words")
    return [{"similar": str(value)}]


def _rubric(value: Any, least: Any) -> list[Expected]:
    return [{"llm_judge": str(value) if least is None else {"rubric": str(value), "at_least": least}}]


_CONTAINS = _each("contains")
_NOT_CONTAINS = _each("not_contains")
ASSERTIONS: dict[str, Callable[[Any, Any], list[Expected]]] = {
    "equals": lambda value, _: [{"equals": value}],
    "contains": _CONTAINS,
    "icontains": _CONTAINS,
    "contains-all": _CONTAINS,
    "icontains-all": _CONTAINS,
    "contains-any": lambda value, _: [{"one_of": [str(each) for each in value]}],
    "icontains-any": lambda value, _: [{"one_of": [str(each) for each in value]}],
    "not-contains": _NOT_CONTAINS,
    "not-icontains": _NOT_CONTAINS,
    "not-contains-any": _NOT_CONTAINS,
    "not-icontains-any": _NOT_CONTAINS,
    "starts-with": lambda value, _: [{"matches": rf"\A\s*{re.escape(str(value))}"}],
    "regex": lambda value, _: [{"matches": str(value)}],
    "is-json": _of_json,
    "contains-json": _of_json,
    "similar": _similar,
    "llm-rubric": _rubric,
    "model-graded-closedqa": _rubric,
    "factuality": _rubric,
    "latency": lambda _, milliseconds: [{"max_s": milliseconds / 1000}],
    "not-is-refusal": lambda *_: [{"not_refused": True}],
}
"""Types of promptfoo's assertions with a counterpart. Texts of a corpus ignore case, so both forms of ``contains`` are one."""
