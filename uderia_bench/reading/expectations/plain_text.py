"""An answer as people read it: HTML to text, entities read, white space made plain. It judges nothing.

The server sends its plain answer beside the HTML one, but a model may still put tags into the plain one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from uderia_bench.reading.expectations.kind import MOST_TEXT
from uderia_bench.reading.expectations.markup import is_html, tokens

_LISTS_AND_TABLES = frozenset(("br", "li", "ol", "table", "tbody", "thead", "tr", "ul"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "summary"))
_BLOCKS = _LISTS_AND_TABLES | _HEADINGS | {"article", "details", "div", "p", "pre", "section"}
_CELLS = frozenset(("td", "th"))


def plain_text(answer: str | None) -> str:
    """Return an answer without tags, at most ``MOST_TEXT`` characters, compatibility characters made plain (NFKC)."""
    text = (answer or "")[:MOST_TEXT]
    if is_html(text):
        text = "".join(_said(text))
    lines = (re.sub(r"[^\S\n\t]+", " ", line).strip(" ") for line in unicodedata.normalize("NFKC", text).splitlines())
    return "\n".join(line for line in lines if line.strip())


def _said(text: str) -> Iterator[str]:
    """Give the text between tags, a line a block, a tab a cell."""
    for token in tokens(text):
        if token.tag is None:
            yield token.text
        elif token.tag in _BLOCKS:
            yield "\n"
        elif token.tag in _CELLS and token.closing:
            yield "\t"


def folded(text: str) -> str:
    """Return text for comparing without regard to case and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
