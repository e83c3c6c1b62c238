"""Escapes in text from a server, a document or a plug-in, so that it is safe on a terminal and fits on one line."""

from __future__ import annotations

import re
import shlex

_IN_ADDRESS = re.compile(  # A password may have any sign but a space. What follows a port does not belong to it.
    r"(?<=//)(?:[^/\s@:]*:(?!\d{1,5}/)\S*|[^/\s@:]+)(?=@)"
    r"|(?<![^\s'\"(=\[{,])[^/\s@:'\"(=\[{,]+:(?!//|\d{1,5}/)\S+(?=@)"  # an address without its scheme
)


def plain(text: str) -> str:
    r"""Return the text with every character that is not printable written out, as in ``\x1b``.

    That takes control characters (a terminal would obey them), line breaks (they would break a table), bidirectional and
    zero-width marks (they show one thing and mean another) and lone surrogates (they cannot be encoded).
    """
    if text.isprintable():  # nearly every text
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def count_of(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun, such as ``1 query`` or ``2,000 queries``.

    ``many`` is the plural where it is not that of the last word: ``count_of(n, "trial is", "trials are")``.
    """
    if number == 1:
        return f"1 {one}"
    return f"{number:,} {many or _plural(one)}"


def _plural(noun: str) -> str:
    ends_in_y = noun[-1:] == "y" and noun[-2:-1] not in set("aeiou")
    return f"{noun[:-1]}ies" if ends_in_y else f"{noun}s"


def shell_word(text: str) -> str:
    """Return a text as one word of a shell command. Double quotes, because hints put commands into single ones."""
    if shlex.quote(text) == text:
        return text
    return '"' + re.sub(r'([\\"$`])', r"\\\1", text) + '"'


def without_passwords(text: str) -> str:
    """Mask the user and password of addresses in a text, because a typed address may contain them."""
    return _IN_ADDRESS.sub("***", text) if "@" in text else text
