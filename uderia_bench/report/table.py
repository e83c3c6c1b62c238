"""A table as a value: columns, cells with footnotes, and remarks.

The formats lay it out and escape its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias

from uderia_bench.report.content import Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One entry of a table: its text from the fullest form to the shortest, its footnotes and its tone."""

    forms: tuple[str, ...]
    notes: tuple[str, ...] = ()
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading. Numbers are aligned to the right.

    Where room is short, a column that ``wraps`` breaks its text over lines, and a heading that
    ``is_name`` is cut. The cells of one ``group`` of columns change to shorter forms together.
    Other cells keep the fullest form that fits their column. On a terminal a column of sentences is
    shown ``below`` its row, over the whole width. It is shown whole where it ``wraps``, otherwise
    its beginning.
    """

    title: str
    right: bool = True
    wraps: bool = False
    is_name: bool = False
    below: bool = False
    group: str = ""


Heading: TypeAlias = Column | str
"""A column, or the heading of a column of numbers."""

Entry: TypeAlias = Cell | str
"""A cell, or the text of a cell without footnotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with the remarks that must be read with it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, title: str, columns: Iterable[Heading], rows: Iterable[Iterable[Entry]], *remarks: str) -> Self:
        """Make a table from short forms of columns and cells."""
        return cls(
            title=title,
            columns=tuple(Column(title=each) if isinstance(each, str) else each for each in columns),
            rows=tuple(tuple(Cell(forms=(each,)) if isinstance(each, str) else each for each in row) for row in rows),
            remarks=remarks,
        )

    @classmethod
    def unless_empty(
        cls, title: str, columns: Iterable[Heading], rows: Iterable[Iterable[Entry]], *remarks: str | None
    ) -> Self | None:
        """Make a table, None without rows. A footnote that every row has becomes a remark."""
        table = cls.of(title, columns, rows, *filter(None, remarks))
        if not table.rows:
            return None
        noted = [{note for cell in row for note in cell.notes} for row in table.rows]
        common = set.intersection(*noted) if len(noted) > 1 else set()
        shared = dict.fromkeys(note for cell in table.rows[0] for note in cell.notes if note in common)
        own = (
            tuple(replace(cell, notes=tuple(n for n in cell.notes if n not in common)) for cell in row) for row in table.rows
        )
        return replace(table, rows=tuple(own), remarks=(*shared, *table.remarks))


@dataclass(slots=True)
class Footnotes:
    """Numbers for footnotes in order of appearance. The same note has the same number."""

    numbers: dict[str, int] = field(default_factory=dict)

    def marks(self, notes: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers of a cell's notes."""
        return tuple(self.numbers.setdefault(note, len(self.numbers) + 1) for note in notes)


def left(title: str, *, wraps: bool = False, below: bool = False) -> Column:
    """Return a column of text."""
    return Column(title=title, right=False, wraps=wraps, below=below)
