"""JSON as servers and people really write it: strict JSON first, then what Python writes and accepts.

Python's ``json`` writes NaN, Infinity and halves of surrogate pairs, and some programs put a
byte-order mark before the text. A task with one of them was answered and paid for, so it is read.
What JSON has no value for becomes None, and a note says what was changed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

_MARK = "\ufeff"
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
    """Decode JSON text; raises ``ValueError`` where it is not JSON even in Python's sense."""
    try:
        return Parsed(value=orjson.loads(body))
    except orjson.JSONDecodeError:
        changes = _Changes()
    text = _text(body, changes) if isinstance(body, bytes) else body
    if text.startswith(_MARK):
        text = text.removeprefix(_MARK)
        changes.notes["a byte-order mark was left out"] = None
    reader = json.JSONDecoder(
        strict=False, parse_constant=changes.constant, parse_float=changes.number, parse_int=changes.integer
    )
    try:
        value = changes.tree(reader.decode(text))
    except RecursionError as error:
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


def _text(body: bytes, changes: _Changes) -> str:
    encoding = json.detect_encoding(body).removesuffix("-sig")  # with the mark left in
    try:
        return body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        changes.notes["bytes that are not UTF-8 were replaced"] = None
        return body.decode(encoding, "replace")
