"""A folder of runs told as a history, and the names of runs, through the real commands."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from commands.history.nights import folder, frame
from frames import grid
from runs import saved

from uderia_bench.cli.baseline import save
from uderia_bench.commands import history
from uderia_bench.commands.history.changes import changes
from uderia_bench.commands.shipped import shipped
from uderia_bench.errors import StoreError, UsageError
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.runs import baselines, find


def test_a_step_names_what_changed_that_night(tmp_path):
    """The night, the size, the run, and that the model was another one."""
    folder(tmp_path, 18, step_at=12)
    told = history.in_full(history.gather(tmp_path, BUILT_IN, names=["latency_s"]), width=100)
    assert told.splitlines()[0] == "small: 18 nights, 1 step:"
    assert "Step: OPTIM latency_s +2" in told
    assert "worse since night 13 (2026-11-13, run night-12)" in told
    assert "p is the probability that noise alone causes such a change" in told
    assert "model of OPTIM: Beta/one, now Beta/two" in told
    assert all(len(line) <= 100 for line in told.splitlines())


def test_a_night_that_cannot_be_read_is_left_out_and_named(tmp_path):
    """The others make the history; a night without its trials does not end it."""
    folder(tmp_path, 18, step_at=12)
    (tmp_path / "night-03/trials/part-0.parquet").write_bytes(b"PAR1 torn")
    (tmp_path / "night-05/trials/part-0.parquet").unlink()
    found = history.gather(tmp_path, BUILT_IN, names=["latency_s"])
    first = history.in_brief(found, width=100).splitlines()[0]
    assert first == "small: 16 nights (excludes runs without readable trials: night-03, night-05), 1 step:"
    assert history.as_dict(found)["unread"] == ["night-03", "night-05"]
    assert [night.run_id for night in found.nights][2:5] == ["night-02", "night-04", "night-06"]


def test_trials_with_the_tools_of_another_profile_are_no_part_of_a_night(tmp_path):
    """They are in no comparison of their run either; here they took ten times as long."""
    for night in range(3):
        taken = grid(queries=6, value=lambda q, *_: 1.0 + q, foreign_tools=lambda q, *_, night=night: night == 1 and q == 0)
        slow = pl.col("latency_s") * pl.when("foreign_tools").then(10.0).otherwise(1.0)
        made = taken.with_columns(slow.alias("latency_s"))
        saved(tmp_path, f"night-{night}", made, started=f"2026-11-0{night + 1}T10:00:00+00:00")
    (first, *_) = history.gather(tmp_path, BUILT_IN, names=["latency_s"]).series
    assert [night.size for night in first.levels.nights] == [6, 5, 6]
    assert np.allclose(first.levels.values, 0)


def test_nights_with_other_queries_are_named_and_have_no_level(tmp_path):
    """The third night shares no query with the first two; without the second one, there is nothing to compare at all."""
    for night, offset in enumerate((0, 0, 50)):
        asked = grid(queries=6, repeats=1, value=lambda query, *_: 1.0 + query)
        asked = asked.with_columns((pl.col("query_id") + f"-{offset}").alias("query_id"))
        saved(tmp_path, f"night-{night}", asked, started=f"2026-11-0{night + 1}T10:00:00+00:00")
    said = "no other night has values of the same queries, so no level:"
    gathered = history.gather(tmp_path, BUILT_IN, names=["latency_s"])
    assert history.in_brief(gathered, width=200).startswith(f"small: 3 nights ({said} night-2), too few")
    assert [each["value"] is None for each in history.as_dict(gathered)["series"][0]["levels"]] == [False, False, True]
    shutil.rmtree(tmp_path / "night-1")
    alone = history.in_brief(history.gather(tmp_path, BUILT_IN, names=["latency_s"]), width=200)
    assert (alone.count("\n"), f"({said} night-0, night-2)" in alone) == (0, True)


def test_a_history_without_a_readable_night_is_an_error(tmp_path):
    """The message has the way to make the tables again."""
    folder(tmp_path, 1)
    (tmp_path / "night-00/trials/part-0.parquet").unlink()
    with pytest.raises(StoreError, match=r"no run of 'small' in .* has readable trials: derive them"):
        history.gather(tmp_path, BUILT_IN, names=["latency_s"])


def test_ten_lines_are_enough(tmp_path):
    """What got worse, by how much, since when, what changed then, and each series with its scale."""
    folder(tmp_path, 18, step_at=12)
    told = history.in_brief(history.gather(tmp_path, BUILT_IN, names=["latency_s"]), width=100).splitlines()
    assert len(told) <= 10
    assert told[1].startswith("  Step: OPTIM latency_s +2")
    assert "    Changed: model of OPTIM: Beta/one, now Beta/two" in told
    (row,) = (line for line in told if line.startswith("OPTIM"))
    assert re.search(r"[▁▂▃]{12}[▆▇█▅]{6}  4\.\ds to 6\.\ds", row)
    assert all(len(line) <= 100 for line in told)


def test_what_got_worse_comes_first(tmp_path):
    """Before what got better, even where that is newer."""
    folder(tmp_path, 26, step_at=12)
    found = history.gather(tmp_path, BUILT_IN, names=["latency_s"])
    (series,) = found.series
    better = replace(series, shifts=(replace(series.shifts[0], at=20, size=-0.3), *series.shifts))
    told = history.in_brief(replace(found, series=(better,)), width=200).splitlines()
    assert ", worse since" in told[1]
    assert ", better since" in told[3]


def test_noise_looks_flat(tmp_path):
    """A sparkline spans at least twice the margin, so nights within it do not fill its height."""
    folder(tmp_path, 8)
    told = history.in_brief(history.gather(tmp_path, BUILT_IN, names=["latency_s"]), width=100)
    (row,) = (line for line in told.splitlines() if line.startswith("OPTIM"))
    drawn = {bar for bar in row if bar in "▁▂▃▄▅▆▇█"}
    assert not drawn & {"▁", "█"}


def test_a_quiet_folder_says_so(tmp_path):
    """No step, every night with its level and its interval."""
    folder(tmp_path, 8)
    told = history.in_full(history.gather(tmp_path, BUILT_IN, names=["latency_s"]), width=80)
    assert told.startswith("small: 8 nights, no step and no ramp.")
    assert told.count("2026-11-0") == 8
    assert told.count("±") == 8


def test_a_ramp_is_reported_as_a_ramp(tmp_path):
    """What it adds every night, what it comes to, and no step."""
    folder(tmp_path, 20, growth=0.03, wander=0.01)
    found = history.gather(tmp_path, BUILT_IN, names=["latency_s"])
    told = history.in_full(found, width=200)
    assert told.splitlines()[0] == "small: 20 nights, 1 ramp:"
    line = told.splitlines()[1]
    assert line.startswith("  Ramp: OPTIM latency_s +3")
    assert "% a night, worse since night " in line
    assert " so far, p " in line
    (series,) = history.as_dict(found)["series"]
    assert series["steps"] == []
    (ramp,) = series["ramps"]
    assert ramp["change_per_night"] == pytest.approx(0.03, abs=0.01)
    assert ramp["change"] == pytest.approx(1.03**20 - 1, abs=0.2)


def test_an_odd_night_and_a_weekly_rhythm_are_reported(tmp_path):
    """One night only, and the days of the week by name; the calendar is that of the runs."""
    folder(tmp_path, 28, wander=0.01, slow={10: 1.6, **{night: 1.2 for night in range(28) if night % 7 in (0, 6)}})
    found = history.gather(tmp_path, BUILT_IN, names=["latency_s"])
    told = history.in_full(found, width=200)
    assert told.splitlines()[0] == "small: 28 nights, 1 odd night:"
    assert "on night 11 (2026-11-11, run night-10) only" in told
    assert "Weekly rhythm: OPTIM latency_s +" in told
    assert "% on Saturday and Sunday, against the other days" in told
    (series,) = history.as_dict(found)["series"]
    assert series["weekly"]["days"] == ["Saturday", "Sunday"]
    assert [night["run_id"] for night in series["odd_nights"]] == ["night-10"]
    assert "Weekly rhythm" in history.to_html(found)


def test_strongly_correlated_nights_are_warned_of(tmp_path):
    """The reader learns that the p-values are too small, and what to do."""
    level = np.cumsum(np.random.default_rng(0).normal(0, 0.08, 30))
    folder(tmp_path, 30, wander=0.0, slow=dict(enumerate(np.exp(level))))
    told = history.in_full(history.gather(tmp_path, BUILT_IN, names=["latency_s"]), width=300)
    assert "Warning: neighbouring nights of OPTIM latency_s are strongly correlated (0." in told
    assert "check a change on further nights" in told


def test_only_finished_runs_of_one_experiment_count(tmp_path):
    """Another experiment and an interrupted run are no nights of this one."""
    folder(tmp_path, 3)
    saved(tmp_path, "other", frame(0, seed=1, queries=8), name="other", started="2026-10-01T00:00:00+00:00")
    saved(tmp_path, "cut", frame(0, seed=1, queries=8), state="interrupted", started="2026-12-01T00:00:00+00:00")
    found = history.gather(tmp_path, BUILT_IN)
    assert [night.run_id for night in found.nights] == ["night-00", "night-01", "night-02"]
    assert "too few" in history.in_full(found, width=80)
    with pytest.raises(StoreError, match="there are runs of other, small"):
        history.gather(tmp_path, BUILT_IN, experiment="nightly")


def test_an_arm_or_a_metric_that_is_not_there_is_said(tmp_path):
    """A name that nothing has is a slip of the hand, and no history without steps."""
    folder(tmp_path, 2)
    with pytest.raises(UsageError, match="no metric latency, nope: see 'uderia-bench metrics'"):
        history.gather(tmp_path, BUILT_IN, names=["nope", "latency", "latency_s"])
    with pytest.raises(UsageError, match="no arm 'NOPE' in the latest run of small: night-01 has OPTIM"):
        history.gather(tmp_path, BUILT_IN, arm="NOPE")


def test_an_empty_folder_is_said(tmp_path):
    """One line, what is missing."""
    with pytest.raises(StoreError, match="no finished run"):
        history.gather(tmp_path, BUILT_IN)


def test_as_json_the_step_names_its_run(tmp_path):
    """For a program: nights, levels with intervals, steps."""
    folder(tmp_path, 18, step_at=12)
    told = json.loads(json.dumps(history.as_dict(history.gather(tmp_path, BUILT_IN, names=["latency_s"]))))
    (series,) = told["series"]
    assert len(series["levels"]) == len(told["nights"]) == 18
    (step,) = series["steps"]
    assert step["run_id"] == "night-12"
    assert step["change"] == pytest.approx(0.3, abs=0.1)


def test_what_is_new_every_night_is_no_change():
    """Run ids and times differ always; a version, a setting and a price are reported."""
    before = {
        "run_id": "a",
        "started_at": "1",
        "versions": {"httpx": "1"},
        "servers": {"sim": {"costs": [{"model": "m", "input": 1}]}},
    }
    after = {
        "run_id": "b",
        "started_at": "2",
        "versions": {"httpx": "2"},
        "servers": {"sim": {"costs": [{"model": "m", "input": 3}]}},
    }
    assert changes(before, before | {"run_id": "b"}) == ()
    assert changes(before, after) == ("price of m: 1, now 3", "version of httpx: 1, now 2")


def test_what_a_run_measured_of_itself_is_no_change():
    """Of load generator and end nothing was configured: it would bury the model that changed."""
    before = {
        "generator": [{"lag_max_s": 0.1}],
        "damaged": [],
        "decided": None,
        "stopped": None,
        "left": 0,
        "experiment": {"repeats": 1},
    }
    after = {
        "generator": [{"lag_max_s": 0.2}],
        "damaged": ["t"],
        "decided": {"look": 2},
        "stopped": "signal",
        "left": 3,
        "experiment": {"repeats": 2},
    }
    assert changes(before, after) == ("setting repeats: 1, now 2",)
    after["actions"] = [{"what": "set", "about": "load.concurrency=2"}, {"what": "pause", "about": ""}]
    assert changes(before, after)[0] == "commands during the run: set load.concurrency=2, pause"


@pytest.mark.parametrize(
    ("path", "was", "now", "line"),
    [
        (("arms", "OPTIM", "models"), ["a"], ["b"], "model of OPTIM: a, now b"),
        (("arms", "OPTIM", "server"), "http://a", "http://b", "server of OPTIM: http://a, now http://b"),
        (("arms", "OPTIM", "elsewhere"), [{"models": ["a"]}], [{"models": ["b"]}], "model of OPTIM: a, now b"),
        (("experiment", "servers"), ["http://a"], ["http://b"], "server: http://a, now http://b"),
        (("arms", "OPTIM", "profile_type"), "genie", "llm_only", "profile type of OPTIM: genie, now llm_only"),
        (("experiment", "load", "concurrency"), 4, 8, "setting load.concurrency: 4, now 8"),
        (("experiment", "margins", "latency_s"), 0.1, None, "setting margins.latency_s: 0.1, now none"),
        (("corpus", "hash"), "3f", "4a", "questions or expectations changed"),
        (("corpus", "queries"), 31, 32, "number of queries: 31, now 32"),
        (("corpus", "expect", "q"), [{"contains": "3"}], [{"contains": "4"}], "expectation of q: 3, now 4"),
        (("servers", "sim", "llm_configurations"), [{"name": "Fast", "model": "a"}], [{"name": "Fast", "model": "b"}],
         "LLM configuration Fast.model: a, now b"),
        (("versions", "uderia-bench"), "0.1", "0.2", "version of uderia-bench: 0.1, now 0.2"),
        (("others", "key"), 1, 2, "others.key: 1, now 2"),
    ],
)  # fmt: skip
def test_a_change_has_a_plain_name(path, was, now, line):
    """The path of the manifest is only shown for what has no name."""

    def manifest(value):
        for key in reversed(path):
            value = {key: value}
        return value

    assert changes(manifest(was), manifest(now)) == (line,)


def test_a_baseline_is_a_pointer(tmp_path, monkeypatch):
    """A name is a line in a file; wherever a run is named the name will do, and a run of that very id goes first."""
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "output", 2)
    text = baselines.with_name({}, "release", find.directory("night-00", tmp_path / "output").path)
    baselines.FILE.write_text(text)
    assert find.directory("release", tmp_path / "output").run_id == "night-00"
    assert json.loads(text) == {"release": str(tmp_path / "output" / "night-00")}
    baselines.FILE.write_text(baselines.with_name(baselines.load(), "night-01", tmp_path / "output" / "night-00"))
    assert find.directory("night-01", tmp_path / "output").run_id == "night-01"


@pytest.mark.parametrize("name", ["latest", "", "a/b", "-x", "x" * 101])
def test_a_baseline_has_a_name_like_a_run(name, tmp_path):
    """Not a path, not 'latest', not empty."""
    with pytest.raises(StoreError):
        baselines.with_name({}, name, tmp_path)


def test_a_baseline_that_points_nowhere_says_so(tmp_path, monkeypatch):
    """The run was deleted: the name is not silently nothing."""
    monkeypatch.chdir(tmp_path)
    baselines.FILE.write_text('{"release": "gone"}')
    with pytest.raises(StoreError, match="points at gone"):
        find.directory("release", tmp_path / "output")
    baselines.FILE.write_text("[]")
    with pytest.raises(StoreError, match="not a file of baselines"):
        find.directory("release", tmp_path / "output")


def test_a_name_saved_before_leads_from_where_it_was_saved(tmp_path, monkeypatch):
    """Paths of old files lead from the current directory: such a file is still read, and is first read from itself."""
    folder(tmp_path / "output", 2)
    (tmp_path / "configs").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / baselines.FILE).write_text('{"release": "output/night-00"}')
    found = find.directory("release", tmp_path / "elsewhere", beside=tmp_path / "configs")
    assert found.run_id == "night-00"
    folder(tmp_path / "configs" / "output", 1)
    assert find.directory("release", tmp_path / "elsewhere", beside=tmp_path / "configs").path.parents[1].name == "configs"


def test_a_path_in_the_file_leads_from_the_file(tmp_path):
    """A neighbour's is relative, so that the file can be committed; of another tree's nothing is shared."""
    assert baselines.path_from(tmp_path / "configs", tmp_path / "output" / "n1").as_posix() == "../output/n1"
    assert baselines.path_from(tmp_path, Path("/nowhere/n1")) == Path("/nowhere/n1")


@pytest.mark.parametrize("why", ["it is the demo's", "it cannot be written", "the name is kept here"])
def test_a_name_is_kept_here_where_it_should_not_be_beside(tmp_path, monkeypatch, why):
    """Nothing is put beside what we ship or into what is mounted to be read, and a name stays where it is."""
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "output", 1)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "e.yaml").touch()
    ours = shipped("configs/quickstart.yaml") if why == "it is the demo's" else tmp_path / "configs" / "e.yaml"
    run = find.directory("night-00", tmp_path / "output")
    run.write_manifest({**run.read_manifest(), "experiment_file": str(ours)})
    if why == "it cannot be written":
        monkeypatch.setattr("os.access", lambda *_: False)
    if why == "the name is kept here":
        baselines.FILE.write_text('{"release": "output/before"}')
    save("release", "night-00", Path("output"))
    assert baselines.load() == {"release": "output/night-00"}
    assert not (ours.parent / baselines.FILE).exists()


def test_a_name_that_two_experiments_have_is_not_guessed(tmp_path, monkeypatch):
    """From a third directory: each of the two is said, and neither is taken."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder(tmp_path / "output", 2)
    for at in range(2):
        run = find.directory(f"night-0{at}", tmp_path / "output")
        (tmp_path / f"of-{at}").mkdir()
        (tmp_path / f"of-{at}" / "e.yaml").touch()
        (tmp_path / f"of-{at}" / baselines.FILE).write_text(f'{{"release": "../output/{run.run_id}"}}')
        run.write_manifest({**run.read_manifest(), "experiment_file": str(tmp_path / f"of-{at}" / "e.yaml")})
    with pytest.raises(StoreError, match=r"night-00 in .*of-0/baselines.json and .*night-01 in .*: name the run itself"):
        find.directory("release", tmp_path / "output")


