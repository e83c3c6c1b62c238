"""Comparison of two runs: which arms and queries, what is refused, and which warnings each number carries."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from experiments import query
from frames import BASELINE, CANDIDATE, LATENCY, grid, noisy
from runs import saved

from uderia_bench import plugins
from uderia_bench.analysis.values import Verdict
from uderia_bench.commands import diff
from uderia_bench.commands.history.variation import earlier_runs, variation
from uderia_bench.errors import UsageError
from uderia_bench.report import standing
from uderia_bench.report.formats.as_json import to_json
from uderia_bench.report.formats.text import to_text
from uderia_bench.runs.run import Run


def trials(*, factor=1.0, seed=0, queries=20, repeats=2, **columns):
    """Make a run's trials: log-normal latencies by query, ``factor`` times as long on the candidate."""
    return grid(queries=queries, repeats=repeats, value=noisy(ratio=factor, seed=seed, noise=0.05, interaction=0.02), **columns)


UNKNOWN = (
    "night-to-night variation unknown, so intervals assume a standard deviation of 5%: {} of small beside this one, and at "
    "least 5 are needed; for rates it is 2 points, and intervals are too narrow if nights vary more"
)


@pytest.fixture
def pair(tmp_path):
    """Return a function that saves a baseline and a run, an hour apart, and compares them."""

    def judge(before, after, *, before_says=None, after_says=None, **options):
        first = saved(tmp_path, "first", before, **(before_says or {}))
        second = saved(tmp_path, "second", after, **{"started": "2026-11-24T13:00:00+00:00", **(after_says or {})})
        return diff.compare(first, second, plugins.load(), **options)

    return judge


def time_of(report, arm):
    """Return the comparison of latencies of an arm over all queries."""
    (found,) = [
        c for c in report.analysis.comparisons if (c.candidate, c.metric, c.stratum) == (f"{arm} (run)", "latency_s", "all")
    ]
    return found


def test_arms_of_one_name_are_compared_and_paired_by_query(pair):
    """The candidate is half again as slow as it was, the other arm as fast; queries differ tenfold and do not matter."""
    report = pair(trials(), trials(factor=1.5), after_says={"margins": {"latency_s": "20%"}})
    slower, same = time_of(report, CANDIDATE), time_of(report, BASELINE)
    assert (slower.baseline, slower.n_queries, slower.n_pairs) == ("OPTIM (baseline)", 20, 40)
    assert slower.effect.value == pytest.approx(1.5)  # the noise is that of the same seed
    assert slower.verdict is Verdict.WORSE
    assert same.verdict is Verdict.EQUIVALENT
    assert {c.baseline.partition(" ")[0] for c in report.analysis.comparisons} == {BASELINE, CANDIDATE}


def test_the_columns_of_a_table_are_the_two_sides(pair):
    """The arm's name is in the title: in both heads it took the room of the intervals, at 80 columns and with longer names."""
    lines = to_text(pair(trials(), trials(factor=1.5)), 80).splitlines()
    title = lines.index("OPTIM (run) compared with OPTIM (baseline): planned metrics (queries like these)")
    assert lines[title + 1].split()[:5] == ["metric", "baseline", "run", "vs", "base"]


def test_one_arm_can_be_asked_for(pair):
    """Only that arm is compared, described and counted."""
    report = pair(trials(), trials(factor=1.5, seed=1), arm=BASELINE)
    assert {arm.arm for arm in report.analysis.arms} == {"IDEAT (baseline)", "IDEAT (run)"}
    assert {c.candidate for c in report.analysis.comparisons} == {"IDEAT (run)"}


@pytest.mark.parametrize(
    ("after", "before_says", "after_says", "words"),
    [
        ({}, {}, {"asked": (query("q0", prompt="something else"),)}, "the corpora differ, c ("),
        ({"repeats": 3}, {}, {}, "the repeats differ, 2 and 3"),
        ({}, {"planned": 100}, {}, "first is incomplete, 80 of 100 trials"),
        (
            {"queries": 19},
            {"asked": (query(),)},
            {"asked": (query(),)},
            "IDEAT was asked 20 and 19 queries, 19 of them in both",
        ),
    ],
)
def test_a_baseline_that_was_asked_other_things_is_refused_or_named(pair, tmp_path, after, before_says, after_says, words):
    """Corpus, repeats and coverage must match; forced, every number of every arm and comparison says that they do not."""
    with pytest.raises(UsageError, match="first is no baseline for second") as caught:
        pair(trials(), trials(**after), before_says=before_says, after_says=after_says)
    assert words in str(caught.value)
    assert "--force" in str(caught.value)
    runs = [Run.open(diff.RunDirectory(tmp_path / name)) for name in ("first", "second")]
    report = diff.compare(*runs, plugins.load(), force=True)
    numbers = [*report.analysis.comparisons, *(said for arm in report.analysis.arms for said in arm.metrics.values())]
    assert len(numbers) > 2
    assert all(any(note.startswith(f"forced: {words}") for note in number.warnings) for number in numbers)


