"""``power``: what the next run could see, from one whose variance is known, and what it would cost."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from frames import grid, noisy
from runs import saved

from uderia_bench import plugins
from uderia_bench.commands import power
from uderia_bench.errors import UsageError
from uderia_bench.report.power import as_dict, to_text

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def sent(query, arm, repeat):
    """Send a trial a minute, in order, with an hour's pause after the first repeat."""
    place = ((repeat - 1) * 40 + query) * 2 + (arm == "OPTIM")
    return NOON + timedelta(minutes=place, hours=repeat > 1)


@pytest.fixture
def run(tmp_path):
    """Return a run of 40 queries x 2 repeats: 100 tokens a trial on IDEAT, 300 on OPTIM, 20 s each, a minute apart."""
    frame = grid(
        queries=40,
        repeats=2,
        value=noisy(),
        total_tokens=lambda q, arm, r: (100 if arm == "IDEAT" else 300) + (q + r) % 3 - 1,
        naming_tokens=10,
        cost_usd=lambda *_: 0.008,
        naming_cost_usd=0.002,
        sent_at=sent,
        done_at=lambda *cell: sent(*cell) + timedelta(seconds=20),
    )
    return saved(tmp_path, "r", frame, sim={"speed": 5})


def study(run, **options):
    """Study the one contrast of a run."""
    (planning,) = power.study(run, plugins.load(), **options)
    return planning


def test_the_variance_of_the_run_decides(run):
    """40 queries with the recipe's variances see at 100 x 3 about the 8.4 % the recipe says, and less where more is asked."""
    planning = study(run, queries=[100, 300], repeats=[1, 3])
    time = planning.sensitivities[0]
    assert [(design.queries, design.repeats) for design in planning.grid] == [(100, 1), (100, 3), (300, 1), (300, 3)]
    assert time.smallest[1] == pytest.approx(0.084, rel=0.2)
    assert time.smallest[0] > time.smallest[1] > time.smallest[2] > time.smallest[3]
    assert (time.kind, time.n_queries, time.target) == ("ratio", 40, pytest.approx(0.10))


