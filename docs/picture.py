"""Renew the README's example: a picture of a run's HTML report, and the decision of its text report.

Texts and charts are those of the report. Only the layout is made here, because code hosts do not show HTML. Run it as
``python docs/picture.py output/RUN`` after ``make demo``. It writes ``docs/_static/report.svg`` and ``README.md``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup, Tag

TARGET = Path(__file__).parent / "_static" / "report.svg"
README = Path(__file__).parents[1] / "README.md"
WIDTH, EDGE = 960, 28
COLOURS = {"good": "#0a6b4b", "bad": "#b3261e", "doubtful": "#8a5a00", "plain": "#1b1f24"}
SOFT, INK, RULE, LINE = "#5b6570", "#1b1f24", "#dcdfe3", 20
METRIC_X, CLASS_X, STRIP_X, STRIP_WIDTH, CHANGE_X, VERDICT_X = 28, 170, 260, 400, 830, 850
ROW = 26


def draw(page: str) -> str:
    """Return the SVG of a report's first screen."""
    soup = BeautifulSoup(page, "html.parser")
    body: list[str] = []
    y = 52.0
    body.append(_text(EDGE, y, _words(soup.h1), size=26, weight=700))
    y = _cards(soup, body, y + 24)
    for state in soup.select(".state li")[:3]:
        label = _words(state.b)
        words = f"{label}: {_words(state).removeprefix(label).strip()}"
        body.append(_text(EDGE, y, words, size=14, colour=COLOURS[_colour(state)]))
        y += LINE
    table = soup.select("table.forest")[0]
    y += 22
    body.append(_text(EDGE, y, _words(table.caption), size=16, weight=600))
    y += 18
    body.extend(_strip(table.select_one("thead svg"), y, height=22))
    y += 22
    for row in table.select("tbody tr"):
        body.extend(_row(row, y))
        y += ROW
    height = y + EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
        f'font-family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif" role="img">\n'
        f"<title>The first screen of an HTML report</title>\n"
        f'<rect width="100%" height="100%" rx="8" fill="#fbfbf9" stroke="{RULE}"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _cards(soup: BeautifulSoup, body: list[str], y: float) -> float:
    cards = soup.select(".card")[:3]
    width = (WIDTH - 2 * EDGE - 16 * (len(cards) - 1)) / len(cards)
    texts = [textwrap.wrap(_words(card.p)[:1].upper() + _words(card.p)[1:], 33) for card in cards]
    height = 48 + LINE * max(len(lines) for lines in texts)
    for number, (card, lines) in enumerate(zip(cards, texts, strict=True)):
        x = EDGE + number * (width + 16)
        top = SOFT if "sure" in card["class"] else "#0072b2"
        body.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height}" rx="8" fill="#fff" stroke="{RULE}"/>')
        body.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="4" fill="{top}"/>')
        body.append(_text(x + 14, y + 28, _words(card.h3).upper(), size=12, weight=600, colour=SOFT))
        body.extend(_text(x + 14, y + 52 + LINE * at, line, size=15) for at, line in enumerate(lines))
    return y + height + 32


def _row(row: Tag, y: float) -> Iterator[str]:
    metric, query_class, _, change, _, verdict = row.find_all(["th", "td"], recursive=False)
    middle = y + ROW / 2 + 4
    if "first" in (row.get("class") or ()):
        yield f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y:g}" y2="{y:g}" stroke="{RULE}"/>'
    yield _text(METRIC_X, middle, _words(metric), size=14, weight=500)
    yield _text(CLASS_X, middle, _words(query_class), size=14, colour=SOFT)
    yield from _strip(row.svg, y + 1, height=24)
    yield _text(CHANGE_X, middle, _words(change), size=14, anchor="end")
    yield _text(VERDICT_X, middle, _words(verdict), size=14, colour=COLOURS[_colour(verdict)])


def _strip(svg: Tag | None, y: float, *, height: int) -> Iterator[str]:
    """Yield one chart of the report, its percentages turned into places."""
    for part in svg.find_all(["rect", "line", "text"]) if svg else ():
        if part.name == "rect":
            x, width = _place(part["x"]), float(part["width"].rstrip("%")) / 100 * STRIP_WIDTH
            yield f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height}" fill="{RULE}" opacity=".55"/>'
        elif part.name == "text":
            yield _text(_place(part["x"]), y + 15, _words(part), size=12, colour=SOFT, anchor=part["text-anchor"])
        else:
            colour = COLOURS[_colour(part)] if "whisker" in part["class"] else SOFT
            style = 'stroke-width="2.5"' if "whisker" in part["class"] else 'stroke-dasharray="2 3"'
            ends = f'x1="{_place(part["x1"]):.1f}" x2="{_place(part["x2"]):.1f}"'
            across = f'y1="{y + float(part["y1"]):g}" y2="{y + float(part["y2"]):g}"'
            yield f'<line {ends} {across} stroke="{colour}" {style}/>'
    for point in svg.find_all("svg") if svg else ():
        colour = COLOURS[_colour(point.path)]
        yield f'<circle cx="{_place(point["x"]):.1f}" cy="{y + height / 2:g}" r="5" fill="{colour}" stroke="#fff"/>'


def _place(share: str) -> float:
    return STRIP_X + float(share.rstrip("%")) / 100 * STRIP_WIDTH


def _colour(tag: Tag) -> str:
    return next((name for name in tag.get("class") or () if name in COLOURS), "plain")


def _words(tag: Tag | None) -> str:
    return " ".join(tag.get_text().split()) if tag else ""


def _text(x: float, y: float, words: str, *, size: int, weight: int = 400, colour: str = INK, anchor: str = "start") -> str:
    style = f'font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(words)}</text>'


def decision(run: Path) -> str:
    """Return the decision of a run's text report."""
    command = [sys.executable, "-m", "uderia_bench", "report", str(run)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - this command
    return shown.partition("\n\n")[0]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    TARGET.write_text(draw((folder / "report.html").read_text(encoding="utf-8")), encoding="utf-8")
    block = f"```text\n{decision(folder)}\n```"
    README.write_text(
        re.sub(r"```text\n.*?\n```", lambda _: block, README.read_text(encoding="utf-8"), count=1, flags=re.DOTALL)
    )
