"""A table as lines of a fixed width.

Cells take shorter forms first, then texts wrap, then names are cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.cells import cell_len, chop_cells, set_cell_size

from uderia_bench.printable import plain
from uderia_bench.report.content import Tone
from uderia_bench.report.table import Column, Footnotes, Table

_GAP = 2
_BELOW = "  "  # indent of a sentence below its row
_EXAMPLE_LINES = 2  # of an example: the trial and enough to recognise the issue
_LEAST = 4  # columns: the narrowest readable column
_COMMAND = re.compile(r"'uderia-bench [^']*'|`uderia-bench [^`]*`|(?<=: )uderia-bench [a-z].*")
_WORD = re.compile(rf"(\s*)((?:{_COMMAND.pattern}|\S)+)")
_IS_COMMAND = re.compile(r"\W*uderia-bench [a-z]")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Paint = Callable[[str, Tone], str]


def superscript(numbers: Sequence[int]) -> str:
    """Return footnote marks such as ``¹`` or ``¹ ²``."""
    return " ".join(str(number).translate(_SUPERSCRIPT) for number in numbers)


def cut(text: str, width: int) -> str:
    """Return the text in at most ``width`` terminal columns, an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…" if width > 0 else ""


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Break a paragraph into lines of at most ``width`` columns, with control characters written out.

    A command stays on one line, so that it can be copied, also where that line is wider.
    """
    lines, line, indent = [], "", first
    room = max(width - max(cell_len(first), cell_len(rest)), _LEAST)
    for found in _WORD.finditer(plain(text)):
        gap, whole = found.groups()
        for word in [whole] if _IS_COMMAND.match(whole) else chop_cells(whole, room):
            longer = f"{line}{gap}{word}"
            if line and cell_len(indent + longer) > width:
                lines.append(indent + line)
                longer, indent = word, rest
            line, gap = longer, ""
    return [*lines, (indent + line).rstrip()]


def lay_out(table: Table, width: int, paint: Paint | None = None) -> list[str]:
    """Return the table's lines, none wider than ``width``: headings, rows, footnotes, remarks."""
    notes = Footnotes()
    grid, sentences = _split(table)
    marks = [[notes.marks(cell.notes) for cell in row] for row in grid.rows]
    texts, widths = _fitted(grid, marks, width)
    lines = [_line([plain(column.title) for column in grid.columns], grid.columns, widths)]
    for row, of_row, below in zip(grid.rows, texts, sentences, strict=True):
        lines += _row(of_row, [cell.tone for cell in row], grid.columns, widths, paint)
        for text, wraps in below:
            lines += _paragraph(text, width, most=None if wraps else _EXAMPLE_LINES)
    for note, number in notes.numbers.items():
        lines += wrapped(note, width, first=f"  {superscript([number])} ", rest="    ")
    for remark in table.remarks:
        lines += wrapped(remark, width, first="  ", rest="  ")
    return lines


def _paragraph(text: str, width: int, *, most: int | None) -> list[str]:
    """Break a sentence below its row into lines.

    The last of ``most`` lines ends in an ellipsis if text is left.
    """
    lines = wrapped(text, width, first=_BELOW, rest=_BELOW)
    if most is None or len(lines) <= most:
        return lines
    return [*lines[: most - 1], cut(f"{lines[most - 1]} {lines[most].lstrip()}", width)]


def _split(table: Table) -> tuple[Table, list[list[tuple[str, bool]]]]:
    """Separate the columns side by side from the sentences below each row, with whether these wrap."""
    beside = [at for at, column in enumerate(table.columns) if not column.below]
    below = [at for at, column in enumerate(table.columns) if column.below]
    rows = tuple(tuple(row[at] for at in beside) for row in table.rows)
    sentences = [[(row[at].forms[0], table.columns[at].wraps) for at in below if row[at].forms[0]] for row in table.rows]
    return replace(table, columns=tuple(table.columns[at] for at in beside), rows=rows), sentences


