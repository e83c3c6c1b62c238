"""The report as one HTML file that needs no network and no build step.

The figures are drawn here, without a charting library. The Python package of Vega-Lite's runtime is
a wheel of 33 MB. It compiles expressions at run time, so a page that uses it cannot forbid foreign
code. It also draws one picture per figure. Here most figures are rows of tables with a strip beside
the number, which a screen reader reads, a printer prints and a filter hides. The shapes are few:
points with intervals, steps and bars.

All text from a server, a model or a corpus is hostile. It reaches the page as escaped text, or as
JSON that the page's script puts into text nodes. The content security policy allows only this
script, and no request.
"""

from uderia_bench.report.formats.html.kept import Kept
from uderia_bench.report.formats.html.page import to_html

__all__ = ["Kept", "to_html"]
