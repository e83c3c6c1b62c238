"""Charts for Markdown as Mermaid's ``xychart-beta``, which GitHub and GitLab draw; the tables beside them hold every number.

A chart has one series or lines only: Mermaid draws a second bar series over the first, without a legend, and later versions may
stack it. It has no error bars either, so intervals are drawn in ``forest``. Of names, only what cannot mean anything in
Mermaid's grammar or its Markdown is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from uderia_bench.analysis import ArmSummary
from uderia_bench.printable import plain
from uderia_bench.report import content, figures
from uderia_bench.report.content import Report
from uderia_bench.report.formats.escape import markdown
from uderia_bench.trace import CallClass

LATENCY = "latency_s"
TOKEN_CLASSES = (*(each.value for each in CallClass), "unattributed")
"""What an answer's tokens are spent on, as the metrics ``*_tokens`` name it."""

_SERIES = (  # of the colour-blind safe palette of Okabe and Ito, with the squares that come nearest for a legend in text
    ("🟦", "#0072B2"),
    ("🟧", "#E69F00"),
    ("🟩", "#009E73"),
    ("🟪", "#CC79A7"),
)
_LONGEST = 24  # characters of a name on an axis
_ALLOWED = frozenset(" ._-+()/:")  # beside letters and digits
_WORTH_A_BAR = 0.005  # of the largest: a shorter bar is not seen
_HEADROOM = 1.05
_HEIGHT, _MARGINS, _BAR = 280, 80, 30  # pixels: of a chart of lines, around bars, of a bar with its gap


def latencies(report: Report) -> Iterator[str]:
    """Yield the lines of a chart of every arm's latency percentiles; nothing where no arm has one, or they are too many."""
    found = [(arm.arm, of) for arm in report.analysis.arms if (of := _percentiles(arm))]
    ranks = sorted(set.intersection(*(set(of) for _, of in found))) if found else []
    if len(ranks) < 2 or len(found) > len(_SERIES):
        return
    scale = figures.scale_of(content.definition(report, LATENCY), *(value for _, of in found for value in of.values()))
    series = [[of[rank] * scale.factor for rank in ranks] for _, of in found]
    legend = ", ".join(f"{square} {name(arm)}" for (square, _), (arm, _) in zip(_SERIES, found, strict=False))
    yield f"_{markdown(f'{LATENCY} by percentile: {legend}')}_"
    yield from _fence(
        "xychart-beta",
        f"    x-axis [{', '.join(f'p{rank}' for rank in ranks)}]",
        f'    y-axis "{name(scale.suffix.strip())}" 0 --> {_number(_HEADROOM * max(map(max, series)))}',
        *(f"    line [{', '.join(map(_number, values))}]" for values in series),
        colours=[colour for _, colour in _SERIES[: len(series)]],
        height=_HEIGHT,
    )


def tokens(report: Report) -> Iterator[str]:
    """Yield the lines of a chart of a mean answer's tokens by class of call, one bar a class and arm; nothing without any."""
    arms = report.analysis.arms
    means = [(kind, arm.arm, _mean(arm, f"{kind}_tokens")) for kind in TOKEN_CLASSES for arm in arms]
    largest = max((value for _, _, value in means), default=0.0)
    bars = [(kind, arm, value) for kind, arm, value in means if value > _WORTH_A_BAR * largest]
    if len(bars) < 2 or len(arms) > len(_SERIES):
        return
    yield "_Tokens of a mean answer by class of call_"
    names = [f'"{name(arm)} {kind}"' for kind, arm, _ in bars]
    yield from _fence(
        "xychart-beta horizontal",
        f"    x-axis [{', '.join(names)}]",
        f'    y-axis "tokens" 0 --> {_number(_HEADROOM * largest)}',
        f"    bar [{', '.join(_number(value) for _, _, value in bars)}]",
        colours=[_SERIES[0][1]],
        height=_MARGINS + _BAR * len(bars),
    )


def name(text: str) -> str:
    """Return a name as it may stand between quotes in a chart and between marks in Markdown."""
    kept = "".join(c if c.isalnum() or c in _ALLOWED else "·" for c in plain(text))
    return kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 1]}…"


def _fence(kind: str, *lines: str, colours: Sequence[str], height: int) -> Iterator[str]:
    theme = f"'themeVariables': {{'xyChart': {{'plotColorPalette': '{', '.join(colours)}'}}}}"
    yield ""
    yield "```mermaid"
    yield f"%%{{init: {{'xyChart': {{'height': {height}}}, {theme}}}}}%%"
    yield kind
    yield from lines
    yield "```"


def _percentiles(arm: ArmSummary) -> dict[int, float]:
    summary = arm.metrics.get(LATENCY)
    values = {} if summary is None else {rank: figures.finite(of.value) for rank, of in summary.percentiles.items()}
    return {rank: value for rank, value in values.items() if value is not None and value >= 0}


def _mean(arm: ArmSummary, metric: str) -> float:
    summary = arm.metrics.get(metric)
    return (figures.finite(summary.mean.value) if summary is not None else None) or 0.0


def _number(value: float) -> str:
    """Write a number as Mermaid reads one: no exponent, no more digits than a picture shows."""
    text = f"{value:.4f}" if value < 1 else f"{value:.2f}" if value < 1_000 else f"{value:.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
