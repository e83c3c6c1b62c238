"""The values of a document, with the place where each was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from uderia_bench.errors import Mistake

Steps: TypeAlias = tuple[str | int, ...]
"""The path to a value inside a document: keys and list indices from 0, as in ``("queries", 3, "prompt")``."""


class Place(NamedTuple):
    """Where something was written: a file, or the option that set it (then ``line`` is None); lines count from 1."""

    file: str
    line: int | None

    def seen_from(self, file: str) -> str:
        """Name this place in a message about ``file``: only the line if it is the same file."""
        if self.line is None:
            return self.file
        return f"line {self.line}" if file == self.file else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A value that replaces the file's. Mistakes in it name its ``origin``, as in ``--repeats 3``."""

    steps: Steps
    value: Any
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain values (``dict``, ``tuple``, ``str``, ``int``, ``float``, ``bool``, ``None``) with the place each was written at.

    ``mistakes`` are those of the YAML (a key given twice, a tag). The values can still be checked, so
    ``checking.validate`` reports both together.
    """

    file: str
    data: Any
    places: Mapping[Steps, Place]
    mistakes: tuple[Mistake, ...] = ()

    @classmethod
    def of(cls, data: Any, *, file: str) -> Document:
        """Wrap values from elsewhere (a manifest, a command). Mistakes in them name ``file``."""
        return cls(file=file, data=frozen(data), places={})

    def value(self, steps: Steps) -> Any:
        """Return the value at ``steps``; None if there is none."""
        found = self.data
        for step in steps:
            try:
                found = found[step]
            except (LookupError, TypeError):
                return None
        return found

    def place(self, steps: Steps) -> Place:
        """Return where ``steps`` was written; for a missing value, the place of the nearest one around it."""
        for end in range(len(steps), 0, -1):
            if (place := self.places.get(steps[:end])) is not None:
                return place
        return Place(self.file, None)

    def mistake(self, steps: Steps, message: str) -> Mistake:
        """Make the mistake at ``steps``."""
        place = self.place(steps)
        return Mistake(file=place.file, line=place.line, path=dotted(steps) or None, message=message)

    def replaced(self, steps: Steps, value: Any, place: Place) -> Document:
        """Return a copy with ``value`` at ``steps``, written at ``place``.

        A missing key is added, and an index one past the end appends. Raises ``LookupError`` if ``steps`` cannot
        exist; its argument is the part of the path that exists.
        """
        data = _replaced(self.data, (), steps, frozen(value))
        outside = {at: written for at, written in self.places.items() if at[: len(steps)] != steps}
        made = {steps[:end]: place for end in range(1, len(steps)) if self.value(steps[:end]) is None}
        return replace(self, data=data, places={**outside, **made, steps: place})

    def copied(self, source: Steps, target: Steps) -> Document:
        """Return a copy with the value of ``source`` at ``target``. Each part keeps the place where it was written."""
        copy = self.replaced(target, self.value(source), self.place(source))
        parts = {target + at[len(source) :]: written for at, written in self.places.items() if at[: len(source)] == source}
        return replace(copy, places={**copy.places, **parts})


def dotted(steps: Steps) -> str:
    """Write a path as people read it: ``queries.3.prompt``."""
    return ".".join(str(step) for step in steps)


def steps_of(path: str) -> Steps:
    """Read a dotted path such as ``queries.3.prompt``. Digits are a list index."""
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
