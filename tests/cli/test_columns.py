"""The data dictionary, and the tables and comparisons of the Python API, on a real run."""

import json
import shutil

import polars as pl
import pyarrow.parquet as pq
import pytest

import uderia_bench as ub
from uderia_bench.errors import StoreError, UsageError


def test_every_column_of_every_table_of_a_run_has_a_meaning(once):
    """By the files themselves, in their order, those of the metrics included."""
    known = ub.columns()
    assert known.filter(pl.col("meaning").str.len_chars() < 5).is_empty()
    folders = {part.parent for part in once.glob("*/*.parquet")}
    assert {folder.name for folder in folders} >= {"trials", "steps", "issues", "checks", "answers"}
    for folder in folders:
        (part,) = folder.glob("*.parquet")
        assert pq.read_schema(part).names == known.filter(pl.col("table") == folder.name)["column"].to_list()


def test_the_command_prints_the_same_dictionary(command):
    """As text, with the unit of a metric, and as JSON."""
    told = command("metrics", "--columns").stdout
    assert "steps: One row per LLM call, tool call or phase." in told
    assert "  latency_s [number, s]" in told
    rows = json.loads(command("metrics", "--columns", "--json").stdout)
    assert pl.DataFrame(rows).equals(ub.columns())


def test_the_other_tables_are_read_as_trials_are(once):
    """By id, by path and by glob; a run that is not there is an error."""
    output = once.parent
    assert ub.steps("whole", output=output)["trial_id"].n_unique() > 4
    assert ub.answers(once).columns[:2] == ["run_id", "trial_id"]
    assert ub.checks(str(output / "*")).columns == ub.checks("latest", output=output).columns
    with pytest.raises(StoreError, match="no run 'none'"):
        ub.steps("none", output=output)


def test_two_runs_are_not_pooled_by_accident(once, tmp_path):
    """The error names the runs and the ways out. With pool=True they count as one run."""
    shutil.copytree(once, tmp_path / "output/one")
    trials = pl.concat([ub.load(once), ub.load(once).with_columns(run_id=pl.lit("other"))])
    question = {"baseline": "IDEAT", "candidate": "OPTIM", "metrics": "latency_s"}
    with pytest.raises(UsageError, match=r"trials of 2 runs \(other, whole\): load one of them, compare two with ub\.diff"):
        ub.compare(trials, **question)
    assert ub.compare(trials, **question, pool=True)[0].n_pairs >= ub.compare(ub.load(once), **question)[0].n_pairs


def test_diff_gives_the_comparisons_of_the_command(once, tmp_path):
    """One per arm, metric and class of queries. A run is not compared with itself."""
    output = tmp_path / "output"
    for name in ("first", "second"):
        shutil.copytree(once, output / name)
        manifest = output / name / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"whole"', f'"{name}"'))
    found = ub.diff("first", "second", output=output)
    assert {each.candidate for each in found} == {"IDEAT (run)", "OPTIM (run)"}
    assert {each.effect.value for each in found if each.metric == "total_tokens"} == {1.0}
    assert {each.candidate for each in ub.diff("first", "second", output=output, arm="OPTIM")} == {"OPTIM (run)"}
    with pytest.raises(UsageError, match="compared with itself"):
        ub.diff("first", "first", output=output)
