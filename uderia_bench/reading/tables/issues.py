"""Table of the issues: one row per finding of a detector in a trial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from uderia_bench.reading.detectors import Issue, Thresholds
from uderia_bench.reading.tables import identity
from uderia_bench.reading.tables.columns import COUNT, TEXT, TEXTS, column
from uderia_bench.trial import Trial

_COLUMNS = (
    *identity.COLUMNS,
    column("kind", TEXT, "Name of the detector."),
    column("severity", TEXT, "`info`, `warning` or `error`."),
    column("evidence", TEXTS, "Steps that show the issue, such as `llm_call 2: …`: kind and index of the table `steps`."),
    column("recommendation", TEXT, "What to do about it."),
    column("tokens_lost", COUNT, "Estimated tokens that it cost; null where there is no estimate."),
    column("method", TEXT, "How the tokens were estimated."),
)


def schema(thresholds: Thresholds) -> pa.Schema:
    """Return the Arrow schema of the issues. Its metadata holds the thresholds in force."""
    compared = {f"threshold {name}": f"{value:g}" for name, value in asdict(thresholds).items()}
    return pa.schema(_COLUMNS, metadata={"schema": "uderia-bench/issues/1", **compared})


def rows(run_id: str, trial: Trial, issues: Iterable[Issue]) -> list[dict[str, Any]]:
    """Return one trial's issues as rows of ``schema``."""
    whose = identity.of(run_id, trial)
    return [
        {
            **whose,
            "kind": issue.kind,
            "severity": issue.severity.value,
            "evidence": [str(evidence) for evidence in issue.evidence],
            "recommendation": issue.recommendation,
            "tokens_lost": issue.tokens_lost,
            "method": issue.method,
        }
        for issue in issues
    ]
