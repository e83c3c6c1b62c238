"""Every query with the answers of all arms side by side, their checks, and what differs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import polars as pl

from uderia_bench.printable import count_of
from uderia_bench.reading.expectations.facts import agreement
from uderia_bench.report import content, figures
from uderia_bench.report.content import QueryResult, Report
from uderia_bench.report.findings import ENOUGH
from uderia_bench.report.formats.html import listing
from uderia_bench.report.formats.html.kept import Kept
from uderia_bench.report.formats.html.markup import Markup, join, tag

_MOST = 300  # queries shown: the page stays below a few megabytes
_LONGEST = 600  # characters of an answer
_SHOWN = (("all", "all queries"), ("disagree", "arms disagree"), ("failed", "checks failed"))

_Answer = dict[str, Any]  # a row of the table of answers


def results(report: Report, kept: Kept) -> Markup | None:
    """Return one row per query with a cell per arm; None without a measured trial.

    Queries with failed checks come first, then those on which the arms disagree. The words are of
    the first answered repeat.
    """
    arms = [arm.arm for arm in report.analysis.arms]
    of_query: dict[tuple[str, int], dict[str, QueryResult]] = {}
    for found in report.results:
        of_query.setdefault((found.query, found.turn), {})[found.arm] = found
    if not of_query:
        return None
    said = _answers(kept.answers)
    rows = []
    for (query, turn), cells in of_query.items():
        answers = [said.get((query, turn, arm)) for arm in arms]
        failed = any(cell.failed for cell in cells.values())
        disagree = _disagree([cells.get(arm) for arm in arms], answers)
        rows.append((not failed, not disagree, _row(report, (query, turn), [cells.get(arm) for arm in arms], answers, kept)))
    rows.sort(key=lambda row: row[:2])
    body = [
        tag("tr", row, data_failed="" if not passed else None, data_disagree="" if not agree else None)
        for passed, agree, row in rows[:_MOST]
    ]
    options = (tag("option", words, value=name) for name, words in _SHOWN)
    choose = tag("p", tag("label", "Show ", tag("select", *options, id="results-shown")))
    head = (tag("th", "query", scope="col"), *(tag("th", arm, scope="col", class_="wordy") for arm in arms))
    grid = listing.grid("Answers of each query", head, body, name="Answers", id="results-table")
    lead = (
        "One answer of each arm, with the checks of all repeats. Marked words are numbers and names that another arm does not "
        "mention. Different answers are not wrong answers."
    )
    if len(rows) > _MOST:
        lead += f" Shows {_MOST} of {len(rows)} queries; answers/*.parquet has all."
    return listing.section("results", "Answers", choose, grid, lead=lead)


def _answers(table: pl.DataFrame | None) -> dict[tuple[str, int, str], _Answer]:
    """Return the first answered repeat by query, turn and arm."""
    if table is None:
        return {}
    first = table.sort("repeat").unique(["query_id", "turn", "arm"], keep="first")
    return {(row["query_id"], row["turn"], row["arm"]): row for row in first.iter_rows(named=True)}


def _disagree(cells: Sequence[QueryResult | None], answers: Sequence[_Answer | None]) -> bool:
    """Whether one arm answered and another did not, or two answers share too few numbers and names."""
    if len({bool(cell and cell.answered) for cell in cells}) > 1:
        return True
    stated = [frozenset(answer["facts"]) for answer in answers if answer is not None]
    shares = (agreement(one, other) for one, other in combinations(stated, 2))
    return any(share is not None and share < ENOUGH for share in shares)


def _row(
    report: Report, asked: tuple[str, int], cells: Sequence[QueryResult | None], answers: Sequence[_Answer | None], kept: Kept
) -> Markup:
    query, turn = asked
    name = f"{query}, turn {turn}" if turn > 1 else query
    prompt = kept.prompts.get(query) if turn == 1 else None
    shown = []
    for at, (cell, answer) in enumerate(zip(cells, answers, strict=True)):
        others = [set(other["facts"]) for number, other in enumerate(answers) if number != at and other is not None]
        shown.append(_cell(report, cell, answer, others))
    return join(tag("th", name, tag("p", prompt, class_="small") if prompt else None, scope="row"), *shown)


def _cell(report: Report, cell: QueryResult | None, answer: _Answer | None, others: Sequence[set[str]]) -> Markup:
    if cell is None:
        return tag("td", figures.MISSING)
    scale = figures.scale_of(content.definition(report, "latency_s"), cell.seconds)
    facts = [f"{cell.answered} of {cell.trials} answered"]
    if cell.otherwise:
        facts.append(content.outcome_words(cell.otherwise))
    if cell.checks:
        facts.append(f"{cell.passed} of {count_of(cell.checks, 'check')} passed")
    if cell.seconds is not None:
        facts.append(figures.amount(cell.seconds, scale))
    return tag(
        "td",
        tag("p", ", ".join(facts), class_="small bad" if cell.failed or not cell.answered else "small"),
        *(tag("p", f"failed: {text}", class_="small bad break") for text in cell.failed),
        _text(answer, others),
        class_="wordy answer",
    )


def _text(answer: _Answer | None, others: Sequence[set[str]]) -> Markup | None:
    """Return an answer with what other arms do not mention marked; None where its text is not kept."""
    text = (answer or {}).get("answer")
    if not text or answer is None:
        return None
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    own = set(answer["facts"]).difference(*others) if others else set()
    if not own:
        return tag("p", text, class_="break")
    pattern = "|".join(re.escape(fact) for fact in sorted(own, key=len, reverse=True))
    parts = re.split(rf"(?<!\w)({pattern})(?!\w)", text)
    return tag("p", *(tag("mark", part) if at % 2 else part for at, part in enumerate(parts)), class_="break")