def test_what_changed_between_the_runs_is_said(pair):
    """The report names the time and the conditions once, and each number of an arm has the change of its model."""
    report = pair(
        trials(),
        trials(),
        before_says={"models": ("Google/a",), "load": {"concurrency": 8}, "margins": {"latency_s": "10%"}},
        after_says={"models": ("Google/b",), "load": {"concurrency": 2}, "margins": {"latency_s": "20%"}, "sim": {"speed": 9}},
    )
    assert report.warnings == (
        "two points in time: second began 3 hours after first, so the effect includes everything that changed in between",
        "the runs differ in model of IDEAT: Google/a, now Google/b",
        "the runs differ in model of OPTIM: Google/a, now Google/b",
        "the runs differ in setting load.concurrency: 8, now 2",
        "the runs differ in setting margins.latency_s: 0.1, now 0.2",
        "the runs differ in setting sim.speed: 1, now 9",
        UNKNOWN.format("1 earlier run"),
    )
    assert all(
        "the runs differ in model of OPTIM: Google/a, now Google/b" in c.warnings
        for c in report.analysis.comparisons
        if c.candidate == "OPTIM (run)"
    )
    assert time_of(report, CANDIDATE).margin == 0.2  # the run's own


def test_another_load_is_said(pair):
    """A sweep and a ramp change what latency means."""
    report = pair(trials(), trials(), before_says={"load": {"ramp": "30s"}}, after_says={"load": {"sweep": [1, 2]}})
    differences = {warning.removeprefix("the runs differ in setting ") for warning in report.warnings}
    assert {"load.sweep.0: none, now 1", "load.sweep.1: none, now 2", "load.ramp: 30, now 0"} <= differences


def test_a_gate_is_missed_by_what_is_worse(pair):
    """The gate names what is worse, and the exit code is 1."""
    worse = pair(trials(), trials(factor=1.5), gate=True)
    assert standing.of(worse) is standing.Standing.GATE_MISSED
    assert worse.gates[0].detail == "worse: OPTIM latency_s +50% (+31 to +72)"


def test_a_better_run_passes_the_gate(pair):
    """A third faster is no regression, and what is only worse without a gate leaves with 0."""
    better = pair(trials(factor=1.5), trials(), gate=True)
    assert [gate.passed for gate in better.gates] == [True]
    assert standing.of(better) is standing.Standing.FINE


def test_a_run_that_was_interrupted_does_not_make_the_comparison_so(pair):
    """A forced comparison of an interrupted run is complete, so its gate decides the exit code."""
    cut = {"planned": 100, "state": "interrupted"}
    report = pair(trials(), trials(), after_says=cut, force=True, gate=True)
    assert standing.of(report) is standing.Standing.FINE


def test_without_a_gate_a_verdict_is_no_exit_code(pair):
    """A verdict alone never changes it (docs/reference/exit-codes.md)."""
    assert standing.of(pair(trials(), trials(factor=1.5))) is standing.Standing.FINE


def test_runs_without_a_common_arm_are_refused(pair, tmp_path):
    """The error lists the arms of both runs. A run against itself is an error too."""
    with pytest.raises(UsageError, match="no arm with the same name in both runs: first has IDEAT, OPTIM; second has FOCUS"):
        pair(trials(), grid(queries=20, repeats=2, value=noisy(), arms=("FOCUS",)))
    first = Run.open(diff.RunDirectory(tmp_path / "first"))
    with pytest.raises(UsageError, match="compared with itself"):
        diff.compare(first, first, plugins.load())
    with pytest.raises(UsageError, match="no arm 'COORD' in both runs"):
        diff.compare(first, saved(tmp_path, "third", trials()), plugins.load(), arm="COORD")


def test_a_slowdown_inside_the_second_run_is_not_stretched(pair):
    """Drift is over an arm's own time: the run's 30 % are said as 30 %, though it fills half of both runs' time."""
    slowing = trials(repeats=4, seq=lambda q, _, r: (r - 1) * 20 + q)
    seconds = slowing["latency_s"] * (1.3 ** (slowing["seq"] / 79))
    report = pair(trials(repeats=4, seq=lambda q, _, r: (r - 1) * 20 + q), slowing.with_columns(seconds))
    (note,) = [note for note in time_of(report, BASELINE).warnings if "drifts on IDEAT (run)" in note]
    assert 25 < int(note.split("+")[1].split("%")[0]) < 35


