"""Validation of a document against a pydantic model, with every mistake in plain words, with file, line and path.

pydantic finds the mistakes. Its wording is for programmers, so each kind of error is reworded for the writer of a YAML
file. A mistake that one model cannot see, such as a contrast of an unknown arm, is found by a *check*: a function of the
raw values. Checks run even if the model does not validate, so that all mistakes are reported together.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from uderia_bench.documents.yaml.document import Document, Steps
from uderia_bench.errors import DocumentError

Complaint = tuple[Steps, str]
"""A mistake: where it is, and what to do about it."""

Rule = Callable[[Any], Iterable[Complaint]]
"""A function from raw values of any shape to mistakes."""

_LONGEST_ECHO = 40  # characters of a wrong value that a message repeats


class Written(BaseModel):
    """Base of the models of documents: immutable, without unknown keys, with strict types ("3" is not 3)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


_Model = TypeVar("_Model", bound=Written)


def wrong(*findings: Complaint) -> PydanticCustomError:
    """Make the error that a validator raises, with messages at steps below the validated value."""
    return PydanticCustomError("wrong", "{findings}", {"findings": findings})


def validate(model: type[_Model], document: Document, *checks: Rule) -> _Model:
    """Return the document as ``model``. Raises ``DocumentError`` with the mistakes of YAML, model and checks, by line."""
    findings: list[Complaint] = []
    validated: _Model | None = None
    try:
        validated = model.model_validate(document.data)
    except ValidationError as error:
        findings.extend(_findings(error, model, document))
    for check in checks:
        findings.extend(check(document.data))
    mistakes = [*document.mistakes, *(document.mistake(*finding) for finding in findings)]
    if validated is None or mistakes:
        raise DocumentError(tuple(sorted(mistakes, key=lambda mistake: mistake.line or 0)))
    return validated


def entries(data: Any, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the mappings in the list at ``key`` with their indices, for checks. Other values are skipped."""
    listed = data.get(key) if isinstance(data, dict) else None
    for index, entry in enumerate(listed if isinstance(listed, tuple) else ()):
        if isinstance(entry, dict):
            yield index, entry


def suggestion(word: str, known: Iterable[str]) -> str:
    """Name the nearest known word as ``; did you mean X?``, or else all of them."""
    words = tuple(dict.fromkeys(known))
    by_lower = {candidate.lower(): candidate for candidate in words}
    if near := difflib.get_close_matches(word.lower(), by_lower, n=1):
        return f"; did you mean {by_lower[near[0]]}?"
    return f"; known: {', '.join(words)}" if words else ""


def _findings(error: ValidationError, model: type[Written], document: Document) -> Iterator[Complaint]:
    for detail in error.errors(include_url=False):
        steps = _written_at(detail["loc"], document.data)
        match detail["type"]:
            case "default_factory_not_called":  # a consequence of another error in the list
                continue
            case "too_short" if detail["input"]:  # the same: its entries were refused
                continue
            case "wrong":
                yield from ((steps + below, message) for below, message in detail["ctx"]["findings"])
            case "extra_forbidden":
                yield steps, _unknown_key(model, steps)
            case _:
                yield steps, _in_plain_words(detail)


def _written_at(loc: Steps, data: Any) -> Steps:
    """Remove pydantic's own names from a location: those of the branches of a union, and ``[key]``."""
    steps: list[str | int] = []
    for position, step in enumerate(loc):
        is_last = position + 1 == len(loc)
        if step in (data if isinstance(data, dict) else range(len(data)) if isinstance(data, tuple) else ()):
            data = data[step]
            steps.append(step)
        elif isinstance(data, dict) and is_last and step != "[key]":
            steps.append(step)  # what is missing
    return tuple(steps)


def _unknown_key(model: type[Written], steps: Steps) -> str:
    key = str(steps[-1])
    models = {model}
    for step in steps[:-1]:  # list indices and the keys of free mappings lead to no other model
        found = {
            nested
            for known in models
            if step in known.model_fields
            for nested in _models(known.model_fields[str(step)].annotation)
        }
        models = found or models
    return f"unknown key{suggestion(key, dict.fromkeys(name for known in models for name in _keys(known)))}"


def _keys(model: type[Written]) -> list[str]:
    """Return the keys of a model as they are written: a field with an alias has a keyword of Python as its key."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[Written]]:
    if isinstance(annotation, type) and issubclass(annotation, Written):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


_PLAIN_WORDS = {  # pydantic's error types; {…} is filled from the error's context
    "bool_type": "should be true or false",
    "dict_type": "should be a mapping (key: value)",
    "finite_number": "must be a finite number",
    "float_type": "should be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": "should be a whole number",
    "int_type": "should be a whole number",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "should be {expected}",
    "model_type": "should be a mapping (key: value)",
    "string_type": "should be text",
    "tuple_type": "should be a list",
}
_WITHOUT_ECHO = {"missing": "is missing", "string_too_short": "must not be empty", "too_short": "must not be empty"}


def _in_plain_words(detail: ErrorDetails) -> str:
    kind, found, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in _WITHOUT_ECHO:
        return _WITHOUT_ECHO[kind]
    words = _PLAIN_WORDS[kind].format(**context).replace("'", "") if kind in _PLAIN_WORDS else detail["msg"]
    hint = "; put it in quotes" if kind == "string_type" and isinstance(found, bool | int | float) else ""
    return f"{words}, not {echo(found)}{hint}"


def echo(value: Any) -> str:
    """Repeat a written value, short enough for one line."""
    match value:
        case None:
            return "empty"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case tuple() | list():
            return "a list"
    text = repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}…"
