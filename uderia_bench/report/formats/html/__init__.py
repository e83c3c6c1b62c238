"""The report as one HTML file that needs nothing: no network, no build step, no script of anybody else's.

Why its figures are drawn here and not by a grammar of graphics: Vega-Lite's runtime comes to Python through vl-convert, a
wheel of 33 MB in the core install; it compiles expressions at run time, so the page could not forbid itself foreign code; and
it draws one picture a figure, where the figures here are rows of tables (a strip beside its number) that a screen reader
reads, a printer prints and a filter hides. What is drawn is few and simple: points with intervals, steps, bars.

Everything a server, a model or a corpus said is hostile: it reaches the page as escaped text or as JSON that the page's own
script puts into text nodes, and the page's policy allows no script but that one and no request at all.
"""

from uderia_bench.report.formats.html.kept import Kept
from uderia_bench.report.formats.html.page import to_html

__all__ = ["Kept", "to_html"]
