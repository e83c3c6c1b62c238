"""An answer as people read it: HTML to text, entities read, white space made plain. It judges nothing.

The server sends its plain answer beside the HTML one, but a model may still put tags into the plain one.
"""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

from uderia_bench.expectations.kind import MOST_TEXT

_TAG = re.compile(r"</?[A-Za-z][^<>]{0,2000}>|&(?:#\d{1,7}|#x[0-9A-Fa-f]{1,6}|[A-Za-z]{2,31});")
_LISTS_AND_TABLES = frozenset(("br", "li", "ol", "table", "tbody", "thead", "tr", "ul"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "summary"))
_BLOCKS = _LISTS_AND_TABLES | _HEADINGS | {"article", "details", "div", "p", "pre", "section"}
_CELLS = frozenset(("td", "th"))
_SILENT = frozenset(("script", "style", "template"))


class _Text(HTMLParser):
    """Collects the text of a document, a line a block, a tab a cell."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in _SILENT:
            self._silent += 1
        self.parts.append("\n" if tag in _BLOCKS else "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        self.parts.append("\n" if tag in _BLOCKS else "\t" if tag in _CELLS else "")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def plain_text(answer: str | None) -> str:
    """Return an answer without tags, at most ``MOST_TEXT`` characters, compatibility characters made plain (NFKC)."""
    text = (answer or "")[:MOST_TEXT]
    if _TAG.search(text):
        reader = _Text()
        reader.feed(text)
        reader.close()
        text = "".join(reader.parts)
    lines = (re.sub(r"[^\S\n\t]+", " ", line).strip(" ") for line in unicodedata.normalize("NFKC", text).splitlines())
    return "\n".join(line for line in lines if line.strip())


def folded(text: str) -> str:
    """Return text for comparing without regard to case and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
