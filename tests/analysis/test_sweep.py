"""Sweeps: what each level came to, the knee that was planted and no other, and arms compared inside a level."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from frames import ANSWERED, LATENCY, grid, noisy, trial
from hypothesis import given
from hypothesis import strategies as st
from sweeps import BEGUN, LEVELS, swept

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.sweep import busy_s
from uderia_bench.analysis.values import Verdict

ARM = "OPTIM"
PICKED_UP = "picked up by its task id after an interruption"


def analysed(frame, contrasts=(), **given):
    """Analyse a frame on latency and success."""
    given = {"margins": {"latency_s": 0.1}, "seed": 7} | given
    return analyse(frame, metrics=(LATENCY, ANSWERED), contrasts=contrasts, **given)


def knee(frame):
    """Return the knee of a frame with one arm."""
    (sweep,) = analysed(frame).sweeps
    return sweep.knee


# ---- the levels


def test_three_trials_that_can_be_counted_in_the_head():
    """Two at once for 2 s, a pause, one alone for 4 s: busy for 6 s, 8 s in flight, so 4/3 on average and half an answer/s."""
    frame = swept({ARM: 8}, levels=(2,), queries=3, repeats=1).with_columns(
        pl.Series("seconds", [0, 0, 10]).alias("begun"), pl.Series("took", [2, 2, 4])
    )
    start = frame["sent_at"].min()
    frame = frame.with_columns(
        (pl.lit(start) + pl.duration(seconds="begun")).alias("sent_at"),
        (pl.lit(start) + pl.duration(seconds=pl.col("begun") + pl.col("took"))).alias("done_at"),
    )
    (level,) = analysed(frame).sweeps[0].levels
    assert (level.level, level.trials, level.busy_s) == (2.0, 3, 6.0)
    assert level.in_flight == pytest.approx(8 / 6)
    assert level.throughput.value == pytest.approx(0.5)


def test_a_level_is_of_its_own_trials_and_of_the_arms_own_time():
    """At four slots four are in flight, and two arms that take turns do not halve each other's throughput."""
    alone = {level.level: level for level in analysed(swept({ARM: 64})).sweeps[0].levels}
    both = analysed(swept({"IDEAT": 64, ARM: 64}))
    assert [sweep.arm for sweep in both.sweeps] == ["IDEAT", ARM]
    for level in (1, 2, 4):
        assert alone[level].in_flight == pytest.approx(level, rel=0.15)
        for sweep in both.sweeps:
            (one,) = [each for each in sweep.levels if each.level == level]
            assert one.throughput.value == pytest.approx(alone[level].throughput.value, rel=0.1)


def test_numbers_of_a_level_come_with_their_intervals():
    """Latency and throughput over queries, the share of what did not answer, and what they do not speak for."""
    frame = swept({ARM: 4}, fails=lambda level, _, query: level == 32 and query < 6)
    lowest, *_, highest = analysed(frame).sweeps[0].levels
    assert lowest.latency[50].lo < lowest.latency[50].value < lowest.latency[50].hi
    assert lowest.throughput.lo < lowest.throughput.value < lowest.throughput.hi
    assert (lowest.unanswered.value, highest.unanswered.value) == (0.0, 0.5)
    assert highest.latency[50].missing == 12
    assert highest.throughput.value == pytest.approx(12 / highest.busy_s)


def test_without_levels_there_is_no_sweep():
    """An older run, and one at a single load."""
    frame = grid(queries=8, value=noisy(), repeats=2)
    assert analysed(frame).sweeps == ()
    assert analysed(frame.with_columns(pl.lit(None, dtype=pl.Float64).alias("level"))).sweeps == ()
    assert not any("level" in warning for warning in analysed(frame, (("IDEAT", "OPTIM"),)).warnings)


def test_trials_that_do_not_say_when_they_were_have_no_throughput():
    """And no knee, with the reason."""
    (sweep,) = analysed(swept({ARM: 4}).drop("done_at")).sweeps
    assert {level.throughput.value for level in sweep.levels} == {None}
    assert sweep.levels[0].latency[50].value is not None
    assert (sweep.knee.found, sweep.knee.reason[:22]) == (False, "no knee looked for: 0 ")


