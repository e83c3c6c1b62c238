"""Table of the checks: one row per expectation and trial, with its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from uderia_bench.reading.expectations import Check
from uderia_bench.reading.tables import identity
from uderia_bench.reading.tables.columns import COUNT, NUMBER, TEXT, TRUTH, column
from uderia_bench.trial import Trial

SCHEMA = pa.schema(
    [
        *identity.COLUMNS,
        column("place", COUNT, "Place of the expectation in its query, from 1."),
        column("kind", TEXT, "Kind of the expectation."),
        column("expected", TEXT, "What the corpus expects."),
        column("weight", NUMBER, "Weight of the expectation."),
        column("passed", TRUTH, "Whether it is met; null where it could not be checked."),
        column("found", TEXT, "What was found instead or as proof, or why it could not be checked."),
    ],
    metadata={"schema": "uderia-bench/checks/1"},
)


def rows(run_id: str, trial: Trial, checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return one trial's checks as rows of ``SCHEMA``."""
    return [{**identity.of(run_id, trial), "place": place, **asdict(check)} for place, check in enumerate(checks, start=1)]
