"""Tables and lists of a report as HTML, with the same cells, footnotes and remarks as in the other formats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from uderia_bench.report.content import Tone
from uderia_bench.report.formats.html import glossary
from uderia_bench.report.formats.html.markup import Attribute, Markup, join, tag
from uderia_bench.report.formats.html.prose import prose
from uderia_bench.report.table import Cell, Column, Footnotes, Table


def table(found: Table, *, alone: bool = False) -> Markup:
    """Return a table with its caption, and its footnotes and remarks below; without a row only these.

    ``alone`` is for the only table below a heading that says the same: then only screen readers have the caption.
    """
    notes = Footnotes()
    heads = (tag("th", glossary.heading(column.title), scope="col", class_=_side(column)) for column in found.columns)
    rows = [tag("tr", *_cells(row, found.columns, notes)) for row in found.rows]
    shown = grid(found.title, heads, rows, alone=alone) if rows else None
    remarks = [tag("li", tag("sup", str(number)), f" {note}") for note, number in notes.numbers.items()]
    remarks += [tag("li", remark) for remark in found.remarks]
    return join(shown, tag("ul", *remarks, class_="remarks") if remarks else None)


def grid(
    caption: str,
    heads: Iterable[Markup | None],
    rows: Iterable[Markup] = (),
    *,
    name: str | None = None,
    alone: bool = False,
    **attributes: Attribute,
) -> Markup:
    """Return a table of cells that are markup, in a box that scrolls; ``name`` is the box's where it is not the caption.

    ``alone`` is as for ``table``.
    """
    head = tag("thead", tag("tr", *heads))
    return scrolling(
        tag("table", tag("caption", caption, class_="hidden" if alone else None), head, tag("tbody", *rows), **attributes),
        name or caption,
    )


def scrolling(content: Markup, name: str) -> Markup:
    """Return content in a box that scrolls sideways on a narrow screen, by keyboard too."""
    return tag("div", content, class_="wide", tabindex="0", role="region", aria_label=f"{name}, table")


def drawn(axis: Markup, what: str) -> Markup:
    """Return the heading of a column of pictures: the axis, and its name for screen readers."""
    return tag("th", axis, tag("span", what, class_="hidden"), scope="col", class_="strip")


def items(texts: Iterable[str]) -> Markup:
    """Return a list of sentences."""
    return tag("ul", *(tag("li", prose(text)) for text in texts))


def facts(lines: Iterable[tuple[str, str]]) -> Markup:
    """Return labelled lines."""
    return tag("dl", *(join(tag("dt", label), tag("dd", prose(text))) for label, text in lines))


def folded(title: str, *content: str | None, open_: bool = False) -> Markup:
    """Return content behind its title, opened by a click or a key."""
    return tag("details", tag("summary", title), *content, open=open_)


def section(identity: str, title: str, *content: Markup | None, lead: str | None = None) -> Markup | None:
    """Return a section with its heading, None for an empty one."""
    held = [part for part in content if part]
    if not held:
        return None
    intro = tag("p", lead, class_="lead") if lead else None
    return tag(
        "section", tag("h2", title, id=f"{identity}-title"), intro, *held, id=identity, aria_labelledby=f"{identity}-title"
    )


def _cells(row: Sequence[Cell], columns: Sequence[Column], notes: Footnotes) -> Iterable[Markup]:
    for at, (cell, column) in enumerate(zip(row, columns, strict=True)):
        marks = ",".join(map(str, notes.marks(cell.notes)))
        tone = cell.tone.value if cell.tone is not Tone.PLAIN else ""
        style = " ".join(filter(None, (_side(column), tone, "wordy" if column.wraps or column.below else "short"))) or None
        kind = {"scope": "row"} if at == 0 and cell.forms[0] else {}
        yield tag("th" if kind else "td", cell.forms[0], tag("sup", marks) if marks else None, class_=style, **kind)


def _side(column: Column) -> str | None:
    return "number" if column.right else None
