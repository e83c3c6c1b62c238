"""What checks promise: judged from ledger and manifest alone, one row each, and a fast wrong arm that does not win."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import experiments
import polars as pl
import pytest
import traces
from ledgers import settle

from uderia_bench.analysis.analyse import analyse
from uderia_bench.documents.expectation import Expectation
from uderia_bench.errors import ExpectationFailed
from uderia_bench.reading import derive, metrics
from uderia_bench.reading import expected as expectations
from uderia_bench.reading.expectations import BUILT_IN
from uderia_bench.reading.tables import checks
from uderia_bench.report import findings
from uderia_bench.report.content import Report, RunFacts
from uderia_bench.report.formats.text import to_text
from uderia_bench.runs import directory, manifest
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run
from uderia_bench.trial import Ending

SAID = [
    {"contains": "3", "weight": 3},
    {"any": [{"contains": "three"}, {"same_as": "other"}]},
    {"phases_at_most": 1},
    {"contains": "early", "turn": 1},
]
QUERIES = (
    experiments.query(
        "q", turns=("first", "second"), expect=tuple(Expectation.model_validate(each, strict=False) for each in SAID)
    ),
    experiments.query("other"),
)


def task(answer):
    """Return the body of a task that answered."""
    return {"task_id": "t", "status": "complete", "events": [], "result": {"final_answer_text": answer}}


@pytest.fixture
def run(tmp_path):
    """Return a run of a two-turn conversation, and of another query, on two arms; B was asked and timed out."""
    experiment = experiments.built(QUERIES, repeats=1)
    arms = {name: traces.expected(server="sim", profile_tag=name, profile_type="llm_only") for name in ("A", "B")}
    answers = {("q", 1): "an early word", ("q", 2): "There are 3.", ("other", 1): "three"}
    trials = [
        traces.trial(trial_id=f"{query}-{arm}-{turn}", seq=seq, query_id=query, arm=arm, turn=turn)
        for seq, (arm, (query, turn)) in enumerate((arm, asked) for arm in arms for asked in answers)
    ]
    made = directory.create(tmp_path, "r")
    facts = manifest.begun(experiment, trials, run_id="r", arms=arms, servers={}, started_at=datetime.now(UTC))
    made.write_manifest(facts.to_json())
    with Ledger.create(made.ledger, trials, arms) as ledger:
        for trial in trials:
            ended = Ending.SETTLED if trial.arm == "A" else Ending.TIMED_OUT
            body = task(answers[trial.query_id, trial.turn])
            settle(ledger, traces.record(body, trial=trial, expected=arms[trial.arm], ending=ended))
    return made


def derived(run):
    """Derive with what the manifest expects; return trials and checks."""
    expected = expectations.of(Run.open(run).manifest, BUILT_IN)
    derive.run(run, derive.Reading(expected=expected))
    return run.trials(), pl.read_parquet(run.path / "checks")


def test_each_turn_is_judged_by_what_speaks_of_it(run):
    """Without a turn an expectation speaks of the last; a check each, in the order they are written."""
    _, found = derived(run)
    rows = found.filter(pl.col("arm") == "A").select("turn", "place", "kind", "weight", "passed").rows()
    assert rows == [
        (1, 1, "contains", 1.0, True),
        (2, 1, "contains", 3.0, True),
        (2, 2, "any", 1.0, True),  # same_as: "three" and "There are 3." state the same
        (2, 3, "phases_at_most", 1.0, None),
    ]


def test_the_ratio_is_the_trials_and_none_where_nothing_is_expected(run):
    """A metric as any other; a trial that did not answer has none and its checks say why."""
    trials, found = derived(run)
    ratio = dict(trials.select("trial_id", "checks_passed_ratio").rows())
    assert ratio == {"q-A-1": 1.0, "q-A-2": 1.0, "other-A-1": None, "q-B-1": None, "q-B-2": None, "other-B-1": None}
    assert set(found.filter(pl.col("arm") == "B")["found"]) == {"not checked: the trial ended timed_out"}
    assert found.filter(pl.col("arm") == "B")["passed"].null_count() == 4


def test_a_kind_that_raises_names_itself_and_the_trial(run):
    """A plug-in's mistake stops derivation loudly, and what was derived before stays."""
    _, before = derived(run)

    def fail(_evidence, _value):
        raise KeyError("no such thing")

    broken = tuple(replace(kind, judge=fail) if kind.name == "contains" else kind for kind in BUILT_IN)
    expected = expectations.of(Run.open(run).manifest, broken)
    with pytest.raises(ExpectationFailed, match="trial q-A-1: expectation contains raised KeyError"):
        derive.run(run, derive.Reading(expected=expected))
    assert pl.read_parquet(run.path / "checks").equals(before)


