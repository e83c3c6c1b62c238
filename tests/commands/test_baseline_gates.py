"""A run whose experiment names a baseline: what is looked up, what is kept of it, and what its gates come to."""

from __future__ import annotations

import json

import pytest
from frames import grid, noisy
from runs import saved

from uderia_bench import plugins
from uderia_bench.commands import check, conclude, results
from uderia_bench.errors import DocumentError
from uderia_bench.report import standing
from uderia_bench.report.closing import closing
from uderia_bench.report.formats.junit import to_junit
from uderia_bench.runs import baselines, files
from uderia_bench.runs.manifest import Pinned

INSTALLED = plugins.load()
GATES = ("OPTIM vs baseline: latency_s not worse", "vs baseline: nothing worse")


def night(output, run_id, *, factor=1.0, pin=True, **fields):
    """Save a night's run, ``factor`` times as slow on OPTIM, with its baseline looked up as a concluded run has it."""
    usual = noisy(ratio=factor, seed=1, noise=0.05, interaction=0.02)
    frame = grid(queries=20, repeats=2, value=lambda *of: usual(*of) * (1 + 0.01 * ((len(run_id) * of[0] + of[2]) % 5)))
    run = saved(output, run_id, frame, **{"baseline": "main-nightly", "gates": GATES, **fields})
    if pin:
        run = run.noted(baseline=conclude.pinned(run))
    return run


@pytest.fixture
def output(tmp_path, monkeypatch):
    """Return the directory of the runs; names are kept beside it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "output"


def name(run):
    """Save a run as the baseline."""
    files.write(baselines.FILE, baselines.with_name(baselines.load(), "main-nightly", run.path))


def test_the_first_night_misses_its_gates_and_says_how_to_have_a_baseline(output):
    """Exit 1: a gate never passes because data are missing, and every format shows the command to type."""
    made = conclude.report_on(night(output, "first"), INSTALLED)
    assert standing.of(made) is standing.Standing.GATE_MISSED
    assert {gate.detail for gate in made.gates} == {
        "no run is found as main-nightly yet; 'uderia-bench baseline save main-nightly first' names this one"
    }
    assert closing(made).startswith("2 of 2 gates missed: OPTIM vs baseline: latency_s not worse;")


def test_a_night_that_got_slower_misses_its_gates(output):
    """Against the night before, by the statistics of ``diff``; what it was held against is said, and JUnit has the cases."""
    name(night(output, "first"))
    made = conclude.report_on(night(output, "second", factor=1.3, started="2026-11-25T10:00:00+00:00"), INSTALLED)
    assert [gate.passed for gate in made.gates] == [False, False]
    assert made.gates[0].detail.startswith("OPTIM: +3")
    assert made.gates[0].detail.endswith(", worse")
    assert made.gates[1].detail == "worse: OPTIM latency_s +31% (+14 to +50)"
    assert "baseline first, experiment small, of 2026-11-24 10:00:00 UTC" in made.facts.notes
    assert any(warning.startswith("two points in time: second began 24 hours after first") for warning in made.warnings)
    assert to_junit(made).count("<failure") == 2


def test_what_the_name_points_at_later_does_not_change_a_report(output):
    """The run was held against the first night: that the name moves on changes neither what is kept nor a new one."""
    name(night(output, "first"))
    second = night(output, "second", factor=1.3)
    made = conclude.report_on(second, INSTALLED)
    results.keep(second, made, INSTALLED)
    name(second)
    assert results.read(second, INSTALLED) == made
    assert conclude.report_on(second, INSTALLED) == made
    assert conclude.pinned(second) == Pinned(run_id="first", path="../first")


def test_a_baseline_that_is_gone_or_was_asked_other_things_misses_the_gates(output):
    """The reason is the finding."""
    name(night(output, "first", repeats=3))
    second = night(output, "second")
    assert (
        "first is no baseline for second: the repeats differ, 3 and 2" in conclude.report_on(second, INSTALLED).gates[0].detail
    )
    (output / "first" / "manifest.json").unlink()
    assert (
        "the baseline main-nightly was run first, which is no longer in"
        in conclude.report_on(second, INSTALLED).gates[0].detail
    )


def test_a_baseline_that_no_gate_reads_is_a_mistake(tmp_path):
    """A key without an effect would be taken for one that has."""
    (tmp_path / "c.yaml").write_text("version: 1\nname: c\nqueries: [{id: a, prompt: a}]\n")
    document = {
        "version": 1, "server": "sim", "corpus": "c.yaml", "arms": [{"name": "A", "profile": "A"}], "baseline": "main-nightly",
    }  # fmt: skip
    (tmp_path / "e.yaml").write_text(json.dumps(document))
    with pytest.raises(
        DocumentError, match="baseline: no gate compares with it; write one, such as vs baseline: nothing worse"
    ):
        check.load(tmp_path / "e.yaml", INSTALLED)
    (tmp_path / "e.yaml").write_text(json.dumps({**document, "gates": ["vs baseline: nothing worse"]}))
    check.load(tmp_path / "e.yaml", INSTALLED)