def test_as_a_page_it_needs_nothing_and_runs_nothing(tmp_path):
    """The steps first, a strip a night, no script at all, and hostile names stay text."""
    folder(tmp_path, 18, step_at=12, then=("<img src=x>",))
    page = history.to_html(history.gather(tmp_path, BUILT_IN, names=["latency_s"]))
    assert "worse since night 13" in page.split("<table")[0]
    assert page.count("<tr") == 19
    assert "<script" not in page
    assert "<img" not in page
    assert "script-src &#x27;none&#x27;" in page


def test_the_axis_of_a_share_ends_at_all_trials(tmp_path):
    """Also with one night, from which the axis gets no range."""
    night = frame(0, seed=3, queries=40, repeats=2).with_columns(checks_passed_ratio=pl.lit(1.0))
    saved(tmp_path, "night-00", night, started="2026-11-01T02:00:00+00:00")
    page = history.to_html(history.gather(tmp_path, BUILT_IN, names=["checks_passed_ratio"]))
    ticks = [float(text) for text in re.findall(r">([\d.-]+)%</text>", page)]
    assert ticks[0] == 0
    assert ticks[-1] == 100


def test_the_differences_that_are_not_named_are_counted():
    """In words that also end "the runs differ in"."""
    after = {"experiment": {f"field-{number}": number for number in range(15)}}
    assert changes({}, after)[12:] == ("3 other values",)