def interrupted(**columns):
    """Return a sweep, and the same where one trial was left to the next morning; ``columns`` say what is known of that."""
    frame = swept({ARM: 4}).with_columns(
        pl.lit([], dtype=pl.List(pl.String)).alias("notes"),
        ((pl.col("done_at") - pl.col("sent_at")).dt.total_microseconds() / 1e6).alias("task_s"),
    )
    last = pl.int_range(pl.len()) == frame.height - 1
    of_one = {"done_at": pl.col("done_at") + timedelta(hours=10), "notes": pl.lit([PICKED_UP])} | columns
    return frame, frame.with_columns(
        pl.when(last).then(said).otherwise(pl.col(name)).alias(name) for name, said in of_one.items()
    )


def test_a_trial_picked_up_the_next_morning_was_not_in_flight_all_night():
    """Its end is the server's; it is excluded where that is unknown. The night does not lower the throughput."""
    before, after = interrupted()
    assert analysed(after).sweeps == analysed(before).sweeps
    _, unknown = interrupted(task_s=pl.lit(None))
    for frame in (unknown, after.drop("task_s")):
        whole, found = (analysed(each).sweeps[0].levels[-1] for each in (before, frame))
        assert found.trials == whole.trials
        assert found.throughput.value == pytest.approx(whole.throughput.value, rel=0.1)
        assert found.in_flight == pytest.approx(whole.in_flight, rel=0.1)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 20)), min_size=1, max_size=30), st.randoms())
def test_busy_is_the_length_of_the_union(spans, rng):
    """At least the longest, at most the sum and the whole stretch, in whatever order they come."""
    begun, took = (np.array(column) for column in zip(*spans, strict=True))
    found = busy_s(begun, begun + took)
    shuffled = list(range(len(spans)))
    rng.shuffle(shuffled)
    assert busy_s(begun[shuffled], (begun + took)[shuffled]) == pytest.approx(found)
    slack = 1e-9
    assert took.max() - slack <= found <= min(took.sum(), (begun + took).max() - begun.min()) + slack


# ---- the knee


@pytest.mark.parametrize("workers", [2, 4, 6])
def test_the_planted_knee_is_found(workers):
    """A server of so many workers: the knee within a quarter of their number, its interval around it, and the ceiling."""
    found = knee(swept({ARM: workers}))
    assert found.found
    assert found.in_flight.value == pytest.approx(workers, rel=0.25)
    assert found.in_flight.lo <= found.in_flight.value <= found.in_flight.hi
    assert found.ceiling == pytest.approx(workers / 2.0, rel=0.3)
    assert "in flight wait for each other" in found.reason


@pytest.mark.parametrize("seed", range(5))
def test_where_latency_stays_flat_there_is_no_knee(seed):
    """A server with a worker for every trial, whatever the noise."""
    found = knee(swept({ARM: 64}, seed=seed, noise=0.3, repeats=4))
    assert not found.found
    assert found.reason.startswith("no knee within the levels asked: throughput still grows at the ")


def test_a_knee_at_the_edge_is_not_claimed():
    """With as many workers as the highest level has slots the server keeps up, and the fit's own guess is named as a guess."""
    found = knee(swept({ARM: 8}, levels=(1, 2, 4, 8)))
    assert not found.found
    assert found.reason.startswith("no knee")


def test_too_few_levels_or_queries_are_said():
    """Three levels fit anything; five queries have no interval."""
    assert knee(swept({ARM: 4}, levels=(1, 4, 16))).reason == "no knee looked for: 3 levels with answers, and the fit needs 4"
    few = knee(swept({ARM: 4}, queries=5, repeats=6))
    assert few.found
    assert (few.in_flight.lo, few.in_flight.hi) == (None, None)
    assert few.in_flight.warnings == ("no interval of the knee: at least 6 queries are needed",)


