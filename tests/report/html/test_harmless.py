"""The body of a report that may come from somebody else, within a page of the view."""

from __future__ import annotations

import pytest
from report.html.pages import kept, page_report

from uderia_bench.report.formats.html import to_html
from uderia_bench.report.formats.html.document import body_of, harmless


def test_a_report_of_ours_stays_as_it_is():
    """Its body has only what reports have."""
    body = body_of(to_html(page_report(), kept()))
    assert "<svg" in body
    assert '<script type="application/json"' in body
    assert harmless(body) == body
    assert "&lt;p" not in body


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ('<meta http-equiv="refresh" content="0;url=http://evil.example">', ""),
        ('<link rel="preconnect" href="http://evil.example">', ""),
        ('<iframe src="http://evil.example"></iframe>', ""),
        ('<script src="/static/view.js"></script>', "</script>"),
        ('<a href="http://evil.example">x</a>', "<a>x</a>"),
        ('<a href="#trial=1" onclick="x()">x</a>', '<a href="#trial=1">x</a>'),
        ('<form action="/runs/x/control" method="post">', "<form>"),
        ('<button formaction="/runs/x/control" name="do" value="stop">', '<button name="do" value="stop">'),
        ('<p style="position: fixed">', "<p>"),
        ('<input type="image" src="http://evil.example/x.png">', '<input type="image">'),
        ("<META x>", "&lt;META x>"),
        ('<p title="</noscript><meta x>">', '&lt;p title="</noscript>">'),
        ("<!-- <p> <meta x> -->", "&lt;!-- <p>  -->"),
        ("<p\nclass=x>", "&lt;p\nclass=x>"),
        ("a < b", "a &lt; b"),
    ],
)
def test_what_loads_sends_or_leads_away_is_taken_out(given, left):
    """What is no tag in the form of a report becomes text."""
    assert harmless(given) == left
