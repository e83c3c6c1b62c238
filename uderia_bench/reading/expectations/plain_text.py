"""Plain text of an answer: HTML tags removed, entities decoded, white space collapsed.

The server sends its plain answer next to the HTML one, but a model may still put tags into the
plain one.

``html.parser`` is too slow for hostile text: 200,000 characters of half-open tags or comments take
it 14 to 21 s, because it searches for each end again. Here a tag ends before the next ``<`` or is
text, so time grows with the length alone.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from uderia_bench.reading.expectations.kind import MOST_TEXT

_INSIDE = r"""(?:[^<>"']|"[^"<]*"|'[^'<]*')*"""
_MARKUP = re.compile(rf"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]{{0,15}})(?=[\s/>]){_INSIDE}>|<!--[^<]*?-->|<![A-Za-z][^<>]*>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31});")
_SILENT = frozenset(("script", "style", "template"))
_LISTS_AND_TABLES = frozenset(("br", "li", "ol", "table", "tbody", "thead", "tr", "ul"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "summary"))
_BLOCKS = _LISTS_AND_TABLES | _HEADINGS | {"article", "details", "div", "p", "pre", "section"}
_CELLS = frozenset(("td", "th"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A tag, with its name in lower case and no text; or text with its entities decoded, and ``tag`` None."""

    tag: str | None = None
    closing: bool = False
    text: str = ""


def is_html(text: str) -> bool:
    """Return whether a text has any markup. A lone ``<`` in plain text is not markup."""
    return _MARKUP.search(text) is not None or _ENTITY.search(text) is not None


def tokens(text: str) -> Iterator[Token]:
    """Yield tags and text in order, without the contents of scripts, styles and comments."""
    silent: str | None = None
    position = 0
    for match in _MARKUP.finditer(text):
        if silent is None and match.start() > position:
            yield Token(text=html.unescape(text[position : match.start()]))
        position = match.end()
        name = (match["name"] or "").lower()
        closing = match["end"] == "/"
        if silent is not None:
            silent = None if closing and name == silent else silent
        elif name in _SILENT and not closing:
            silent = name
        elif name:
            yield Token(tag=name, closing=closing)
    if silent is None and position < len(text):
        yield Token(text=html.unescape(text[position:]))


def plain_text(answer: str | None) -> str:
    """Return an answer without tags, at most ``MOST_TEXT`` characters, in Unicode normal form NFKC."""
    text = (answer or "")[:MOST_TEXT]
    if is_html(text):
        text = "".join(_said(text))
    lines = (re.sub(r"[^\S\n\t]+", " ", line).strip(" ") for line in unicodedata.normalize("NFKC", text).splitlines())
    return "\n".join(line for line in lines if line.strip())


def _said(text: str) -> Iterator[str]:
    """Yield the text between tags, with a line break for each block and a tab after each cell."""
    for token in tokens(text):
        if token.tag is None:
            yield token.text
        elif token.tag in _BLOCKS:
            yield "\n"
        elif token.tag in _CELLS and token.closing:
            yield "\t"


def folded(text: str) -> str:
    """Return text in the form it is compared in: case folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
