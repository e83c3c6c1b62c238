"""Table of the pairs of answers that a judge compares: one row per contrast and pair of trials."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from uderia_bench.reading.judge.matches import Match, Preferred
from uderia_bench.reading.judge.pairs import Decided
from uderia_bench.reading.tables.columns import COUNT, NUMBER, TEXT, TRUTH, column

SCHEMA = pa.schema(
    [
        column("run_id", TEXT, "Id of the run."),
        column("baseline", TEXT, "Name of the baseline arm."),
        column("candidate", TEXT, "Name of the candidate arm."),
        column("query_id", TEXT, "Id of the query."),
        column("group", TEXT, "Group of queries that depend on each other; null for a query on its own."),
        column("complexity", TEXT, "Class of the query."),
        column("turn", COUNT, "Turn of the conversation, from 1."),
        column("repeat", COUNT, "Number of the repeat, from 1."),
        column("baseline_trial", TEXT, "Id of the baseline's trial."),
        column("candidate_trial", TEXT, "Id of the candidate's trial."),
        column(
            "preference", NUMBER, "1 where the candidate's answer won in both orders, 0 where the baseline's did, else 0.5."
        ),
        column("flipped", NUMBER, "Share of the judge's repeats in which it chose the same position in both orders."),
        column("same", TRUTH, "Whether both answers are the same text, which is a tie without a call."),
        column("baseline_chars", COUNT, "Length of the baseline's answer in characters."),
        column("candidate_chars", COUNT, "Length of the candidate's answer in characters."),
    ],
    metadata={"schema": "uderia-bench/preferences/1"},
)


def rows(run_id: str, found: Iterable[Preferred]) -> list[dict[str, Any]]:
    """Return the rows of ``SCHEMA``."""
    return [_row(run_id, each.match, each.decided) for each in found]


def _row(run_id: str, match: Match, decided: Decided | None) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "baseline": match.baseline.arm,
        "candidate": match.candidate.arm,
        "query_id": match.baseline.query_id,
        "group": match.baseline.group,
        "complexity": match.baseline.complexity,
        "turn": match.baseline.turn,
        "repeat": match.baseline.repeat,
        "baseline_trial": match.baseline.trial_id,
        "candidate_trial": match.candidate.trial_id,
        "preference": None if decided is None else decided.value,
        "flipped": None if decided is None else decided.flipped,
        "same": match.pair.same,
        "baseline_chars": len(match.pair.baseline),
        "candidate_chars": len(match.pair.candidate),
    }
