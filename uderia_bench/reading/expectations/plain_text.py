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

# Characters without a form: zero-width spaces and joiners of words, soft hyphens, marks of direction.
_INVISIBLE = dict.fromkeys(
    (0x00AD, 0x061C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), 0x2060, *range(0x2066, 0x206A), 0xFEFF)
)
_RAISED = re.compile(r"(?<=\d)[\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")
_LOWERED = re.compile(r"(?<=\d)[\u2080-\u2089]+")
_VULGAR = re.compile(r"(\d)([\u00bc-\u00be\u2150-\u215e\u2189])")
_TYPOGRAPHIC = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u02b9\u2032\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    }
)
_EMPHASIS = (
    re.compile(r"\\([\\`*_{}\[\]()#+.!|~<>-])"),  # a backslash that protects a mark
    re.compile(r"(?<![\w*])\*{2,3}(?=\S)([^*\n]{1,300})(?<=\S)\*{2,3}(?![\w*])"),
    re.compile(r"(?<![\w*])\*(?=\w)([^*\n]{1,300})(?<=\w)\*(?![\w*])"),
    re.compile(r"(?<!\w)_{1,3}(?=[^\W_])([^\n]{1,300}?)(?<=[^\W_])_{1,3}(?!\w)"),
    re.compile(r"~~(?=\S)([^~\n]{1,300})(?<=\S)~~"),
    re.compile(r"`{1,3}(?=\S)([^`\n]{1,300})(?<=\S)`{1,3}"),
)


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
    lines = (re.sub(r"[^\S\n\t]+", " ", line).strip(" ") for line in normal(text).splitlines())
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


def normal(text: str) -> str:
    """Return text in normal form NFKC, with raised digits and fractions kept apart from the digits before them.

    NFKC alone makes 106 of ten to the power of six, and 21/2 of two and a half.
    """
    text = text.translate(_INVISIBLE)
    text = _RAISED.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
    text = _LOWERED.sub(lambda match: "_" + unicodedata.normalize("NFKC", match[0]), text)
    return unicodedata.normalize("NFKC", _VULGAR.sub(r"\1 \2", text))


def folded(text: str) -> str:
    """Return text in the form it is compared in: without case, Markdown emphasis and typographic variants of signs."""
    text = normal(text).casefold().translate(_TYPOGRAPHIC)
    for pattern in _EMPHASIS:
        text = pattern.sub(r"\1", text)
    return " ".join(text.split())
