"""What the detectors found in a trial as rows, one a finding. It detects nothing and judges nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from uderia_bench.reading.detectors import Issue, Thresholds
from uderia_bench.reading.tables import identity
from uderia_bench.trial import Trial

_COLUMNS = (
    *identity.COLUMNS,
    ("kind", pa.string()),
    ("severity", pa.string()),
    ("evidence", pa.list_(pa.string())),  # "llm_call 2: …": kind and index of steps/*.parquet, then its figures
    ("recommendation", pa.string()),
    ("tokens_lost", pa.int64()),  # an estimate, by method; null where none can be made
    ("method", pa.string()),
)


def schema(thresholds: Thresholds) -> pa.Schema:
    """Return the Arrow schema of the issues; its metadata says what thresholds they were found with."""
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