def test_a_knee_that_no_resample_has_is_not_put_down_to_too_few_queries():
    """Twenty queries, all a little quicker at every level: no draw has a knee at any load, and nothing more is lacking."""
    took = {level: 2.0 - 0.01 * place for place, level in enumerate((1, 2, 4, 5, 10, 20))}
    frame = pl.DataFrame(
        trial(
            f"q{query:02}",
            ARM,
            level=float(level),
            latency_s=seconds,
            sent_at=BEGUN + timedelta(hours=level, seconds=query // level * seconds),
            done_at=BEGUN + timedelta(hours=level, seconds=(query // level + 1) * seconds),
        )
        for level, seconds in took.items()
        for query in range(20)
    )
    found = knee(frame)
    assert (found.in_flight.value, found.in_flight.lo, found.in_flight.hi, found.in_flight.n) == (None, None, None, 20)
    assert found.in_flight.warnings == ()


def test_levels_without_an_answer_are_left_out_of_the_fit():
    """A level at which all timed out has no throughput to fit; the others still have their knee."""
    frame = swept({ARM: 4}, fails=lambda level, _arm, _query: level == 32)
    (sweep,) = analysed(frame).sweeps
    assert sweep.levels[-1].throughput.value == 0
    assert sweep.knee.in_flight.value == pytest.approx(4, rel=0.35)


def test_memory_that_comes_with_the_levels_is_said():
    """Levels ascend, and so does what a planner remembers: part of the difference is then not the load's."""
    frame = swept({ARM: 4}, rag_used=lambda level, _arm, query: level > 1 and query % 2 == 0)
    (sweep,) = analysed(frame).sweeps
    assert sweep.warnings == (
        "kept plans were reused in 0% at level 1 and 50% at level 2: part of the difference between levels is memory, not load",
    )
    assert analysed(swept({ARM: 4}, rag_used=lambda _level, _arm, query: query % 2 == 0)).sweeps[0].warnings == ()


# ---- arms against each other


def test_arms_are_compared_at_each_level_and_over_all_of_them():
    """Each level is a stratum with its own family; the analysis warns where levels are pooled."""
    found = analysed(swept({"IDEAT": 4, "OPTIM": 4}), (("IDEAT", "OPTIM"),))
    strata = {comparison.stratum for comparison in found.comparisons}
    assert strata == {"all", *(f"level={level}" for level in LEVELS)}
    pools = [warning for warning in found.warnings if "pools the levels" in warning]
    inside = "each query is paired inside a level, and the levels weigh the same"
    assert pools == [f"a comparison that names no level pools the levels 1, 2, 4, 8, 16, 32: {inside}"]


def test_an_arm_that_has_half_the_workers_is_slower_where_they_run_out():
    """No difference at one slot, a large one at sixteen."""
    found = analysed(swept({"IDEAT": 8, "OPTIM": 2}), (("IDEAT", "OPTIM"),))
    by = {one.stratum: one for one in found.comparisons if one.metric == "latency_s"}
    assert by["level=1"].effect.value == pytest.approx(1.0, abs=0.1)
    assert by["level=16"].verdict is Verdict.WORSE
    assert by["level=16"].effect.value > 2


def test_an_arm_that_times_out_where_the_load_is_high_is_not_judged_by_its_light_levels():
    """Alike but for timeouts from sixteen on: without the timeouts, and their partners, the arms are the same."""
    frame = swept({"IDEAT": 4, "OPTIM": 4}, fails=lambda level, arm, _: arm == "OPTIM" and level >= 16)
    found = analysed(frame, (("IDEAT", "OPTIM"),))
    (overall,) = [one for one in found.comparisons if one.stratum == "all" and one.metric == "latency_s"]
    assert overall.beside["without_timeouts"] == pytest.approx(1.0, abs=0.1)
    assert overall.effect.value > 1.1


def test_levels_do_not_pass_for_drift():
    """Latency that rises with the level is no trend over the run and no effect of repeats."""
    frame = swept({"IDEAT": 64}, noise=0.02, repeats=3).with_columns(pl.col("latency_s") * pl.col("level"))
    (arm,) = analysed(frame).arms
    notes = arm.metrics["latency_s"].warnings
    assert not any("drifts on" in note or "changes with the repeat" in note for note in notes)
    (arm,) = analysed(frame.drop("level")).arms
    assert any("changes with the repeat" in note for note in arm.metrics["latency_s"].warnings)
