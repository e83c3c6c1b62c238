"""What the detectors found over a run: how often, on which queries, what share of tokens, and what the fast path saved."""

from __future__ import annotations

import polars as pl
import pytest

from uderia_bench.reading import detectors
from uderia_bench.report.issues import SAVED, summarise

ISSUES = {
    "trial_id": pl.String,
    "query_id": pl.String,
    "arm": pl.String,
    "stage": pl.String,
    "kind": pl.String,
    "severity": pl.String,
    "evidence": pl.List(pl.String),
    "recommendation": pl.String,
    "tokens_lost": pl.Int64,
}
STEPS = {
    "trial_id": pl.String,
    "arm": pl.String,
    "stage": pl.String,
    "kind": pl.String,
    "index": pl.Int64,
    "parent": pl.Int64,
    "class": pl.String,
    "path": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
}


def trials(stage="measured"):
    """Return two arms of four trials each, two queries, 1,000 tokens a trial."""
    rows = [(f"{arm}{n}", f"q{n % 2}", arm, stage, 1_000) for arm in ("IDEAT", "OPTIM") for n in range(4)]
    return pl.DataFrame(rows, schema=["trial_id", "query_id", "arm", "stage", "total_tokens"], orient="row")


def issue(trial, kind="missed_fast_path", lost=100, severity="warning", stage="measured"):
    """Return one finding."""
    arm, query = trial[:-1], f"q{int(trial[-1]) % 2}"
    return (trial, query, arm, stage, kind, severity, [f"phase 1 of {trial}"], "As found.", lost)


def step(trial, kind, index=1, **more):
    """Return one step."""
    row = {"trial_id": trial, "arm": trial[:-1], "stage": "measured", "kind": kind, "index": index, **more}
    return tuple(row.get(name) for name in STEPS)


def summed(*issues, steps=()):
    """Return the summaries of these findings and steps."""
    found = pl.DataFrame(issues, schema=ISSUES, orient="row")
    return summarise(found, trials(), pl.DataFrame(steps, schema=STEPS, orient="row"), detectors.BUILT_IN)


def test_how_often_on_which_queries_at_what_share_of_the_tokens():
    """Three findings in two of OPTIM's four trials: 50 % of the arm that can have them, 300 of its 4,000 tokens."""
    [summary] = summed(issue("OPTIM0"), issue("OPTIM0"), issue("OPTIM1"))
    assert (summary.kind, summary.severity, summary.count, summary.share) == ("missed_fast_path", "warning", 2, 0.5)
    assert summary.evidence == (
        "OPTIM: 2 of 4 trials, queries q0 (1), q1 (1); about 300 tokens, 7.5% of the arm's",
        "for example trial OPTIM0: phase 1 of OPTIM0",
    )
    assert (summary.trial, summary.seen) == ("OPTIM0", "phase 1 of OPTIM0")
    advice = {detector.name: detector.recommendation for detector in detectors.BUILT_IN}
    assert summary.recommendation == advice["missed_fast_path"]


def test_without_an_estimate_no_tokens_are_named():
    """None is not 0."""
    [summary] = summed(issue("OPTIM0", lost=None))
    assert summary.evidence[0] == "OPTIM: 1 of 4 trials, queries q0 (1)"


def test_errors_come_first_then_the_most_frequent():
    """The worst severity of a kind is the kind's."""
    found = summed(
        issue("OPTIM0", "warm_repeat", severity="info"),
        issue("OPTIM0"),
        issue("IDEAT0", "recursion", severity="warning"),
        issue("IDEAT1", "recursion", severity="error"),
        issue("OPTIM0", "unattributed_tokens"),
        issue("OPTIM1", "unattributed_tokens"),
    )
    assert [summary.kind for summary in found] == ["recursion", "unattributed_tokens", "missed_fast_path", "warm_repeat"]


def test_a_kind_of_a_plug_in_that_is_gone_keeps_its_own_advice():
    """An old run may hold findings of a detector that is not installed."""
    [summary] = summed(issue("OPTIM0", "gone"))
    assert summary.recommendation == "As found."


def test_warm_ups_are_not_counted():
    """They are kept and never measured."""
    assert summed(issue("OPTIM0", stage="warmup")) == ()


TACTICAL = step("OPTIM1", "llm_call", **{"class": "tactical", "input_tokens": 1_900, "output_tokens": 100})
SKIPPED = (
    step("OPTIM0", "phase", 1, path="fast"),
    step("OPTIM0", "phase", 2, path="fast"),  # the report: no data tool
    step("OPTIM0", "tool_call", 1, parent=1, **{"class": "data"}),
    step("OPTIM0", "tool_call", 2, parent=1, **{"class": "data"}),
    step("OPTIM0", "tool_call", 3, parent=2, **{"class": "system"}),
)


def test_what_the_fast_path_saved_is_estimated_from_the_runs_own_tactical_calls():
    """One data phase ran without a tactical call, one trial made one of 2,000 tokens."""
    [saved] = summed(steps=(*SKIPPED, TACTICAL))
    assert (saved.kind, saved.severity, saved.count, saved.share) == (SAVED, "info", 1, 0.25)
    assert saved.evidence == (
        "OPTIM: 1 data phase x 2,000 tokens (mean tactical call) = 2,000 tokens saved, 50.0% of the arm's tokens",
    )


@pytest.mark.parametrize("steps", [(TACTICAL,), (step("OPTIM0", "phase", path="tactical"), TACTICAL)])
def test_nothing_skipped_is_nothing_saved(steps):
    """No line at all."""
    assert summed(steps=steps) == ()


def test_without_a_tactical_call_nothing_is_estimated():
    """It says that phases skipped, and why there is no figure."""
    [saved] = summed(steps=SKIPPED)
    assert saved.evidence == ("OPTIM: 1 data phase; no estimate, because this run has no tactical call",)
