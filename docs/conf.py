"""Sphinx configuration: Markdown pages, a reference generated from the package, no request to another host.

``make docs`` builds the site into ``docs/_build`` with every warning as an error.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generated
from sphinx.errors import ExtensionError

import uderia_bench

FOREIGN = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//[^"]+')

project = "uderia-bench"
author = "the uderia-bench authors"
project_copyright = "2026, the uderia-bench authors"
version = release = uderia_bench.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
suppress_warnings: list[str] = []

myst_heading_anchors = 4  # links to headings are checked when the site is built
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = f"uderia-bench {version}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
highlight_language = "text"


def _fill(_app: object, _docname: str, source: list[str]) -> None:
    """Replace the markers of generated parts before a page is parsed."""
    source[0] = generated.fill(source[0])


def _loads_nothing_from_elsewhere(app: object, failed: Exception | None) -> None:
    """Fail if a built page loads a script, a style or a picture from another host: readers may be offline."""
    built = Path(app.outdir)  # type: ignore[attr-defined]  # Sphinx's application
    found = {path.name: hit for path in built.rglob("*.html") for hit in FOREIGN.findall(path.read_text(encoding="utf-8"))}
    if found and not failed:
        raise ExtensionError(f"pages load from other hosts: {found}")


def setup(app: object) -> dict[str, bool]:
    """Connect the generator of reference pages."""
    app.connect("source-read", _fill)  # type: ignore[attr-defined]  # Sphinx's application
    app.connect("build-finished", _loads_nothing_from_elsewhere)  # type: ignore[attr-defined]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
