"""What a run's corpus expected of each answer, judged: the trace with its share of passed checks, one row a check, a summary.

It reads no ledger and writes no file. The expectations come from the manifest, so that no corpus file is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
import pyarrow as pa

from uderia_bench import identity
from uderia_bench.detectors import Severity
from uderia_bench.expectation import Expectation
from uderia_bench.expectations import Check, Evidence, ExpectationKind, judge, passed_ratio, plain_text
from uderia_bench.judge import Case, Opinion, Score, Settings, opinion
from uderia_bench.report.content import IssueSummary
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Stage, Trial

Asked = tuple[str, int]
"""A query's id and the place of the turn in its conversation, from 1."""

Round = tuple[str, Stage, int]
"""Arm, stage and repetition: within one, answers to different queries may be compared."""

JUDGED = "llm_judge"
"""The kind whose answers a judge has to score before they can be checked."""

FAILED = "check_failed"
"""The finding that an answer did not meet an expectation."""

_QUOTED = 8  # failed checks that a report quotes; all are in checks/*.parquet

SCHEMA = pa.schema(
    [
        *identity.COLUMNS,
        ("place", pa.int64()),  # of the expectation in its query, from 1
        ("kind", pa.string()),
        ("expected", pa.string()),
        ("weight", pa.float64()),
        ("passed", pa.bool_()),  # null where it could not be judged; found says why
        ("found", pa.string()),
    ],
    metadata={"schema": "uderia-bench/checks/1"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is expected of a run's answers, the kinds that judge it, and the scores that a judge has given."""

    of: Mapping[Asked, tuple[Expectation, ...]] = field(default_factory=dict)
    kinds: Mapping[str, ExpectationKind] = field(default_factory=dict)
    judge: Settings | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)

    @property
    def references(self) -> frozenset[str]:
        """The queries whose answers others are compared with (``same_as``): they have to be read first."""
        return frozenset(
            value
            for expectations in self.of.values()
            for expectation in expectations
            for _, kind, value in expectation.named()
            if kind == "same_as"
        )

    def judged(self, trial: Trial, trace: Trace, others: Mapping[Round, Mapping[str, str]]) -> tuple[Trace, tuple[Check, ...]]:
        """Return the trace with ``checks_passed_ratio``, and its checks; ``others`` are plain answers by round and query."""
        expectations = self.of.get((trial.query_id, trial.turn), ())
        if not expectations:
            return trace, ()
        text = plain_text(trace.answer)

        def opinion_of(rubric: str) -> Opinion | None:
            return opinion(Case(rubric=rubric, prompt=trial.prompt, answer=text), self.judge, self.scores)

        evidence = Evidence(trace=trace, text=text, others=others.get(round_of(trial), {}), opinion_of=opinion_of)
        checks = judge(evidence, expectations, self.kinds)
        return replace(trace, checks_passed_ratio=passed_ratio(checks)), checks

    def rubrics(self, trial: Trial) -> tuple[str, ...]:
        """Return what a judge should look at in a trial's answer."""
        return tuple(
            value.rubric
            for expectation in self.of.get((trial.query_id, trial.turn), ())
            for _, kind, value in expectation.named()
            if kind == JUDGED
        )

    def cases(self, trial: Trial, trace: Trace) -> tuple[Case, ...]:
        """Return what a judge should score of a trial; nothing where it did not answer."""
        if trace.outcome is not Outcome.ANSWERED:
            return ()
        text = plain_text(trace.answer)
        return tuple(Case(rubric=rubric, prompt=trial.prompt, answer=text) for rubric in self.rubrics(trial))


def round_of(trial: Trial) -> Round:
    """Return the round a trial belongs to."""
    return trial.arm, trial.stage, trial.repeat


def plain_answers(read: Iterable[tuple[Trial, Trace]]) -> dict[Round, dict[str, str]]:
    """Return the plain answers of trials by round and query; of a conversation the last turn's, unanswered ones left out."""
    answers: dict[Round, dict[str, str]] = {}
    for trial, trace in sorted(read, key=lambda pair: pair[0].turn):
        if trace.outcome is Outcome.ANSWERED and trace.answer:
            answers.setdefault(round_of(trial), {})[trial.query_id] = plain_text(trace.answer)
    return answers


def rows(run_id: str, trial: Trial, checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return one trial's checks as rows of ``SCHEMA``."""
    return [
        {
            **identity.of(run_id, trial),
            "place": place,
            "kind": check.kind,
            "expected": check.expected,
            "weight": check.weight,
            "passed": check.passed,
            "found": check.found,
        }
        for place, check in enumerate(checks, start=1)
    ]


def summary(checks: pl.DataFrame) -> tuple[IssueSummary, ...]:
    """Return the finding that checks failed, with quotes: first what another arm passes, then what fails most often.

    ``checks`` is a run's table of ``SCHEMA``; its share is of the measured trials that were judged.
    """
    judged = checks.filter((pl.col("stage") == Stage.MEASURED.value) & pl.col("passed").is_not_null())
    failed = judged.filter(~pl.col("passed"))
    if failed.is_empty():
        return ()
    by_arm = judged.group_by("query_id", "turn", "place", "kind", "expected", "arm").agg(
        pl.col("passed").mean().alias("rate"),
        pl.len().alias("of"),
        (~pl.col("passed")).sum().alias("failed"),
        pl.col("found", "trial_id").filter(~pl.col("passed")).first(),
    )
    gap = pl.col("rate").max().over("query_id", "turn", "place") - pl.col("rate")
    worst = (
        by_arm.with_columns(gap.alias("gap"))
        .filter(pl.col("failed") > 0)
        .sort("gap", "failed", "query_id", "place", "arm", descending=[True, True, False, False, False])
        .head(_QUOTED)
    )
    quotes = tuple(_quoted(row) for row in worst.iter_rows(named=True))
    count, total = failed["trial_id"].n_unique(), judged["trial_id"].n_unique()
    return (
        IssueSummary(
            kind=FAILED,
            severity=Severity.WARNING,
            count=count,
            share=count / total,
            recommendation="Read the answers: an arm that is quick and wrong is no winner. All checks are in checks/*.parquet.",
            evidence=quotes,
            seen=quotes[0],
            trial=worst["trial_id"][0],
        ),
    )


def _quoted(row: dict[str, Any]) -> str:
    turn = f", turn {row['turn']}" if row["turn"] > 1 else ""
    often = f"{row['failed']} of {row['of']}"
    return f"{row['query_id']}{turn} on {row['arm']}, {often}: {row['kind']} {row['expected']}, found: {row['found']}"
