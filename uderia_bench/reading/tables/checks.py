"""What a run's corpus expected of each answer, judged: the trace with its share of passed checks, one row a check, a summary.

It reads no ledger and writes no file. The expectations come from the manifest, so that no corpus file is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from uderia_bench.reading.expectations import Check
from uderia_bench.reading.tables import identity
from uderia_bench.trial import Trial

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
