"""Effects of one contrast with their intervals, drawn with characters.

Every Markdown viewer and every terminal shows this picture. Mermaid charts have no error bars, and
GitHub shows no inline images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.cells import set_cell_size

from uderia_bench.analysis.values import Comparison
from uderia_bench.printable import plain
from uderia_bench.report import content, figures
from uderia_bench.report.content import Report
from uderia_bench.report.formats.layout import cut

_LABEL, _STRIP = 20, 45  # columns; an odd strip has a middle column, for no difference
_MOST = 12  # effects drawn, planned ones first; the tables have the rest
_NO_EFFECT, _LINE, _POINT = "┊", "─", "●"
_SMALLEST_SPAN = math.log(1.25)  # at least a quarter up and down, so that noise looks small


def forest(report: Report, pair: tuple[str, str]) -> Iterator[str]:
    """Yield an axis, then one line per tested ratio over all queries; nothing where no ratio has an interval.

    The axis is logarithmic, so that half and double are equally far from no difference.
    """
    found = [c for c in content.comparisons(report.analysis, pair) if not content.structural(c) and _ends(c) is not None]
    found.sort(key=lambda c: c.family != "primary")
    found = found[:_MOST]
    if not found:
        return
    span = max(_SMALLEST_SPAN, *(max(map(abs, ends)) for c in found if (ends := _ends(c))))
    yield " " * _LABEL + _axis(span)
    for comparison in found:
        effect = figures.effect_forms(comparison.effect, content.definition(report, comparison.metric))[0]
        label = set_cell_size(cut(plain(comparison.metric), _LABEL - 2), _LABEL)
        yield f"{label}{_strip(comparison, span)}  {effect} {content.verdict_words(comparison)[0]}".rstrip()


def _ends(comparison: Comparison) -> tuple[float, float, float] | None:
    """Return the logarithms of a ratio and of both ends of its interval; None for a difference or an open interval."""
    effect = comparison.effect
    ends = [figures.finite(each) for each in (effect.value, effect.lo, effect.hi)]
    known = [math.log(each) for each in ends if each is not None and each > 0]
    return (known[0], known[1], known[2]) if effect.kind == "ratio" and len(known) == len(ends) else None


def _axis(span: float) -> str:
    """Return the labels at both ends and in the middle of the axis."""
    left, right = (figures.multiple(math.exp(end)) for end in (-span, span))
    middle = "same"
    start = _STRIP // 2 - len(middle) // 2
    return left + middle.rjust(start + len(middle) - len(left)) + right.rjust(_STRIP - start - len(middle))


def _strip(comparison: Comparison, span: float) -> str:
    drawn = [" "] * _STRIP
    ends = _ends(comparison)
    assert ends is not None
    value, low, high = (round((end + span) / (2 * span) * (_STRIP - 1)) for end in ends)
    drawn[_STRIP // 2] = _NO_EFFECT
    drawn[low : high + 1] = _LINE * (high + 1 - low)
    drawn[value] = _POINT
    return "".join(drawn)
