"""Text from a server, a corpus or a plug-in as harmless Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from uderia_bench.printable import plain

_MARKDOWN_SPECIAL = re.compile(r"([\\`*\[\]{}|#~$])")
_LOOSE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def markdown(text: str) -> str:
    """Return the text on one line as GitHub's Markdown shows it literally, also in a table, without mentions."""
    escaped = _MARKDOWN_SPECIAL.sub(r"\\\1", plain(text))
    escaped = _LOOSE_UNDERSCORE.sub(r"\_", escaped)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@<!-- -->")


def row(cells: Iterable[str]) -> str:
    """Return a row of a Markdown table. The cells are Markdown already."""
    return f"| {' | '.join(cells)} |"
