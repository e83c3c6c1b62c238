"""Order of the parts of a report. Every format follows it."""

from __future__ import annotations

from collections.abc import Iterator

from uderia_bench.analysis.values import Winner
from uderia_bench.report import changes, content, contrasts, memory, monthly, sweep, tables
from uderia_bench.report.content import Report
from uderia_bench.report.measurement import measurement
from uderia_bench.report.table import Table

QUOTED = frozenset({"check_failed", "answers_disagree"})
"""Issues about answers. Every format quotes them, so that a reader sees the words."""


def tables_of(report: Report) -> Iterator[Table]:
    """Yield all tables in order.

    They are outcomes, load, interim looks, contrasts with their tails, memory, percentiles, cost, learning,
    metrics without a test, issues, measured changes, estimated savings and gates.
    """
    yield from _present(tables.outcomes(report), sweep.table(report), tables.looks(report))
    for pair in content.contrasts(report.analysis):
        yield from _present(contrasts.planned(report, pair), contrasts.tails(report, pair))
        yield from _present(contrasts.exploratory(report, pair), contrasts.by_stratum(report, pair))
    yield from _present(tables.query_effects(report))
    yield from memory.tables(report)
    yield from _present(tables.percentiles(report), tables.costs(report), tables.learning(report))
    yield from tables.shown_only(report)
    yield from _present(tables.issues(report), changes.measured(report), tables.savings(report), tables.gates(report))


def decisive_tables_of(report: Report) -> Iterator[Table]:
    """Yield the tables that a decision rests on: outcomes, load, planned contrasts, tails that withhold a verdict, gates."""
    yield from _present(tables.outcomes(report), sweep.table(report))
    for pair in content.contrasts(report.analysis):
        yield from _present(contrasts.planned(report, pair) or contrasts.exploratory(report, pair))
        yield from _present(contrasts.tails(report, pair, withheld=True))
    yield from _present(tables.gates(report))


def lists(report: Report) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield lists of sentences by title, without empty lists.

    They are winners with reasons, the cost per month, failed checks, the judge, conversations, warnings, the
    measurement, and files.
    """
    winners = (
        f"{winner.stratum} queries, {winner.candidate} compared with {winner.baseline}: {_won(winner)}"
        for winner in report.analysis.winners
    )
    quotes = (f"{issue.kind}: {quote}" for issue in report.issues if issue.kind in QUOTED for quote in issue.evidence)
    parts = (
        ("Winners", tuple(winners)),
        (monthly.TITLE, monthly.sentences(report)),
        ("Answers", tuple(quotes)),
        ("Judge", report.judge),
        ("Conversations", report.conversations),
        ("Warnings", (*report.warnings, *report.analysis.warnings)),
        ("Measurement", measurement(report)),
        ("Files", report.facts.files),
    )
    return (part for part in parts if part[1])


def _won(winner: Winner) -> str:
    return f"{winner.arm} ({winner.reason})" if winner.arm else winner.reason


def _present(*found: Table | None) -> Iterator[Table]:
    return (table for table in found if table is not None)