def test_a_run_that_expects_nothing_has_an_empty_table_with_its_columns(run):
    """So that several runs scan together."""
    derive.run(run, derive.Reading())
    assert pl.read_parquet(run.path / "checks").columns == checks.SCHEMA.names


def test_a_fast_wrong_arm_loses_complex_queries_to_a_slow_right_one():
    """Success first, then the quality of the answer, whatever the time."""
    rows = [
        {
            "query_id": f"q{query}",
            "arm": arm,
            "repeat": repeat,
            "outcome": "answered",
            "complexity": "complex",
            "latency_s": latency * (1 + 0.01 * ((query * 7 + repeat) % 5)),
            "checks_passed_ratio": right if (query + repeat) % 4 else 1.0 - right,
        }
        for query in range(20)
        for repeat in (1, 2, 3)
        for arm, latency, right in (("slow", 20.0, 1.0), ("fast", 2.0, 0.0))
    ]
    found = analyse(
        pl.DataFrame(rows),
        metrics=tuple(metric for metric in metrics.BUILT_IN if metric.name in frames_metrics()),
        contrasts=(("slow", "fast"),),
        margins={"latency_s": 0.1},
        correction="holm",
        confidence=0.95,
        seed=7,
    )
    (winner,) = [each for each in found.winners if each.stratum == "complex"]
    assert winner.arm == "slow"
    facts = RunFacts(
        run_id="r", experiment="e", servers=("s",), embedded_speed=None, corpus="c", corpus_hash="0" * 64, queries=20,
        repeats=3, seed=7, isolation="arm", concurrency=1, planned=120, settled={"answered": 120},
    )  # fmt: skip
    said = to_text(Report(facts=facts, analysis=found, metrics=metrics.BUILT_IN), 120, colour=False)
    assert "Complex queries: use slow" in said.splitlines()[1]
    faster = next(c for c in found.comparisons if c.metric == "latency_s" and c.stratum == "all")
    assert faster.verdict == "better"


def frames_metrics():
    """Name the metrics the frame above has, and ``answered``, which follows from the outcome."""
    return {"latency_s", "checks_passed_ratio", "answered"}


def check_rows(*rows):
    """Return a checks table: (query, arm, repeat, passed) each, of one expectation."""
    schema = pl.DataFrame(checks.SCHEMA.empty_table()).schema
    return pl.DataFrame(
        [
            {
                "run_id": "r", "trial_id": f"{query}-{arm}-{repeat}", "query_id": query, "turn": 1, "arm": arm,
                "stage": "measured", "repeat": repeat, "place": 1, "kind": "contains", "expected": "3", "weight": 1.0,
                "passed": passed, "found": "There are 4.",
            }
            for query, arm, repeat, passed in rows
        ],
        schema=schema,
    )  # fmt: skip


def test_failures_are_quoted_first_where_the_other_arm_is_right():
    """A query both arms fail says less about them than one that only one of them fails."""
    (found,) = findings.failed_checks(
        check_rows(
            ("both", "A", 1, False), ("both", "A", 2, False), ("both", "B", 1, False), ("both", "B", 2, False),
            ("one", "A", 1, True), ("one", "A", 2, True), ("one", "B", 1, False), ("one", "B", 2, None),
        )
    )  # fmt: skip
    assert (found.kind, found.count, found.share) == (findings.FAILED, 5, 5 / 7)
    assert found.evidence[0] == found.seen == "one on B, 1 of 1: contains 3, found: There are 4."
    assert [quote.split(":")[0] for quote in found.evidence[1:]] == ["both on A, 2 of 2", "both on B, 2 of 2"]
    assert findings.failed_checks(check_rows(("one", "A", 1, True), ("one", "B", 1, None))) == ()
