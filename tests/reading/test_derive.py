"""What derivation promises: the ledger alone gives the same table again, a new metric is one value, a failing one is named."""

from __future__ import annotations

from dataclasses import replace

import exchanges
import polars as pl
import pyarrow.parquet as pq
import pytest
import traces
from ledgers import settle
from runs import manifest_of

from uderia_bench.errors import DetectorFailed, MetricFailed
from uderia_bench.reading import derive, detectors, metrics
from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.runs import directory
from uderia_bench.runs.ledger import Ledger

TASK = {"task_id": "task-1", "status": "complete", "events": [], "result": {"final_answer_text": "3 databases"}}
PROMPT_LENGTH = Metric(
    name="words_of_this_test",
    family="answer",
    doc="Words in the answer.",
    unit="1",
    kind=int,
    direction=Direction.NEUTRAL,
    assumption=Assumption.AMOUNT,
    read=lambda trace: None if trace.answer is None else len(trace.answer.split()),
)


@pytest.fixture
def run(tmp_path):
    """Return a run of three settled trials, one of them without bodies."""
    trials = [traces.trial(trial_id=f"t{n}", seq=n, query_id=f"q{n}", tags=("a", "b")) for n in range(3)]
    arm = traces.expected(server="http://s", profile_tag="IDEAT", profile_type="llm_only")
    made = directory.create(tmp_path, "r")
    with Ledger.create(made.ledger, trials, {"A": arm}) as ledger:
        for trial in trials:
            task = TASK if trial.seq else None
            settle(ledger, traces.record(task, trial=trial, expected=arm, sent_s=1.0, accepted_s=1.5))
    made.write_manifest(manifest_of("r").to_json())
    return made


def derived(run, definitions=metrics.BUILT_IN) -> pl.DataFrame:
    """Derive and return the table."""
    assert derive.run(run, derive.Reading(metrics=definitions)) == 3
    return run.trials()


def test_the_same_ledger_gives_the_same_table(run):
    """Deriving twice changes nothing."""
    assert derived(run).equals(derived(run))


def test_the_columns_are_the_contracts(run):
    """Identity, who served, how it ended, when; then one column a metric, with unit and doc in the file."""
    table = derived(run)
    assert table.columns[:10] == [
        "run_id",
        "trial_id",
        "seq",
        "block",
        "stage",
        "query_id",
        "complexity",
        "tags",
        "arm",
        "repeat",
    ]
    assert table.columns[-len(metrics.BUILT_IN) :] == [metric.name for metric in metrics.BUILT_IN]
    assert table.columns[10:14] == ["turn", "level", "window", "group"]
    assert table.schema["due_at"] == pl.Datetime("us", "UTC")
    assert table["tags"].to_list() == [["a", "b"]] * 3
    field = pq.read_schema(run.path / "trials" / "part-0.parquet").field("latency_s")
    assert field.metadata[b"unit"] == b"s"


def test_none_is_the_only_missing(run):
    """A trial without bodies has an outcome and no zero, no NaN."""
    bare = derived(run).filter(pl.col("trial_id") == "t0")
    assert bare["outcome"].item() != "answered"
    assert bare["latency_s"].item() is None
    assert bare["total_tokens"].item() is None


def test_a_metric_is_one_value(run):
    """Adding one appears in the table with no other line changed."""
    table = derived(run, (*metrics.BUILT_IN, PROMPT_LENGTH))
    assert table.schema["words_of_this_test"] == pl.Int64


def test_a_failing_metric_names_itself_and_the_trial(run):
    """Derivation stops loudly and what was derived before stays."""
    before = derived(run)

    def fail(_trace):
        raise KeyError("no such step")

    with pytest.raises(MetricFailed, match=r"trial t0: .*words_of_this_test"):
        derived(run, (replace(PROMPT_LENGTH, read=fail),))
    assert run.trials().equals(before)


@pytest.mark.parametrize("value", [1.5, "two", float("nan")])
def test_a_value_of_another_type_is_refused(run, value):
    """An int metric that returns 1.5 is an error, never a 1."""
    with pytest.raises(MetricFailed, match="words_of_this_test"):
        derived(run, (replace(PROMPT_LENGTH, read=lambda _trace: value),))


def test_a_run_with_nothing_settled_has_its_columns(tmp_path):
    """An empty table is a table."""
    made = directory.create(tmp_path, "empty")
    Ledger.create(made.ledger, [traces.trial()], {"A": traces.expected()}).close()
    assert derive.run(made, derive.Reading()) == 0
    assert "latency_s" in pl.read_parquet(made.path / "trials" / "part-0.parquet").columns


def test_steps_and_issues_are_written_in_the_same_pass(tmp_path):
    """One row per LLM call, tool call, phase and finding; trial, kind and index join them."""
    made = directory.create(tmp_path, "r")
    trial = traces.trial()
    with Ledger.create(made.ledger, [trial], {"A": traces.expected()}) as ledger:
        settle(ledger, traces.record(*exchanges.one_tool_run(tactical=True), trial=trial))
    derive.run(made, derive.Reading())
    steps = pl.read_parquet(made.path / "steps" / "part-0.parquet")
    assert steps.select("kind", "index", "parent", "class", "name", "path").rows() == [
        ("phase", 1, None, None, "goal 1", "tactical"),
        ("phase", 2, None, None, "goal 2", "fast"),
        ("llm_call", 1, None, "strategic", "Calling LLM for Planning", None),
        ("llm_call", 2, 1, "tactical", "Calling LLM for Tactical Action", None),
        ("llm_call", 3, 2, "report", "Calling LLM for TDA_FinalReport", None),
        ("tool_call", 1, 1, "data", "base_tableList", "llm"),
        ("tool_call", 2, 2, "system", "TDA_FinalReport", "plan"),
    ]
    assert steps["input_tokens"].to_list() == [None, None, 1000, 300, 200, None, None]
    assert (steps["trial_id"].unique().to_list(), steps["query_id"].unique().to_list()) == (["t-1"], ["q"])
    [issue] = pl.read_parquet(made.path / "issues" / "part-0.parquet").to_dicts()
    assert (issue["kind"], issue["severity"], issue["tokens_lost"]) == ("missed_fast_path", "warning", 320)
    assert issue["evidence"][1] == "llm_call 2: Calling LLM for Tactical Action (tactical), 300 + 20 tokens"
    written = pq.read_schema(made.path / "issues" / "part-0.parquet").metadata
    assert written[b"threshold strategic_tokens"] == b"10000"


def test_a_failing_detector_names_itself_and_the_trial(run):
    """As a metric does; what was derived before stays."""
    before = derived(run)

    def fail(_trace, _thresholds):
        raise KeyError("no such step")

    broken = replace(detectors.BUILT_IN[0], name="mine", find=fail)
    with pytest.raises(DetectorFailed, match="trial t0: detector mine raised KeyError"):
        derive.run(run, derive.Reading(detectors=(broken,)))
    assert run.trials().equals(before)