def test_a_diff_is_reported_as_a_run_is(pair):
    """As text within 80 columns with where the baseline is from, and as report.json's schema."""
    report = pair(trials(), trials(factor=1.5))
    text = to_text(report, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "baseline first, experiment small, of 2026-11-24 10:00:00 UTC" in " ".join(text.split())
    assert json.loads(to_json(report))["schema"] == "uderia-bench/report/1"


def night(number, *, level=1.0, factor=1.0):
    """Make the trials of one night: the queries of ``trials``, the night's level on both arms, and its noise."""
    made = trials(factor=factor)
    noise = np.random.default_rng(number).normal(0, 0.03, made.height)
    return made.with_columns(pl.col("latency_s") * level * np.exp(noise))


def season(output, *, spread, count=9, factor=1.08):
    """Save nights that differ by ``spread``, then a run ``factor`` times as slow on OPTIM; return the last two runs."""
    levels = np.exp(np.random.default_rng(1).normal(0, spread, count))
    for at, level in enumerate(levels):
        last = saved(
            output,
            f"night-{at}",
            night(at, level=level / levels[-1]),
            started=f"2026-11-{10 + at:02}T10:00:00+00:00",
            margins={"latency_s": "5%"},
        )
    after = night(count, factor=factor)
    return last, saved(output, "run", after, started="2026-11-25T10:00:00+00:00", margins={"latency_s": "5%"})


def test_a_difference_as_nights_have_it_is_inconclusive(tmp_path):
    """8 % slower is certain within two nights, and common among nights with a standard deviation of 8 %."""
    report = diff.compare(*season(tmp_path, spread=0.08), plugins.load())
    found = time_of(report, CANDIDATE)
    assert found.effect.value == pytest.approx(1.08, abs=0.02)
    assert found.p > 0.2
    assert found.effect.lo < 1 < found.effect.hi
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.test == "paired sign-flip, t over nights"
    assert 0.05 < found.beside["between_nights_sd"] < 0.12
    assert found.advice.startswith("one run each cannot show a difference of less than about ")
    (note,) = [warning for warning in report.warnings if warning.startswith("night-to-night")]
    assert note.startswith(
        "night-to-night variation is in every interval and p (standard deviation over 9 earlier runs): IDEAT"
    )
    assert "OPTIM latency_s " in note


def test_steady_nights_let_a_small_difference_show(tmp_path):
    """With nights of 0.5 % the same 8 % is worse; the 5 % that are assumed without a history could not show it."""
    known = diff.compare(*season(tmp_path / "known", spread=0.005), plugins.load())
    assumed = diff.compare(*season(tmp_path / "assumed", spread=0.005, count=2), plugins.load())
    assert time_of(known, CANDIDATE).verdict is Verdict.WORSE
    assert time_of(assumed, CANDIDATE).verdict is Verdict.INCONCLUSIVE
    assert UNKNOWN.format("2 earlier runs") in assumed.warnings


def test_a_regression_that_lasts_is_no_variation(tmp_path):
    """A step of 40 % in the history is taken out of the variation between nights."""
    for at in range(14):
        made, started = night(at, factor=1.4 if at >= 7 else 1.0), f"2026-11-{10 + at:02}T10:00:00+00:00"
        saved(tmp_path, f"night-{at:02}", made, started=started, margins={"latency_s": "10%"})
    run = saved(tmp_path, "run", night(14), started="2026-11-25T10:00:00+00:00", margins={"latency_s": "10%"})
    found = variation(run, (CANDIDATE,), (LATENCY,))
    assert found.runs == 14
    assert found.nights[CANDIDATE, "latency_s"].spread < 0.02


def test_only_finished_runs_of_the_experiment_before_it_are_its_history(tmp_path):
    """A later run, another experiment and an interrupted run do not count."""
    early, late = "2026-11-20T10:00:00+00:00", "2026-11-25T10:00:00+00:00"
    run = saved(tmp_path, "run", trials(), started="2026-11-24T10:00:00+00:00")
    saved(tmp_path, "before", trials(), started=early)
    saved(tmp_path, "after", trials(), started=late)
    saved(tmp_path, "other", trials(), started=early, name="other")
    saved(tmp_path, "cut", trials(), started=early, state="interrupted")
    assert [one.run_id for one in earlier_runs(run)] == ["before"]


def test_a_night_without_a_value_does_not_count(tmp_path):
    """Six nights, of which two have no answer: four are too few, so the variation is assumed."""
    for at in range(6):
        made = night(at)
        if at < 2:
            made = made.with_columns(pl.lit("failed").alias("outcome"), pl.lit(None, dtype=pl.Float64).alias("latency_s"))
        saved(tmp_path, f"night-{at}", made, started=f"2026-11-{10 + at:02}T10:00:00+00:00")
    run = saved(tmp_path, "run", trials(), started="2026-11-25T10:00:00+00:00")
    assert variation(run, (CANDIDATE,), (LATENCY,)).nights == {}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(20, "0 minutes after"), (70, "1 minute after"), (-300, "5 minutes before"), (90_000, "25 hours after")],
)
def test_the_time_between_two_runs_is_in_words(seconds, said):
    """One minute is singular."""
    begun = datetime(2026, 11, 29, tzinfo=UTC)
    first, second = (
        SimpleNamespace(manifest=SimpleNamespace(started_at=at)) for at in (begun, begun + timedelta(seconds=seconds))
    )
    assert diff.apart(first, second) == said
