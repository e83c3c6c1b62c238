"""What a run's corpus expected of each answer, judged: the trace with its share of passed checks, and one row a check.

It reads no ledger and writes no file. The expectations come from the manifest, so that no corpus file is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from uderia_bench import identity
from uderia_bench.expectation import Expectation
from uderia_bench.expectations import Check, Evidence, ExpectationKind, judge, passed_ratio, plain_text
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Stage, Trial

Asked = tuple[str, int]
"""A query's id and the place of the turn in its conversation, from 1."""

Round = tuple[str, Stage, int]
"""Arm, stage and repetition: within one, answers to different queries may be compared."""

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
    """What is expected of a run's answers, and the kinds that judge it."""

    of: Mapping[Asked, tuple[Expectation, ...]] = field(default_factory=dict)
    kinds: Mapping[str, ExpectationKind] = field(default_factory=dict)

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
        evidence = Evidence(trace=trace, text=plain_text(trace.answer), others=others.get(round_of(trial), {}))
        checks = judge(evidence, expectations, self.kinds)
        return replace(trace, checks_passed_ratio=passed_ratio(checks)), checks


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
