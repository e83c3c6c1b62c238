"""Escapes in text from a server, a document or a plug-in, so that it is safe on a terminal and fits on one line."""

from __future__ import annotations

import re

_IN_ADDRESS = re.compile(r"(?<=//)[^/\s@]*:[^/\s@]*(?=@)")


def plain(text: str) -> str:
    r"""Return the text with every character that is not printable written out, as in ``\x1b``.

    That takes control characters (a terminal would obey them), line breaks (they would break a table), bidirectional and
    zero-width marks (they show one thing and mean another) and lone surrogates (they cannot be encoded).
    """
    if text.isprintable():  # nearly every text
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def without_passwords(text: str) -> str:
    """Mask the user and password of addresses in a text, because a typed address may contain them."""
    return _IN_ADDRESS.sub("***", text)
