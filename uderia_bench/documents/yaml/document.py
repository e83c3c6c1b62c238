"""A document as values: what it says, and where each part of it stands. It reads no file and judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from uderia_bench.errors import Mistake

Steps: TypeAlias = tuple[str | int, ...]
"""The way to a value inside a document: keys and list indices from 0, as in ``("queries", 3, "prompt")``."""


class Place(NamedTuple):
    """Where something was written: a file, or the option that set it (then ``line`` is None); lines count from 1."""

    file: str
    line: int | None

    def seen_from(self, file: str) -> str:
        """Name this place in a message that stands at ``file``: the line alone where it is the same file."""
        if self.line is None:
            return self.file
        return f"line {self.line}" if file == self.file else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A value that stands above the file's; ``origin`` is what its mistakes point at, as in ``--repeats 3``."""

    steps: Steps
    value: Any
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain values (``dict``, ``tuple``, ``str``, ``int``, ``float``, ``bool``, ``None``) with the place each was written at.

    ``mistakes`` are those of the writing itself (a key given twice, a tag): the values are still good enough to be checked, so
    ``checking.validate`` reports them together with its own.
    """

    file: str
    data: Any
    places: Mapping[Steps, Place]
    mistakes: tuple[Mistake, ...] = ()

    @classmethod
    def of(cls, data: Any, *, file: str) -> Document:
        """Wrap values that no file holds (a manifest's, a command's); ``file`` is what mistakes should name."""
        return cls(file=file, data=frozen(data), places={})

    def value(self, steps: Steps) -> Any:
        """Return what is said at ``steps``, None where nothing is."""
        found = self.data
        for step in steps:
            try:
                found = found[step]
            except (LookupError, TypeError):
                return None
        return found

    def place(self, steps: Steps) -> Place:
        """Where ``steps`` was written; for what is not there, the place of the nearest thing around it."""
        for end in range(len(steps), 0, -1):
            if (place := self.places.get(steps[:end])) is not None:
                return place
        return Place(self.file, None)

    def mistake(self, steps: Steps, message: str) -> Mistake:
        """Say what is wrong at ``steps``."""
        place = self.place(steps)
        return Mistake(file=place.file, line=place.line, path=dotted(steps) or None, message=message)

    def replaced(self, steps: Steps, value: Any, place: Place) -> Document:
        """Return a copy that says ``value`` at ``steps``, written at ``place``.

        A missing key is added, an index one past the end appends. Raises ``LookupError`` where there is no way to ``steps``;
        its argument is the part of the way that is there.
        """
        data = _replaced(self.data, (), steps, frozen(value))
        outside = {at: written for at, written in self.places.items() if at[: len(steps)] != steps}
        made = {steps[:end]: place for end in range(1, len(steps)) if self.value(steps[:end]) is None}
        return replace(self, data=data, places={**outside, **made, steps: place})

    def copied(self, source: Steps, target: Steps) -> Document:
        """Return a copy that says at ``target`` what it says at ``source``, each part still at the place it was written."""
        copy = self.replaced(target, self.value(source), self.place(source))
        parts = {target + at[len(source) :]: written for at, written in self.places.items() if at[: len(source)] == source}
        return replace(copy, places={**copy.places, **parts})


def dotted(steps: Steps) -> str:
    """Write a path as people read it: ``queries.3.prompt``."""
    return ".".join(str(step) for step in steps)


def steps_of(path: str) -> Steps:
    """Read a dotted path: ``queries.3.prompt``; what is digits is a list index."""
    return tuple(int(part) if part.isascii() and part.isdigit() else part for part in path.split("."))


def frozen(value: Any) -> Any:
    """Turn lists into tuples, all the way down."""
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return value


def _replaced(container: Any, walked: Steps, steps: Steps, value: Any) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if container is None and isinstance(step, str):
        container = {}
    if isinstance(container, dict) and isinstance(step, str):
        return {**container, step: _replaced(container.get(step), (*walked, step), rest, value)}
    if isinstance(container, tuple) and isinstance(step, int) and 0 <= step <= len(container):
        item = container[step] if step < len(container) else None
        return (*container[:step], _replaced(item, (*walked, step), rest, value), *container[step + 1 :])
    raise LookupError(walked)
