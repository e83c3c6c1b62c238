"""The report for a terminal: eighty columns, the decision first, tables as benchstat prints them. It prints nothing itself."""

from __future__ import annotations

from collections.abc import Iterator

from uderia_bench.report import content, tables
from uderia_bench.report.about import about, method
from uderia_bench.report.content import Report, Tone
from uderia_bench.report.headline import headline
from uderia_bench.report.layout import Paint, lay_out, wrapped
from uderia_bench.report.tables import Table

_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_CODES = {Tone.GOOD: "\x1b[32m", Tone.BAD: "\x1b[31m", Tone.DOUBTFUL: "\x1b[33m"}
_LABEL = 10  # columns of the labels of the run's facts


def to_text(report: Report, width: int = 80, *, colour: bool = False) -> str:
    """Return the report in lines of at most ``width`` columns; colours only where asked for, no control character from data."""
    return "\n".join(_lines(report, width, colour=colour)) + "\n"


def _lines(report: Report, width: int, *, colour: bool) -> Iterator[str]:
    paint = _coloured if colour else _uncoloured
    for line in headline(report, width=width):
        yield from (_bold(part, on=colour) for part in wrapped(line, width, rest="  "))
    yield ""
    for label, text in about(report):
        yield from wrapped(text, width, first=f"{label:<{_LABEL}}", rest=" " * _LABEL)
    for table in _tables(report):
        yield ""
        yield from (_bold(line, on=colour) for line in wrapped(table.title, width))
        yield from lay_out(table, width, paint)
    yield from _lists(report, width, colour=colour)


def _tables(report: Report) -> Iterator[Table]:
    yield tables.outcomes(report)
    for pair in content.contrasts(report.analysis):
        yield from tables.contrast(report, pair)
        if (by_stratum := tables.by_stratum(report, pair)) is not None:
            yield by_stratum
    yield from (table for table in (tables.percentiles(report),) if table is not None)
    yield from tables.shown_only(report)
    yield from (table for table in (tables.issues(report), tables.gates(report)) if table is not None)


def _lists(report: Report, width: int, *, colour: bool) -> Iterator[str]:
    winners = [
        f"{w.stratum} queries, {w.candidate} against {w.baseline}: {w.arm or 'no winner'}; {w.reason}"
        for w in report.analysis.winners
    ]
    parts = {
        "Winners": winners,
        "Warnings": (*report.warnings, *report.analysis.warnings),
        "How to read this": method(report),
        "Files": report.facts.files,
    }
    for title, items in parts.items():
        if items:
            yield ""
            yield _bold(title, on=colour)
        for item in items:
            yield from wrapped(item, width, first="  ", rest="    ")


def _bold(text: str, *, on: bool) -> str:
    return f"{_BOLD}{text}{_RESET}" if on and text else text


def _coloured(text: str, tone: Tone) -> str:
    return f"{_CODES[tone]}{text}{_RESET}" if text and tone in _CODES else text


_uncoloured: Paint = lambda text, _: text  # noqa: E731
