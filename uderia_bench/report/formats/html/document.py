"""A self-contained HTML document with its style and at most one script.

A content security policy forbids all requests and every other script.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from uderia_bench.report.formats.html.markup import Markup, tag

STYLE, SCRIPT = "page.css", "page.js"


def document(title: str, *body: Markup | None, script: str | None = None) -> str:
    """Return the document.

    ``script`` names the script file of this package, None for a page without one.
    """
    style = Markup(asset(STYLE))
    code = None if script is None else Markup(asset(script))
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


def body_of(page: str) -> str:
    """Return the body of a document without its script, to be shown within the main part of another page."""
    body = page.partition("<body>")[2].rpartition("</body>")[0]
    body = body.rpartition("<script>")[0] or body
    return body.replace("<main>", "<div>").replace("</main>", "</div>")


def asset(name: str) -> str:
    """Return the text of the style or of a script."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