def test_groups_of_queries_are_planned_as_groups(tmp_path):
    """Ten templates of ten queries that differ between the arms: the smallest effect is that of ten observations."""
    own = np.random.default_rng(1).normal(0, 0.3, 10)
    steady = noisy(noise=0.05)
    frame = grid(
        queries=100,
        repeats=2,
        value=lambda q, arm, r: steady(q, arm, r) * np.exp(own[q // 10] * (arm == "OPTIM")),
        group=lambda q, *_: f"template {q // 10}",
    )
    grouped, alone = (
        study(saved(tmp_path, name, given), metrics=["latency_s"], queries=[100], repeats=[2])
        for name, given in (("grouped", frame), ("alone", frame.drop("group")))
    )
    assert grouped.sensitivities[0].n_queries == 100
    seen = np.log1p(grouped.sensitivities[0].smallest[0])
    assert seen == pytest.approx(2.8 * own.std(ddof=1) / np.sqrt(10), rel=0.2)
    assert alone.sensitivities[0].smallest[0] < 0.5 * grouped.sensitivities[0].smallest[0]


def test_a_design_that_sees_the_margin_is_the_smallest(run):
    """The smallest effect of the design found is within the margin, that of one query fewer is not."""
    found = study(run, repeats=[3]).sensitivities[0].designs[0]
    around = study(run, queries=[found.queries - 1, found.queries], repeats=[3]).sensitivities[0]
    assert around.smallest[1] <= 0.10 < around.smallest[0]


def test_the_price_is_the_runs_own(run):
    """Both arms and the naming of sessions are paid; a pause between sittings is not time, nor is the time between trials."""
    (design,) = study(run, queries=[50], repeats=[3]).grid
    assert design.prompts == 300
    assert design.tokens == pytest.approx(150 * (110 + 310), rel=0.01)
    assert design.cost_usd == pytest.approx(150 * 0.02)
    assert design.minutes == pytest.approx(300 * 20 / 60)


def test_overlapping_trials_share_their_time(tmp_path):
    """Two trials in flight at once take the time of one."""
    frame = grid(
        queries=8,
        value=noisy(),
        sent_at=lambda q, *_: NOON + timedelta(seconds=60 * q),
        done_at=lambda q, arm, _: NOON + timedelta(seconds=60 * q + (20 if arm == "IDEAT" else 30)),
    )
    (design,) = study(saved(tmp_path, "r", frame), metrics=["latency_s"], queries=[8], repeats=[1]).grid
    assert design.minutes == pytest.approx(8 * 30 / 60)
    assert (design.tokens, design.cost_usd) == (None, None)


def test_a_trial_picked_up_the_next_morning_costs_no_night(tmp_path):
    """It took what the server says, whenever somebody came to look."""
    late = {("IDEAT", 3): timedelta(hours=10)}
    frame = grid(
        queries=8,
        value=noisy(),
        task_s=20.0,
        notes=lambda q, arm, _: ["picked up by its task id after an interruption"] if (arm, q) in late else [],
        sent_at=lambda q, *_: NOON + timedelta(seconds=60 * q),
        done_at=lambda q, arm, _: NOON + timedelta(seconds=60 * q + 20) + late.get((arm, q), timedelta()),
    )
    (design,) = study(saved(tmp_path, "r", frame), metrics=["latency_s"], queries=[8], repeats=[1]).grid
    assert design.minutes == pytest.approx(8 * 20 / 60)


def test_without_repeats_only_as_many_can_be_planned(tmp_path):
    """The effect of repeats is unknown: the number of the run has a result, and other numbers have none."""
    planning = study(saved(tmp_path, "r", grid(queries=20, value=noisy())), metrics=["latency_s"], queries=[50], repeats=[1, 3])
    once, thrice = planning.sensitivities[0].smallest
    assert once > 0
    assert thrice is None
    assert planning.sensitivities[0].designs[1] is None


def test_what_cannot_be_planned_is_said(run, tmp_path):
    """A metric of one arm is left out with its reason; unknown ones and a run without a contrast are refused."""
    frame = grid(queries=20, repeats=2, value=noisy(), fastpath_rate=lambda _, arm, __: 1.0 if arm == "OPTIM" else None)
    planning = study(saved(tmp_path, "s", frame), metrics=["latency_s", "fastpath_rate"])
    assert planning.left_out == ("fastpath_rate: 0 queries have both arms, and a variance needs 6",)
    with pytest.raises(UsageError, match="no metric latency: see"):
        study(run, metrics=["latency"])
    with pytest.raises(UsageError, match="compared no two arms"):
        study(saved(tmp_path, "one", grid(queries=8, value=noisy(), arms=("IDEAT",))))


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_metric_that_never_varied_promises_nothing(tmp_path, repeats):
    """All answered, and tokens that are always the double: no variance is not certainty, and the reason has a bound."""
    frame = grid(
        queries=36, repeats=repeats, value=noisy(), total_tokens=lambda q, arm, _: (q + 1) * (7 if arm == "IDEAT" else 14)
    )
    planning = study(saved(tmp_path, "r", frame), metrics=["answered", "total_tokens"], effect=0.05)
    alike = "all 36 queries are alike, which is no variance to plan with: at 95% confidence up to 8% of others may differ"
    assert planning.left_out == (f"answered: {alike}", f"total_tokens: {alike}")
    assert planning.sensitivities == ()


def test_repeats_that_vary_are_a_variance_where_the_queries_means_do_not(tmp_path):
    """Each query answered in two of three repeats on both arms."""
    frame = grid(queries=36, repeats=3, value=noisy(), outcome=lambda *cell: "failed" if cell[2] == 2 else "answered")
    (found,) = study(saved(tmp_path, "r", frame), metrics=["answered"], effect=0.05).sensitivities
    assert min(found.smallest) > 0.01


def test_it_is_printed_for_eighty_columns_and_as_json(run):
    """Every line fits, the simulation is called one, and JSON has every design and metric."""
    plans = power.study(run, plugins.load())
    text = to_text(plans, plugins.load().metrics, run_id="r", remarks=power.remarks(run))
    assert max(map(len, text.splitlines())) <= 80
    assert "embedded Uderia at speed 5: a simulation" in text
    assert "100 x 3     600" in text
    said = json.loads(json.dumps(as_dict(plans, run_id="r")))
    assert said["schema"] == "uderia-bench/power/1"
    (contrast,) = said["contrasts"]
    assert set(contrast["metrics"]) == {"latency_s", "total_tokens"}
    assert contrast["left_out"][0].startswith("cost_usd: all 40 queries are alike")
    assert len(contrast["designs"]) == len(contrast["metrics"]["latency_s"]["smallest_effect"]) == 16
    assert contrast["metrics"]["latency_s"]["variance"]["within_baseline"] == pytest.approx(0.09, rel=0.5)
