"""Links between documents lead somewhere. Sphinx checks the site itself; this checks the files as a code host shows them."""

from __future__ import annotations

import re

import pytest

from docs import pages

LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("path", pages.DOCUMENTS, ids=pages.name)
def test_relative_links_lead_to_a_file_and_a_heading(path):
    """Addresses of other hosts are left alone: the tests need no network."""
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), f"{pages.name(path)} links to {target}"
        if anchor:
            assert anchor in pages.anchors(found), f"{pages.name(path)} links to {target}"


def test_every_page_can_be_reached():
    """Each page is in the table of contents of a page above it."""
    listed = set()
    for path in pages.PAGES:
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            lines = (line for line in tree.splitlines() if line and not line.startswith(":"))
            listed |= {(path.parent / f"{line}.md").resolve() for line in lines}
    assert {pages.name(path) for path in pages.PAGES} - {pages.name(path) for path in listed} == {"docs/index.md"}
