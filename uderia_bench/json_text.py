"""JSON as servers and people really write it: strict JSON first, then what Python writes and accepts.

Python's ``json`` writes NaN, Infinity and halves of surrogate pairs, and some programs put a
byte-order mark before the text. A task with one of them was answered and paid for, so it is read.
What JSON has no value for becomes None, and a note says what was changed.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

_MARK = "\ufeff"
_DEEPEST = 200  # levels that are read: orjson reads 1,024 and writes 254, and Python's own functions fail below 1,000
_LARGEST_DEPTH = 100_000  # levels: looking for their ends takes 0.2 s
_MOST_BRACKETS = 200_000  # that open in a text with too many levels, so that it is read in a second
# A text without an end reaches to the end of the body. Looking for an end from each of its quotes would take hours.
_NESTING = re.compile(r'"(?:[^"\\]|\\.?)*+"?|[\[{]|[\]}]', re.DOTALL)
_LONGEST_INT = 18  # digits: more of them become a float, as orjson reads them


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A decoded value, and what was not strict JSON in its text."""

    value: Any
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Changes:
    """What is changed while one text is read."""

    notes: dict[str, None] = field(default_factory=dict)

    def constant(self, name: str) -> None:
        self.notes[f"{name} was read as missing"] = None

    def number(self, text: str) -> float | None:
        value = float(text)
        if abs(value) == float("inf"):
            self.notes["a number too large was read as missing"] = None
            return None
        return value

    def integer(self, text: str) -> int | float | None:
        return int(text) if len(text) <= _LONGEST_INT else self.number(text)

    def whole(self, text: str) -> str:
        """Return text without halves of surrogate pairs."""
        if text.isascii() or text.isprintable():
            return text
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if "\ufffd" in joined and "\ufffd" not in text:
            self.notes["half a surrogate pair was replaced"] = None
        return joined

    def tree(self, value: Any) -> Any:
        """Return a decoded value with ``whole`` applied to every string in it."""
        if isinstance(value, str):
            return self.whole(value)
        if isinstance(value, list):
            return [self.tree(each) for each in value]
        if isinstance(value, dict):
            return {self.whole(key): self.tree(each) for key, each in value.items()}
        return value


def parse_json(body: bytes | str) -> Parsed:
    """Decode JSON text; raises ``ValueError`` where it is not JSON even in Python's sense.

    What is nested deeper than ``_DEEPEST`` levels is missing, so that functions that call themselves for each level work.
    """
    changes = _Changes()
    try:
        value = orjson.loads(body)
        if not _is_deep(value, body):
            return Parsed(value=value)
    except orjson.JSONDecodeError:
        pass
    text = _without_depths(_text(body, changes) if isinstance(body, bytes) else body, changes)
    if text.startswith(_MARK):
        text = text.removeprefix(_MARK)
        changes.notes["a byte-order mark was left out"] = None
    reader = json.JSONDecoder(
        strict=False, parse_constant=changes.constant, parse_float=changes.number, parse_int=changes.integer
    )
    try:
        value = changes.tree(reader.decode(text))
    except RecursionError as error:  # brackets without their ends
        raise ValueError("nested too deeply") from error
    return Parsed(value=value, notes=tuple(changes.notes) or ("control characters in its strings",))


def repeated_keys(body: str) -> tuple[str, ...]:
    """Return the keys that an object in a JSON text has twice; ``parse_json`` keeps the last value of each."""
    found: dict[str, None] = {}

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(unique := dict(pairs)) < len(pairs):
            names = [name for name, _ in pairs]
            found.update((name, None) for name in unique if names.count(name) > 1)
        return unique

    with suppress(ValueError, RecursionError):  # not JSON, or too deep: parse_json says which
        json.JSONDecoder(strict=False, object_pairs_hook=read).decode(body)
    return tuple(found)


def _is_deep(value: Any, body: bytes | str) -> bool:
    """Whether a value is nested more deeply than orjson writes."""
    opened = (b"[", b"{") if isinstance(body, bytes) else ("[", "{")
    if sum(map(body.count, opened)) <= _DEEPEST:  # type: ignore[arg-type]  # of the body's own type
        return False
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


def _without_depths(text: str, changes: _Changes) -> str:
    """Return a text with ``null`` for each list and object that is nested too deeply."""
    kept: list[str] = []
    level = begin = 0
    for found in _NESTING.finditer(text):
        if found[0] in "[{":
            level += 1
            if level == _DEEPEST + 1:
                kept.append(text[begin : found.start()])
                if len(kept) == 1 and text.count("[") + text.count("{") > _MOST_BRACKETS:
                    raise ValueError("nested too deeply")
            elif level > _LARGEST_DEPTH:
                return text
        elif found[0] in "]}":
            if level == _DEEPEST + 1:
                kept.append("null")
                begin = found.end()
            level -= 1
    if kept:
        changes.notes[f"what is nested deeper than {_DEEPEST} levels was read as missing"] = None
    return "".join([*kept, text[begin:]]) if level <= _DEEPEST else text


def _text(body: bytes, changes: _Changes) -> str:
    encoding = json.detect_encoding(body).removesuffix("-sig")  # with the mark left in
    try:
        return body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        changes.notes["bytes that are not UTF-8 were replaced"] = None
        return body.decode(encoding, "replace")
