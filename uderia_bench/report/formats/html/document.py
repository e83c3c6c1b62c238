"""A self-contained HTML document with its style and at most one script.

A content security policy forbids all requests and every other script.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from uderia_bench.report.formats.html.markup import Markup, tag

_STYLE, SCRIPT = "page.css", "page.js"


def document(title: str, *body: Markup | None, script: str | None = None) -> str:
    """Return the document.

    ``script`` names the script file of this package, None for a page without one.
    """
    style = Markup(_asset(_STYLE))
    code = None if script is None else Markup(_asset(script))
    allowed = "'none'" if code is None else f"'{_digest(code)}'"
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src {allowed}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", style),
    )
    end = None if code is None else tag("script", code)
    return f"<!doctype html>\n{tag('html', head, tag('body', *body, end), lang='en')}\n"


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
