"""The report as Markdown for a pull request, with all names escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from uderia_bench.report import content
from uderia_bench.report.about import about, method
from uderia_bench.report.closing import closing
from uderia_bench.report.content import Report, Tone
from uderia_bench.report.formats.escape import markdown, row
from uderia_bench.report.formats.forest import forest
from uderia_bench.report.headline import headline
from uderia_bench.report.sections import lists, tables_of
from uderia_bench.report.table import Cell, Column, Footnotes, Table

LONGEST = 60_000  # bytes: GitHub takes 65,536 characters as a comment
_RESERVED = 1_000  # bytes kept for the line that names the sections left out
_NAMED = 5  # sections named in that line
_STRONG = frozenset({Tone.GOOD, Tone.BAD, Tone.DOUBTFUL})


def to_markdown(report: Report) -> str:
    """Return the report in GitHub's Markdown.

    Text from a server or corpus cannot format, link or mention.

    The result has at most ``LONGEST`` bytes. Sections that do not fit are left out and named.
    """
    parts, end = [_text(_opening(report))], _text(_ending(report))
    room = LONGEST - _RESERVED - _size(parts[0]) - _size(end)
    left_out = []
    for title, lines in _sections(report):
        part = _text(lines)
        if _size(part) <= room:
            parts.append(part)
            room -= _size(part)
        else:
            left_out.append(title)
    if left_out:
        named = ", ".join(left_out[:_NAMED]) + (f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else "")
        parts.append(_text(("", f"_Not shown because of the length limit: {markdown(named)}. See report.html._")))
    return "".join((*parts, end))


def _opening(report: Report) -> Iterator[str]:
    yield f"## {markdown(report.facts.experiment)}"
    yield ""
    yield from (f"> **{markdown(str(line))}**  " for line in headline(report))
    yield ""
    yield from (f"- {label}: {markdown(text)}" for label, text in about(report))


def _sections(report: Report) -> Iterator[tuple[str, Iterable[str]]]:
    yield from _pictures(report)
    for table in tables_of(report):
        yield table.title, ("", *_table(table))
    for title, items in lists(report):
        yield title, ("", f"### {title}", "", *_bullets(items))


def _pictures(report: Report) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the effects of each contrast, drawn with characters."""
    for pair in content.contrasts(report.analysis):
        if lines := tuple(forest(report, pair)):
            title = f"{pair[1]} compared with {pair[0]}, drawn"
            yield title, ("", f"### {markdown(title)}", "", "```text", *(line.replace("`", "'") for line in lines), "```")


def _ending(report: Report) -> Iterator[str]:
    yield ""
    yield from ("<details><summary>How to read this</summary>", "")
    yield from _bullets(method(report))
    yield from ("", "</details>")
    if last := closing(report):
        yield from ("", f"**{markdown(last)}**")


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _size(text: str) -> int:
    return len(text.encode())


def _bullets(items: Iterable[str]) -> Iterator[str]:
    return (f"- {markdown(item)}" for item in items)


def _table(table: Table) -> Iterator[str]:
    notes = Footnotes()
    yield f"### {markdown(table.title)}"
    yield ""
    yield row(markdown(column.title) for column in table.columns)
    yield row("---:" if column.right else "---" for column in table.columns)
    for cells in table.rows:
        yield row(_cells(cells, table.columns, notes))
    remarks = [f"<sup>{number}</sup> {markdown(note)}" for note, number in notes.numbers.items()]
    remarks += [markdown(remark) for remark in table.remarks]
    if remarks:
        yield ""
        yield "<br>\n".join(remarks)


def _cells(cells: Sequence[Cell], columns: Sequence[Column], notes: Footnotes) -> Iterator[str]:
    for cell, column in zip(cells, columns, strict=True):
        text = markdown(cell.forms[0])
        if cell.tone in _STRONG and not column.right:
            text = f"**{text}**"
        marks = ",".join(map(str, notes.marks(cell.notes)))
        yield f"{text} <sup>{marks}</sup>" if marks else text
