"""HTML and SVG as nested calls.

Every text is escaped, except markup made here. No other module writes a ``<``.
"""

from __future__ import annotations

import html
import json
from typing import Any

from uderia_bench.printable import plain

Attribute = str | int | float | bool | None

_VOID = frozenset({"meta", "br", "input", "link"})


class Markup(str):
    """Text that is already markup, so it is not escaped again."""

    __slots__ = ()


def tag(name: str, /, *children: str | None, **attributes: Attribute) -> Markup:
    """Return an element.

    ``class_`` is ``class``, ``data_q`` is ``data-q``. Attributes of None or False are left out.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None and value is not False)
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str | None) -> Markup:
    """Return the children one after the other. Texts are escaped, None is left out."""
    return Markup("".join(child if isinstance(child, Markup) else escaped(child) for child in children if child is not None))


def escaped(text: str) -> Markup:
    """Return text as HTML shows it literally, in an element or in an attribute."""
    return Markup(html.escape(plain(text)).replace("##", "#&#35;"))  # begins a command in the log of a CI system


def data(identity: str, value: Any) -> Markup:
    """Return a JSON data block for the page's script. No text can end the block."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII, so without U+2028 and surrogates
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("##", "#\\u0023")
    return Markup(f'<script type="application/json" id="{identity}">{safe}</script>')


def _attribute(key: str, value: str | float | bool) -> str:  # noqa: FBT001 - as HTML has it
    name = key.removesuffix("_").replace("_", "-")
    if isinstance(value, bool):
        return f" {name}"
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name}="{escaped(text)}"'