def _fitted(table: Table, marks: list[list[tuple[int, ...]]], width: int) -> tuple[list[list[str]], list[int]]:
    """Choose a form for each column, no shorter than necessary, and narrow columns that still do not fit."""
    columns = table.columns
    room = width - _GAP * (len(columns) - 1)
    wordings = [_wordings(table, marks, at) for at in range(len(columns))]
    groups = [column.group or str(at) for at, column in enumerate(columns)]
    levels = dict.fromkeys(groups, 0)

    def needs(of: dict[str, int]) -> list[int]:
        chosen = zip(columns, wordings, groups, strict=True)
        return [_needed(column, forms[min(of[group], len(forms) - 1)]) for column, forms, group in chosen]

    while (total := sum(needs(levels))) > room:
        shorter = {group: levels | {group: levels[group] + 1} for group in levels}
        totals = {group: sum(needs(shorter[group])) for group in levels}
        enough = [group for group in levels if totals[group] <= room]
        best = max(enough, key=totals.__getitem__) if enough else min(totals, key=totals.__getitem__)
        if totals[best] >= total:
            break
        levels = shorter[best]
    widths = _squeezed(columns, needs(levels), room)
    texts = []
    for at, (column, forms, group) in enumerate(zip(columns, wordings, groups, strict=True)):
        chosen = forms[min(levels[group], len(forms) - 1)]
        if not column.group:
            allowed = widths[at] + max(0, room - sum(widths))
            chosen = [next((form for form in cell if cell_len(form) <= allowed), cell[-1]) for cell in zip(*forms, strict=True)]
            widths[at] = max(widths[at], min(_needed(column, chosen), allowed))
        texts.append(chosen)
    return [list(row) for row in zip(*texts, strict=True)], widths


def _wordings(table: Table, marks: list[list[tuple[int, ...]]], at: int) -> list[list[str]]:
    """Return one column's texts, from the fullest form to the shortest."""
    cells = [row[at] for row in table.rows]
    depth = max((len(cell.forms) for cell in cells), default=1)
    levels = [[plain(cell.forms[min(level, len(cell.forms) - 1)]) for cell in cells] for level in range(depth)]
    return [[_with_marks(text, of_row[at]) for text, of_row in zip(texts, marks, strict=True)] for texts in levels]


def _needed(column: Column, texts: list[str]) -> int:
    """Return the width a column needs.

    A heading that is a name may be cut, other headings may not.
    """
    body = max(map(cell_len, texts), default=0)
    return max(body, _LEAST) if column.is_name else max(body, cell_len(column.title))


def _with_marks(text: str, numbers: tuple[int, ...]) -> str:
    return f"{text} {superscript(numbers)}" if numbers else text


def _squeezed(columns: Sequence[Column], needed: list[int], room: int) -> list[int]:
    """Narrow columns until they fit: first those that wrap, then names, then numbers."""
    fitted = list(needed)
    for at, column in enumerate(columns):
        wanted = max(fitted[at], cell_len(plain(column.title)))
        fitted[at] = min(wanted, fitted[at] + max(0, room - sum(fitted)))
    for chosen in (lambda c: c.wraps, lambda c: not c.right, lambda _: True):
        while sum(fitted) > room:
            candidates = [at for at, column in enumerate(columns) if chosen(column) and fitted[at] > _LEAST]
            if not candidates:
                break
            fitted[max(candidates, key=fitted.__getitem__)] -= 1
    return fitted


def _row(
    texts: list[str], tones: Sequence[Tone], columns: Sequence[Column], widths: list[int], paint: Paint | None
) -> list[str]:
    """Lay one row out.

    A cell that wraps continues on the next line, where the other columns are empty.
    """
    broken = [
        wrapped(text, w) if column.wraps else [cut(text, w)] for text, column, w in zip(texts, columns, widths, strict=True)
    ]
    height = max(len(lines) for lines in broken)
    return [
        _line([lines[at] if at < len(lines) else "" for lines in broken], columns, widths, tones=tones, paint=paint)
        for at in range(height)
    ]


def _line(
    texts: list[str],
    columns: Sequence[Column],
    widths: list[int],
    *,
    tones: Sequence[Tone] = (),
    paint: Paint | None = None,
) -> str:
    cells = []
    for at, (text, column, width) in enumerate(zip(texts, columns, widths, strict=True)):
        shown = cut(text, width)
        padding = " " * (width - cell_len(shown))
        coloured = paint(shown, tones[at]) if paint and tones else shown
        cells.append(padding + coloured if column.right else coloured + padding)
    return (" " * _GAP).join(cells).rstrip()
