"""Small SVG pictures with coordinates in percent.

They take any width, and their marks and letters keep their size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from uderia_bench.report.formats.html.axis import Axis, Label
from uderia_bench.report.formats.html.markup import Markup, join, tag

PLOT = 1000  # units of the coordinates of a plot; strokes do not scale with them
_ROW = 24  # pixels: height of a strip beside a row of text
_BAR = 22  # pixels: height of a stacked bar, and of an axis
_EDGE = 8.0  # percent from an end: labels of ticks closer than this are anchored at the end, so that they are not cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line of a plot in the coordinates 0..``PLOT``, y downwards.

    ``dots`` draws points without a line.
    """

    style: str
    path: str
    dots: bool = False
    name: str = ""


def place(x: Axis, right: float, y: Axis, up: float) -> tuple[float, float]:
    """Return two values in the coordinates of a plot."""
    return PLOT * x.at(right) / 100, PLOT * (1 - y.at(up) / 100)


def dots(places: Iterable[tuple[float, float]]) -> str:
    """Return a path of points that are not connected."""
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)


def svg(*marks: Markup, height: int, label: str | None = None, style: str = "drawn") -> Markup:
    """Return a picture as wide as its place. Without a label it is hidden from screen readers."""
    named = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return tag("svg", *marks, class_=style, width="100%", height=height, **named)


def line(x1: float, x2: float, y: float, style: str) -> Markup:
    """Return a horizontal line between two places in percent, ``y`` in pixels."""
    return tag("line", x1=f"{x1:.2f}%", x2=f"{x2:.2f}%", y1=y, y2=y, class_=style)


def rule(x: float, y1: float, y2: float, style: str) -> Markup:
    """Return a vertical line at a place in percent, between two heights in pixels."""
    return tag("line", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1=y1, y2=y2, class_=style)


def band(x1: float, x2: float, height: float, style: str) -> Markup:
    """Return a filled range between two places in percent."""
    return tag("rect", x=f"{x1:.2f}%", width=f"{max(0.0, x2 - x1):.2f}%", y=0.0, height=height, class_=style)


def mark(x: float, y: float, style: str, shape: int = 0) -> Markup:
    """Return a point in one of four shapes, so that arms differ by shape and colour."""
    path = ("M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z", "M-4.6-4.6H4.6V4.6H-4.6Z", "M0-6L6 4.6H-6Z", "M0-6.4L6.4 0L0 6.4L-6.4 0Z")[
        shape % 4
    ]
    return tag("svg", tag("path", d=path, class_=style), x=f"{x:.2f}%", y=y, overflow="visible", width=1, height=1)


def interval(axis: Axis, value: float, lo: float | None, hi: float | None, *, centre: float, margin: tuple[float, float] | None,
             style: str) -> Markup:  # fmt: skip
    """Return one row of a forest plot: band of the margin, line of no difference, interval and point."""
    middle = _ROW / 2
    shown = [band(axis.at(margin[0]), axis.at(margin[1]), _ROW, "margin")] if margin else []
    shown.append(rule(axis.at(centre), 0, _ROW, "zero"))
    if lo is not None and hi is not None:
        shown.append(line(axis.at(lo), axis.at(hi), middle, f"whisker {style}"))
    return svg(*shown, mark(axis.at(value), middle, f"point {style}"), height=_ROW)


def dumbbell(axis: Axis, values: Sequence[float | None]) -> Markup:
    """Return one row with a point per arm, connected by a line."""
    middle = _ROW / 2
    known = [(arm, axis.at(value)) for arm, value in enumerate(values) if value is not None]
    places = [place for _, place in known]
    tie = [line(min(places), max(places), middle, "tie")] if len(places) > 1 else []
    return svg(*tie, *(mark(place, middle, f"point a{arm}", arm) for arm, place in known), height=_ROW)


def scale(axis: Axis, label: Label) -> Markup:
    """Return an axis, for the head or the foot of a column of strips."""
    ticks = []
    for value in axis.ticks():
        at = axis.at(value)
        anchor = "start" if at < _EDGE else "end" if at > 100 - _EDGE else "middle"
        ticks += [rule(at, 0, 4, "tick"), tag("text", label(value), x=f"{at:.2f}%", y=17, text_anchor=anchor)]
    return svg(*ticks, height=_BAR, style="scale ratio" if axis.base == 2 else "scale")


def bars(parts: Iterable[tuple[str, float]], total: float) -> Markup:
    """Return one stacked bar of (style, size) parts. ``total`` is the full width."""
    found, start = [], 0.0
    for style, size in parts:
        end = start + 100 * size / total if total else start
        found.append(band(start, end, _BAR, f"part {style}"))
        start = end
    return svg(*found, height=_BAR)


def plot(curves: Sequence[Curve], *, x: Axis, y: Axis, x_label: Label, y_label: Label, name: str, title: str, legend: Markup,
         kind: str, x_title: str, height: int = 260) -> Markup:  # fmt: skip
    """Return a plot with two axes.

    ``kind`` tells the page's script how to draw the curves again after a filter.
    """
    rules = [tag("line", x1="0", x2="100%", y1=f"{100 - y.at(v):.2f}%", y2=f"{100 - y.at(v):.2f}%", class_="grid")
             for v in y.ticks()]  # fmt: skip
    columns = [tag("line", x1=f"{x.at(v):.2f}%", x2=f"{x.at(v):.2f}%", y1="0", y2="100%", class_="grid") for v in x.ticks()]
    drawn = [
        tag("path", d=curve.path, class_=f"{'dots' if curve.dots else 'curve'} {curve.style}",
            vector_effect="non-scaling-stroke", data_curve=curve.name)
        for curve in curves
    ]  # fmt: skip
    inner = tag("svg", *drawn, viewBox=f"0 0 {PLOT} {PLOT}", preserveAspectRatio="none", width="100%", height="100%")
    area = svg(*rules, *columns, inner, height=height, label=title, style="area")
    labels = [
        tag("text", y_label(v), x="100%", dx=-8, y=f"{100 - y.at(v):.2f}%", dy="0.35em", text_anchor="end") for v in y.ticks()
    ]
    ends = {"data_xlo": repr(x.lo), "data_xhi": repr(x.hi), "data_ylo": repr(y.lo), "data_yhi": repr(y.hi)}
    return tag(
        "figure",
        tag("figcaption", tag("span", title, class_="title"), legend),
        tag("div", svg(*labels, height=height, style="yaxis"), area, tag("span"), scale(x, x_label), class_="plot",
            data_plot=kind, data_metric=name, data_xlog=str(int(x.log)), data_ylog=str(int(y.log)), **ends),
        tag("p", x_title, class_="axis-title"),
    )  # fmt: skip


def key(names: Sequence[str]) -> Markup:
    """Return the legend of the arms: shape, colour and name."""
    return tag("span", *(key_entry(name, f"a{at}", at) for at, name in enumerate(names)), class_="key")


def key_line(name: str, style: str) -> Markup:
    """Return the entry of a legend for a line."""
    swatch = tag("svg", tag("path", d="M0 7H14", class_=f"curve {style}"), width=14, height=14, aria_hidden="true")
    return tag("span", join(swatch, name))


def key_entry(name: str, style: str, shape: int) -> Markup:
    """Return one entry of a legend."""
    swatch = tag("svg", tag("g", mark(50, 7, f"point {style}", shape)), width=14, height=14, aria_hidden="true")
    return tag("span", join(swatch, name))
