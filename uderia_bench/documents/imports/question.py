"""A question of another file, how to read that file, and what of it is not understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from uderia_bench.errors import Mistake

MOST_QUERIES = 10_000
"""The most different questions of one import. Draw a sample from a longer log first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question or conversation; ``place`` is where it was read, the rest only if the source has it."""

    turns: tuple[str, ...]
    place: Mistake | None = None
    id: str | None = None
    complexity: str | None = None
    tags: tuple[str, ...] = ()
    expect: tuple[Mapping[str, Any], ...] = ()
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to read the files. ``column`` has the question; those in ``ignore`` are left out without a message."""

    column: str | None = None
    delimiter: str | None = None
    ignore: frozenset[str] = frozenset()
    whole: bool = False
    """Keep each session as one conversation."""


@dataclass(slots=True)
class Unread:
    """What is not understood: each message once for a file and a field, with its first line."""

    _counts: dict[Mistake, int] = field(default_factory=dict)
    _first: dict[Mistake, Mistake] = field(default_factory=dict)

    def note(self, place: Mistake, path: str | None, message: str) -> None:
        """Note what is not understood of a place, such as the value of a column."""
        found = replace(place, path=": ".join(filter(None, (place.path, path))) or None, message=message)
        kind = replace(found, line=None, path=path)
        self._first.setdefault(kind, found)
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def all(self) -> tuple[Mistake, ...]:
        """Return each message, with the number of lines that it is about where they are several."""
        return tuple(
            found if (count := self._counts[kind]) == 1 else replace(found, message=f"{found.message} ({count:,} times)")
            for kind, found in self._first.items()
        )


def as_label(text: str) -> str:
    """Remove the characters that an id or a tag cannot have (``documents.yaml.texts.Label``)."""
    return "".join(character for character in text if character.isprintable() and character not in "[]").strip()
