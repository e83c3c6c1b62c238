"""What to change, ranked by what it could save: sums one can check in the head."""

import polars as pl
from report.reports import report

from uderia_bench.report import tables
from uderia_bench.report.content import Saving
from uderia_bench.report.savings import savings

TRIALS = pl.DataFrame(
    {
        "trial_id": ["t1", "t2", "t3", "t4"],
        "arm": ["OPTIM", "OPTIM", "OPTIM", "IDEAT"],
        "stage": ["measured", "measured", "warmup", "measured"],
        "total_tokens": [600, 400, 9_000, 100],
    }
)


def issue(trial, kind, lost, *, arm="OPTIM", query="q", stage="measured"):
    """Make one finding."""
    return {"trial_id": trial, "kind": kind, "tokens_lost": lost, "arm": arm, "query_id": query, "stage": stage,
            "recommendation": f"mend {kind}", "method": "counted"}  # fmt: skip


def of(*issues):
    """Rank these findings."""
    return savings(pl.DataFrame(list(issues), infer_schema_length=None), TRIALS)


def test_the_largest_share_of_an_arms_tokens_comes_first():
    """The largest share of an arm's tokens comes first, with the costliest trials as examples."""
    found = of(
        issue("t1", "recursion", 100, query="a"),
        issue("t2", "recursion", 200, query="b"),
        issue("t1", "format", 50),
        issue("t4", "format", 50, arm="IDEAT"),
    )
    assert [(saving.arm, saving.kind, saving.tokens, saving.share) for saving in found] == [
        ("IDEAT", "format", 50, 0.5),
        ("OPTIM", "recursion", 300, 0.3),
        ("OPTIM", "format", 50, 0.05),
    ]
    assert (found[1].count, found[1].queries, found[1].examples) == (2, ("b", "a"), ("t2", "t1"))


def test_what_has_no_estimate_and_what_was_warm_up_is_not_ranked():
    """No number is not zero tokens saved: it is no rank."""
    nothing = issue("t1", "recursion", None), issue("t3", "recursion", 500, stage="warmup"), issue("t2", "format", 0)
    assert of(*nothing) == ()


def test_the_table_names_what_to_change_and_where_to_look():
    """The recommendation, the queries that lose most, a trial."""
    saving = Saving(
        arm="OPTIM",
        kind="recursion",
        tokens=23_765,
        share=0.02,
        count=6,
        queries=("a", "b"),
        examples=("t1", "t2"),
        recommendation="Limit the retries.",
        method="counted",
    )
    table = tables.savings(report(savings=(saving,)))
    assert [cell.forms[0] for cell in table.rows[0]] == [
        *("OPTIM", "recursion", "23.8k", "2.0%", "6", "Limit the retries.", "e.g. t1; most on a, b"),
    ]
    assert tables.savings(report()) is None
