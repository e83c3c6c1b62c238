"""Sentences with their moments and commands as elements. The web view shows the moments in the reader's zone."""

from __future__ import annotations

import re

from uderia_bench.report.formats.html.markup import Markup, join, tag

_MARKED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|`uderia-bench [^`]*`)")


def prose(text: str) -> Markup:
    """Return a sentence in which moments in UTC, and commands in backticks, are elements."""
    return join(*(_element(piece) if at % 2 else piece for at, piece in enumerate(_MARKED.split(text))))


def _element(piece: str) -> Markup:
    if piece.startswith("`"):
        return tag("code", piece.strip("`"))
    return tag("time", piece, datetime=f"{piece.removesuffix(' UTC').replace(' ', 'T')}+00:00", data_form="second")
