"""What a concluded run came to, kept: every form renders from it as from a fresh judgement, or it is said to be stale."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.html.pages import page_report, trials
from report.reports import METRICS, seed_story
from runs import manifest_of, saved

from uderia_bench import plugins
from uderia_bench.analysis.values import ArmSummary, Comparison, Learning, MetricSummary, Verdict, Winner
from uderia_bench.cli import report as command
from uderia_bench.commands import conclude, results
from uderia_bench.commands import report as rendering
from uderia_bench.reading.judge.asks import Score
from uderia_bench.reading.judge.scores import keep as judged
from uderia_bench.report.content import ArmCost, GateResult, IssueSummary, Report, Saving
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.run import Run
from uderia_bench.stats.estimate import Effect, Estimate

INSTALLED = plugins.load()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
NUMBER = st.none() | st.floats()
COUNT = st.integers(0, 10**9)
ENDS = {"value": NUMBER, "lo": NUMBER, "hi": NUMBER, "level": st.floats(0, 1)}
ESTIMATE = st.builds(Estimate, **ENDS, n=COUNT, missing=COUNT, method=TEXT, warnings=TEXTS)
COMPARISON = st.builds(
    Comparison,
    baseline=TEXT, candidate=TEXT, metric=TEXT, stratum=TEXT, family=TEXT, test=st.none() | TEXT, advice=st.none() | TEXT,
    effect=st.builds(Effect, kind=st.sampled_from(["ratio", "difference"]), method=TEXT, **ENDS),
    p=NUMBER, p_adjusted=NUMBER, n_queries=COUNT, n_pairs=COUNT, margin=NUMBER, verdict=st.sampled_from(Verdict),
    warnings=TEXTS, beside=st.dictionaries(TEXT, NUMBER, max_size=2),
)  # fmt: skip
ARM = st.builds(
    ArmSummary,
    arm=TEXT, profile_type=st.none() | TEXT, trials=COUNT, outcomes=st.dictionaries(TEXT, COUNT, max_size=2),
    metrics=st.dictionaries(
        TEXT,
        st.builds(MetricSummary, metric=TEXT, n=COUNT, missing=COUNT, mean=ESTIMATE, warnings=TEXTS,
                  percentiles=st.dictionaries(st.sampled_from([50, 90, 95, 99]), ESTIMATE, max_size=2)),
        max_size=2,
    ),
)  # fmt: skip
FEW = {"max_size": 2}


@st.composite
def reports(draw):
    """Draw reports of any numbers and any words, NaN, infinity and line breaks among them."""
    told = {
        "arms": draw(st.lists(ARM, **FEW)),
        "comparisons": draw(st.lists(COMPARISON, **FEW)),
        "winners": draw(st.lists(st.from_type(Winner), **FEW)),
        "learning": draw(st.lists(st.builds(Learning, arm=TEXT, warm=ESTIMATE, effects=st.tuples(COMPARISON)), **FEW)),
    }
    made = seed_story(**told)
    lists = {
        name: tuple(draw(st.lists(st.from_type(kind), **FEW)))
        for name, kind in (("costs", ArmCost), ("savings", Saving), ("issues", IssueSummary), ("gates", GateResult))
    }
    return replace(made, **lists, warnings=draw(TEXTS), judge=draw(TEXTS), conversations=draw(TEXTS))


def without_metrics(report):
    """Return a report's parts as text, since NaN equals nothing; metrics are looked up and not kept."""
    return [repr(getattr(report, each.name)) for each in fields(Report) if each.name not in ("metrics", "facts")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run with tables, judged once and kept."""
    made = saved(tmp_path_factory.mktemp("output"), "r", trials())
    results.keep(made, conclude.report_on(made, INSTALLED), INSTALLED)
    return made


@given(reports())
def test_nothing_is_lost(tmp_path_factory, report):
    """What is read is what was kept: infinities, NaN, tuples, enumerations, numbers as keys, moments."""
    written = manifest_of("r")
    folder = tmp_path_factory.getbasetemp() / "kept"
    folder.mkdir(exist_ok=True)
    made = Run(directory=RunDirectory(folder), manifest=written).written(written)
    results.keep(made, report, INSTALLED)
    read = results.read(made, INSTALLED)
    assert without_metrics(read) == without_metrics(report)
    assert read.facts == report.facts
    assert read.metrics is INSTALLED.metrics


@pytest.mark.parametrize("form", rendering.FORMS)
def test_every_form_renders_from_what_was_kept_as_from_a_fresh_judgement(run, form):
    """Byte for byte."""
    kept, fresh = results.read(run, INSTALLED), conclude.report_on(run, INSTALLED)
    assert rendering.render(kept, form, run) == rendering.render(fresh, form, run)


@pytest.mark.parametrize("form", rendering.FORMS)
def test_a_report_with_everything_in_it_renders_the_same_when_kept(run, tmp_path, form):
    """Missing interval ends, gates and footnotes of two example reports, with the metrics of each.

    JSON is compared by value, because the examples use whole numbers for lengths.
    """
    written = manifest_of("r")
    made = Run(directory=RunDirectory(tmp_path), manifest=written).written(written)
    for told in (seed_story(gates=(GateResult(name="g", passed=False, detail="d"),)), page_report()):
        installed = replace(INSTALLED, metrics=told.metrics)
        results.keep(made, told, installed)
        kept = results.read(made, installed)
        texts = [rendering.render(report, form, run) for report in (kept, told)]
        first, second = map(json.loads, texts) if form == "json" else texts
        assert first == second


@pytest.mark.parametrize("form", rendering.FORMS)
def test_the_command_computes_nothing(run, capsys, monkeypatch, form):
    """No form of the report of a concluded run runs the statistics, or says that it did."""

    def analyse(*_, **__):
        raise AssertionError("the statistics ran")

    for module in ("uderia_bench.commands.conclude.analyse", "uderia_bench.analysis.analyse.analyse"):
        monkeypatch.setattr(module, analyse)
    command.command(str(run.path), form=form, file=None, output=run.path.parent, as_json=False)
    said = capsys.readouterr()
    assert len(said.out) > 1_000
    assert said.err == ""


OWN = replace(METRICS[0], name="own")
SCORE = Score(case="c", swapped=False, value=1.0, reason="right")
CHANGES = {
    "another uderia-bench": lambda _, patch: patch.setattr(results, "__version__", "0.0.1"),
    "the manifest has changed": lambda run, _: run.noted(experiment_hash="0"),
    "derived again": lambda run, _: trials(queries=13).write_parquet(run.path / "trials" / "part-0.parquet"),
    "answers have been judged": lambda run, _: judged(run.path, "k", SCORE),
    "cannot be read": lambda run, _: (run.path / results.NAME).write_bytes(b"[]\n"),
    "none is saved": lambda run, _: (run.path / results.NAME).unlink(),
    "other metrics": lambda *_: replace(INSTALLED, metrics=(*INSTALLED.metrics, OWN)),
    "other detectors": lambda *_: replace(INSTALLED, detectors=INSTALLED.detectors[1:]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_report_whose_grounds_have_changed_is_stale_and_says_why(run, tmp_path, monkeypatch, change):
    """A version, a definition, the manifest, the tables, the judgements; a file that is gone or is not ours."""
    shutil.copytree(run.path, tmp_path / "r")
    copy = Run.open(RunDirectory(tmp_path / "r"))
    assert isinstance(results.read(copy, INSTALLED), Report)
    changed = CHANGES[change](copy, monkeypatch)
    read = results.read(copy, changed if isinstance(changed, plugins.Plugins) else INSTALLED)
    assert isinstance(read, results.Stale)
    assert change in read.reason


def test_a_stale_report_is_recomputed_with_a_message(run, tmp_path, capsys):
    """The report is there all the same; stderr says why it took longer, and how to keep it."""
    shutil.copytree(run.path, tmp_path / "r")
    copy = Run.open(RunDirectory(tmp_path / "r"))
    (copy.path / results.NAME).unlink()
    command.command(str(copy.path), form="json", file=None, output=tmp_path, as_json=False)
    said = capsys.readouterr()
    assert json.loads(said.out)["run"]["run_id"] == "r"
    assert "recomputed" in said.err
    assert f"uderia-bench derive {copy.path}" in said.err


def test_a_run_that_was_moved_names_its_files_where_they_are(run, tmp_path):
    """An artefact of a nightly job is read on another machine: the paths are those of today."""
    shutil.copytree(run.path, tmp_path / "moved")
    copy = Run.open(RunDirectory(tmp_path / "moved"))
    made = json.loads(rendering.render(results.read(copy, INSTALLED), "json", copy))
    assert str(tmp_path / "moved" / "report.html") in made["run"]["files"]
