"""Cost of each arm in a month of production traffic, and the saving of the recommended arm.

The cost of a question is the mean over the measured trials of an arm, failed trials included. Traffic is
assumed to have the mix of questions of the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from uderia_bench.documents.yaml.quantities import DAYS_PER_MONTH
from uderia_bench.printable import plain
from uderia_bench.report import content, decision, figures
from uderia_bench.report.content import ArmMonth, Month, MonthlySaving, Report
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.trial import Outcome, Stage

TITLE = "Cost per month"

_COST = "cost_usd"


def month(report: Report, trials: pl.DataFrame, questions_per_day: float) -> Month | None:
    """Return the monthly cost of each arm of a report; None where no trial has a cost."""
    if _COST not in trials.columns or not trials[_COST].count():
        return None
    asked = _asked(trials)
    questions, level = questions_per_day * DAYS_PER_MONTH, report.analysis.confidence
    arms = ((arm.arm, _mean(asked.filter(pl.col("arm") == arm.arm), _COST, questions, level)) for arm in report.analysis.arms)
    return Month(
        questions_per_day=questions_per_day,
        arms=tuple(ArmMonth(arm=arm, usd=usd) for arm, usd in arms if usd.value is not None),
        savings=tuple(_savings(report, asked, questions, level)),
    )


def _savings(report: Report, asked: pl.DataFrame, questions: float, level: float) -> Iterator[MonthlySaving]:
    """Yield what the arm that wins a class of queries saves there, compared with each arm it beats."""
    for stratum in decision.STRATA:
        choice = decision.choose(decision.decisions(report, stratum))
        if choice.arm is None:
            continue
        rows = asked.filter(pl.col("complexity") == stratum)
        share = rows["query_id"].n_unique() / asked["query_id"].n_unique()
        for other in choice.beaten:
            usd = _difference(rows, choice.arm, other, questions * share, level)
            if usd.value is not None:
                yield MonthlySaving(stratum=stratum, share=share, arm=choice.arm, instead_of=other, usd=usd)


def saved(report: Report, trials: pl.DataFrame, arm: str, instead_of: str) -> Estimate | None:
    """Return what an arm saves in a month compared with another one; None without traffic or without costs."""
    if report.month is None:
        return None
    questions = report.month.questions_per_day * DAYS_PER_MONTH
    usd = _difference(_asked(trials), arm, instead_of, questions, report.analysis.confidence)
    return None if usd.value is None else usd


def usd_words(usd: Estimate) -> str:
    """Return dollars of a month with their range."""
    return f"{_usd(usd.value)}{_range(usd)}"


def _asked(trials: pl.DataFrame) -> pl.DataFrame:
    """Return the measured trials with the unit that each belongs to."""
    asked = trials.filter((pl.col("stage") == Stage.MEASURED) & (pl.col("outcome") != Outcome.CANCELLED))
    unit = pl.coalesce("group", "query_id") if "group" in asked.columns else pl.col("query_id")
    return asked.with_columns(unit.alias("unit"))


def _difference(rows: pl.DataFrame, arm: str, other: str, questions: float, level: float) -> Estimate:
    """Return how much less an arm costs than another one on the queries that both answered."""
    means = rows.group_by("unit", "query_id", "arm").agg(pl.col(_COST).mean()).drop_nulls()
    ours, theirs = (means.filter(pl.col("arm") == each) for each in (arm, other))
    both = ours.join(theirs, on=["unit", "query_id"]).with_columns(saved=pl.col(f"{_COST}_right") - pl.col(_COST))
    return _mean(both, "saved", questions, level)


def _mean(rows: pl.DataFrame, column: str, questions: float, level: float) -> Estimate:
    """Return a mean over clusters of rows, multiplied by the questions of a month."""
    known = rows.drop_nulls(column)
    units = np.unique(known["unit"].to_numpy(), return_inverse=True)[1]
    found = cluster_mean(
        known[column].to_numpy(), units, bounded=False, level=level, seed=0, missing=rows.height - known.height
    )
    return found.mapped(lambda usd: usd * questions)


def sentences(report: Report) -> tuple[str, ...]:
    """Return the monthly cost in words, the same in every format; empty without traffic."""
    found = report.month
    if found is None:
        return ()
    level = f"{100 * report.analysis.confidence:.4g}%"
    basis = (
        f"{found.questions_per_day:,.6g} questions a day with the mix of the corpus. Ranges are {level} confidence intervals"
    )
    arms = (f"{plain(arm.arm)}: {_usd(arm.usd.value)} a month{_range(arm.usd)}" for arm in found.arms)
    embedded = (content.embedded(report.facts.embedded_speed),) if report.facts.embedded_speed is not None else ()
    return (f"{basis}. Failed trials are included.", *arms, *map(_saving, found.savings), *embedded)


def _saving(saving: MonthlySaving) -> str:
    value, lo, hi = saving.usd.value, saving.usd.lo, saving.usd.hi
    assert value is not None
    who = f"{saving.stratum.capitalize()} queries ({figures.percentage(saving.share)} of the traffic): {plain(saving.arm)}"
    instead = f"instead of {plain(saving.instead_of)}"
    doubt = ". The difference may be chance" if lo is None or hi is None or lo <= 0 <= hi else ""
    if value >= 0:
        return f"{who} saves {_usd(value)} a month {instead}{_range(saving.usd)}{doubt}."
    return f"{who} costs {_usd(-value)} a month more {instead}{_range(saving.usd.mapped(lambda usd: -usd))}{doubt}."


def _range(usd: Estimate) -> str:
    if usd.lo is None or usd.hi is None:
        return " (no interval)"
    lo, hi = sorted((usd.lo, usd.hi))
    return f" ({_usd(lo)} to {_usd(hi)})"


def _usd(amount: float | None) -> str:
    """Return dollars of a month. Cents show only below 100 dollars."""
    if amount is None:
        return figures.MISSING
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.0f}" if abs(amount) >= 100 else f"{sign}{figures.usd(abs(amount))}"
