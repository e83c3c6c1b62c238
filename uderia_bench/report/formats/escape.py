"""Make text that came from a server, a corpus or a plug-in harmless in Markdown. It shortens nothing."""

from __future__ import annotations

import re

from uderia_bench.printable import plain

_MARKDOWN_SPECIAL = re.compile(r"([\\`*\[\]{}|#~$])")
_LOOSE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def markdown(text: str) -> str:
    """Return the text as GitHub's Markdown shows it literally, on one line, also inside a table, pinging nobody."""
    escaped = _MARKDOWN_SPECIAL.sub(r"\\\1", plain(text))
    escaped = _LOOSE_UNDERSCORE.sub(r"\_", escaped)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@<!-- -->")
