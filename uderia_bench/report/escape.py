"""Make text that came from a server, a corpus or a plug-in harmless in a terminal and in Markdown. It shortens nothing."""

from __future__ import annotations

import re

_MARKDOWN_SPECIAL = re.compile(r"([\\`*\[\]{}|#~$])")
_LOOSE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def plain(text: str) -> str:
    r"""Return the text with every character that is not printable written out, as in ``\x1b``.

    That takes control characters (a terminal would obey them), line breaks (they would break a table), bidirectional and
    zero-width marks (they show one thing and mean another) and lone surrogates (they cannot be encoded).
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def markdown(text: str) -> str:
    """Return the text as GitHub's Markdown shows it literally, on one line, also inside a table, pinging nobody."""
    escaped = _MARKDOWN_SPECIAL.sub(r"\\\1", plain(text))
    escaped = _LOOSE_UNDERSCORE.sub(r"\_", escaped)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@<!-- -->")
