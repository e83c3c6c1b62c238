"""The report for a terminal: 80 columns, the decision first and last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from uderia_bench.printable import plain
from uderia_bench.report import content, monthly
from uderia_bench.report.about import about, method
from uderia_bench.report.closing import closing
from uderia_bench.report.content import Report, Tone
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.headline import headline
from uderia_bench.report.sections import decisive_tables_of, lists, tables_of

_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_CODES = {Tone.GOOD: "\x1b[32m", Tone.BAD: "\x1b[31m", Tone.DOUBTFUL: "\x1b[33m"}
_BRIEF_LISTS = frozenset({monthly.TITLE, "Answers", "Judge", "Warnings", "Files"})
_MORE = "'uderia-bench report {run}' shows what to change, percentiles, every metric, and how to read them"
_LABEL = 10  # columns of the labels of the run's facts


def to_text(report: Report, width: int = 80, *, colour: bool = False, brief: bool = False, leaving: bool = False) -> str:
    """Return the report in lines of at most ``width`` columns.

    ``colour`` adds terminal colours. Control characters in data are written out. ``brief`` keeps
    the decision, the tables it rests on and the warnings, and names the command for the rest.
    ``leaving`` is for the command that exits with the code in the closing line.
    """
    return "\n".join(_lines(report, width, colour=colour, brief=brief, leaving=leaving)) + "\n"


def _lines(report: Report, width: int, *, colour: bool, brief: bool, leaving: bool) -> Iterator[str]:
    decided = [line for each in headline(report) for line in _bold(wrapped(str(each), width, rest="  "), on=colour)]
    if not brief:
        yield from (*decided, "")
    for label, text in about(report):
        if brief and label == "versions":
            continue
        yield from wrapped(text, width, first=f"{label:<{_LABEL}}", rest=" " * _LABEL)
    for table in decisive_tables_of(report) if brief else tables_of(report):
        yield ""
        yield from _bold(wrapped(table.title, width), on=colour)
        yield from lay_out(table, width, _coloured if colour else None)
    several = {"Winners"} if len(content.contrasts(report.analysis)) > 1 else set()  # the decision names a single one
    told = [(title, items) for title, items in lists(report) if not brief or title in _BRIEF_LISTS | several]
    rest = _MORE.format(run=plain(content.typed(report.facts)))
    more = ("More", (method(report)[0], rest)) if brief else ("How to read this", method(report))
    for title, items in (*told, more):
        yield ""
        yield from _bold([title], on=colour)
        for item in items:
            yield from wrapped(item, width, first="  ", rest="    ")
    if last := closing(report, leaving=leaving):
        yield ""
        yield from _bold(wrapped(last, width, rest="  "), on=colour)
    yield from ("", *decided)


def _bold(lines: Iterable[str], *, on: bool) -> Iterator[str]:
    return (f"{_BOLD}{line}{_RESET}" if on else line for line in lines)


def _coloured(text: str, tone: Tone) -> str:
    return f"{_CODES[tone]}{text}{_RESET}" if text and tone in _CODES else text
