"""A self-contained HTML document with its style and at most one script.

A content security policy forbids all requests and every other script.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

from uderia_bench.report.formats.html.markup import Markup, tag

STYLE, SCRIPT = "page.css", "page.js"
_TAG = re.compile(r'<(?:(/?)([a-z][a-z0-9]*)((?: [a-zA-Z][a-zA-Z0-9-]*(?:="[^"<>]*")?)*)>)?')
_ATTRIBUTE = re.compile(r' ([a-zA-Z][a-zA-Z0-9-]*)(?:="[^"]*")?')
_DATA = re.compile(r'<script type="application/json" id="[a-z-]+">')
_ELEMENTS = re.compile(
    "a|b|br|button|caption|code|dd|details|dialog|div|dl|dt|figcaption|figure|form|g|h1|h2|h3|h4|header|i|input|label|li|line|"
    "mark|nav|noscript|ol|option|p|path|pre|rect|section|select|span|sub|summary|sup|svg|table|tbody|td|text|th|thead|time|tr|"
    "ul"
)
_ATTRIBUTES = re.compile(
    "aria-[a-z]+|data-[a-z]+|class|id|title|role|tabindex|lang|dir|scope|colspan|rowspan|value|name|type|placeholder|"
    "autocomplete|open|selected|checked|hidden|disabled|datetime|popover|popovertarget|d|r|cx|cy|x|y|x1|x2|y1|y2|dx|dy|width|"
    "height|overflow|viewBox|preserveAspectRatio|text-anchor|vector-effect"
)


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
    return harmless(body.replace("<main>", "<div>").replace("</main>", "</div>"))


def harmless(body: str) -> str:
    """Return the body of a report without anything that loads, sends or leads away.

    A report may come from somebody else, and a policy of content cannot forbid everything: ``meta`` can open another
    page. Only elements and attributes that reports have are left. Why no parser of HTML: ``markup`` writes every tag in
    one form, with ``<`` and ``>`` escaped in attributes. A ``<`` that begins no such tag becomes text, so a
    browser cannot read a tag that was not seen here.
    """
    return _TAG.sub(_kept, body)


def _kept(found: re.Match[str]) -> str:
    closes, name, attributes = found.groups()
    if name is None:
        return "&lt;"
    if name == "script":
        return found[0] if closes or _DATA.fullmatch(found[0]) else ""
    if not _ELEMENTS.fullmatch(name):
        return ""
    kept = (each[0] for each in _ATTRIBUTE.finditer(attributes) if _ATTRIBUTES.fullmatch(each[1]) or each[0][:8] == ' href="#')
    return f"<{closes}{name}{''.join(kept)}>"


def asset(name: str) -> str:
    """Return the text of the style or of a script."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
