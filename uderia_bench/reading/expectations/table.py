"""``table``: the answer has a table of these rows, in any order, as HTML, Markdown or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from uderia_bench.documents.expectation import Table
from uderia_bench.reading.expectations.amounts import amounts
from uderia_bench.reading.expectations.json_path import parsed
from uderia_bench.reading.expectations.kind import MOST_TEXT, Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.markup import tokens
from uderia_bench.reading.expectations.plain_text import folded

Row = tuple[str, ...]

_RULE = re.compile(r"\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?")


def _judge(answer: Answer, value: Table) -> Judged:
    wanted = {_row(cells) for cells in value.rows}
    tables = list(tables_in(answer))
    if not tables:
        return Judged(passed=False, found="no table in the answer")
    if any(rows == wanted or (value.more and wanted <= rows) for rows in tables):
        return Judged(passed=True, found=f"a table of {len(wanted)} rows")
    nearest = max(tables, key=lambda rows: len(rows & wanted))
    missing, extra = sorted(wanted - nearest), sorted(nearest - wanted)
    said = [f"missing {missing[0]}" if missing else "", f"not expected {extra[0]}" if extra and not value.more else ""]
    return Judged(passed=False, found=quoted("; ".join(filter(None, said))))


def tables_in(answer: Answer) -> Iterator[frozenset[Row]]:
    """Give the rows of every table of an answer, headers left out, as sets."""
    text = (answer.trace.answer or "")[:MOST_TEXT]
    yield from map(frozenset, _html(text))
    yield from map(frozenset, _markdown(answer.text))
    try:
        data = parsed(answer.text)
    except ValueError:
        return
    if isinstance(data, list) and data and all(isinstance(entry, dict | list) for entry in data):
        yield frozenset(_row(entry.values() if isinstance(entry, dict) else entry) for entry in data)


def _row(cells: Iterable[Any]) -> Row:
    """Return a row for comparing: case and white space aside, numbers by value."""
    return tuple(_cell(cell) for cell in cells)


def _cell(cell: Any) -> str:
    text = folded("" if cell is None else str(cell))
    numbers = list(amounts(text))
    whole = len(numbers) == 1 and (numbers[0].start, numbers[0].end) == (0, len(text))
    return f"{numbers[0].readings[-1]:.12g}" if whole else text


def _markdown(text: str) -> Iterator[list[Row]]:
    rows: list[Row] | None = None
    for line in text.splitlines():
        if _RULE.fullmatch(line.strip()) and "|" in line:
            rows = []
        elif rows is not None and "|" in line:
            rows.append(_row(cell.strip() for cell in line.strip().strip("|").split("|")))
        elif rows is not None:
            yield rows
            rows = None
    if rows is not None:
        yield rows


def _html(answer: str) -> Iterator[list[Row]]:
    """Give the rows of data cells of every table; one table inside another ends it."""
    rows: list[list[str]] | None = None
    in_cell = False
    for token in tokens(answer):
        if token.tag == "table":
            if rows is not None:
                yield [_row(row) for row in rows if row]  # a row of headers has no data cell
            rows = None if token.closing else []
        elif rows is None:
            continue
        elif token.tag == "tr" and not token.closing:
            rows.append([])
        elif token.tag == "td":
            in_cell = not token.closing
            if in_cell and rows:
                rows[-1].append("")
        elif token.tag is None and in_cell and rows and rows[-1]:
            rows[-1][-1] += token.text


TABLE = ExpectationKind(
    name="table",
    doc="The answer has a table of exactly these rows in any order (HTML, Markdown or JSON); more: true allows others.",
    judge=_judge,
)
