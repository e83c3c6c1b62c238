"""Expectations about data in an answer: ``json_path`` and ``table``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from jsonpath import JSONPathEnvironment, JSONPathError

from uderia_bench.documents.expectation import JsonPath, Table
from uderia_bench.json_text import parse_json
from uderia_bench.printable import count_of
from uderia_bench.reading.expectations.amounts import amounts_in, notation
from uderia_bench.reading.expectations.kind import MOST_TEXT, Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.plain_text import folded, tokens

Row = tuple[str, ...]

_ENVIRONMENT = JSONPathEnvironment(strict=True)
_FENCED = re.compile(r"```(?:json)?\s*\n(?P<body>.*?)```", re.DOTALL | re.IGNORECASE)
_MOST_COMPARED = 10_000  # places a path may lead to before the search stops
_RULE = re.compile(r"\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?")


def _json_path(answer: Answer, value: JsonPath) -> Judged:
    try:
        data = parsed(answer.text)
    except ValueError:
        return Judged(passed=False, found=quoted(f"not JSON: {answer.text}"))
    document = json.dumps(data) if isinstance(data, str) else data  # the library would parse a string as JSON again
    try:
        places = _ENVIRONMENT.finditer(value.path, document)
        found = [match.obj for match, _ in zip(places, range(_MOST_COMPARED), strict=False)]
    except (JSONPathError, RecursionError) as error:
        return Judged(passed=None, found=quoted(f"the path cannot be followed: {error}"))
    if not found:
        return Judged(passed=False, found=f"nothing at {value.path}")
    passed = True if value.equals is None else value.equals in found
    return Judged(passed=passed, found=quoted(json.dumps(found[0], ensure_ascii=False)))


def parsed(text: str) -> Any:
    """Return the JSON value of a text, bare or in a code fence; raises ``ValueError`` where the text is not JSON."""
    fenced = _FENCED.search(text)
    return parse_json(fenced["body"] if fenced else text).value


def _table(answer: Answer, value: Table) -> Judged:
    wanted = {_row(cells) for cells in value.rows}
    tables = list(tables_in(answer))
    if not tables:
        return Judged(passed=False, found="no table in the answer")
    if any(rows == wanted or (value.more and wanted <= rows) for rows in tables):
        return Judged(passed=True, found=f"a table of {count_of(len(wanted), 'row')}")
    nearest = max(tables, key=lambda rows: len(rows & wanted))
    missing, extra = sorted(wanted - nearest), sorted(nearest - wanted)
    said = [f"missing {missing[0]}" if missing else "", f"not expected {extra[0]}" if extra and not value.more else ""]
    return Judged(passed=False, found=quoted("; ".join(filter(None, said))))


def tables_in(answer: Answer) -> Iterator[frozenset[Row]]:
    """Yield every table of an answer as a set of rows, without its headers."""
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
    """Return a row in the form it is compared in: without case and extra white space, numbers by value."""
    return tuple(_cell(cell) for cell in cells)


def _cell(cell: Any) -> str:
    text = folded("" if cell is None else str(cell))
    number = notation(text)
    whole = [amount for amount in amounts_in(number) if (amount.start, amount.end) == (0, len(number))]
    return f"{whole[0].readings[-1]:.12g}" if whole else text


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
    """Yield the data rows of every HTML table. A table inside another one ends the outer one."""
    rows: list[list[str]] | None = None
    in_cell = False
    for token in tokens(answer):
        if token.tag == "table":
            if rows is not None:
                yield [_row(row) for row in rows if row]  # a header row has no data cells
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


KINDS: tuple[ExpectationKind, ...] = (
    ExpectationKind(
        name="json_path",
        doc="The answer is JSON, bare or in a code fence, with a value at this JSONPath (RFC 9535). {path, equals} also "
        "checks the value.",
        judge=_json_path,
    ),
    ExpectationKind(
        name="table",
        doc="The answer has a table (HTML, Markdown or JSON) of exactly these rows, in any order. more: true allows others.",
        judge=_table,
    ),
)
