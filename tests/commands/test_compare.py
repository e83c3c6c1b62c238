"""The quick comparison: what its design can show, said before the first question."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from uderia_bench.analysis.notebook import compare
from uderia_bench.cli.compare import DEFAULT_REPEATS
from uderia_bench.commands.compare import outlook

PLANNED = ("latency_s", "total_tokens", "cost_usd")


@pytest.mark.parametrize(
    ("queries", "repeats", "said"),
    [
        (1, 5, "5 repeats cannot give a verdict, which needs at least 6: use --repeats 10"),
        (3, 10, "3 queries cannot give a verdict, which needs at least 6: use 6 queries or more"),
        (1, DEFAULT_REPEATS, "10 repeats can show a difference of 1.7 times"),
        (12, 1, "12 queries can show a difference of 1.6 times"),
    ],
)
def test_the_design_is_judged_before_the_run(queries, repeats, said):
    """Too few for any verdict names the way out; else the smallest difference that shows."""
    assert outlook(queries=queries, repeats=repeats)[0].startswith(said)


def test_the_default_decides_a_twofold_difference():
    """In at least 38 of 40 comparisons with the usual spread, adjusted over three planned metrics."""
    decided = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows = [
            {"query_id": "q", "arm": arm, "repeat": repeat, "outcome": "answered"}
            | {name: float(factor * np.exp(rng.normal(0.0, 0.3))) for name in PLANNED}
            for arm, factor in (("A", 1.0), ("B", 2.0))
            for repeat in range(1, DEFAULT_REPEATS + 1)
        ]
        found = compare(pl.DataFrame(rows), metrics=PLANNED, baseline="A", candidate="B", margins=dict.fromkeys(PLANNED, 0.1))
        decided += all(each.verdict == "worse" for each in found if each.metric in PLANNED)
    assert decided >= 38
