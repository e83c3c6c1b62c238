"""That the calibration measures what analyses do, on trials that are what their names say."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from calibration import arms, calibrate, conditions, study, table, verdicts
from calibration.designs import DESIGNS
from frames import metric

from uderia_bench.analysis.notebook import compare
from uderia_bench.reading.metrics.metric import Assumption
from uderia_bench.stats.difference import mean_test

pytestmark = pytest.mark.no_cover  # a simulation: thousands of analyses of the same kind
HERE = Path(__file__).parent
RATES = {
    "drawn": 4_000,
    "decidable": 4_000,
    "undecidable": 0.0,
    "rejected": 0.05,
    "covered": 0.95,
    "bounded": None,
    "by_bound": 0.0,
    "bare": 0.0,
    "power": 0.5,
    "equivalent": 0.0,
}
BY_NAME = {design.name: design for design in DESIGNS}
ASSUMPTIONS = {
    "ratio": Assumption.POSITIVE,
    "amount": Assumption.AMOUNT,
    "rate": Assumption.RATE,
    "binary": Assumption.RATE,
}


def as_frame(first, second):
    """Lay one replication out as a frame of trials; a missing one failed."""
    rows = [
        {
            "query_id": f"q{query:03}",
            "arm": arm,
            "repeat": repeat + 1,
            "outcome": "answered" if np.isfinite(value) else "failed",
            "measured": float(value) if np.isfinite(value) else None,
        }
        for arm, side in (("a", first), ("b", second))
        for (query, repeat), value in np.ndenumerate(side)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_the_methods_are_those_of_an_analysis(design, monkeypatch):
    """One replication through the calibration and through ``compare`` give the same p, interval and equivalence."""
    monkeypatch.setattr(study, "DRAWS", 9_999)
    first, second = design.draw(np.random.default_rng(3), 1, 24, design.effect)
    seen = {}

    def noted(differences, **options):
        """Stand in for the calibration's choice of a test, and keep the interval."""
        test = mean_test(differences, **options)
        seen["interval"] = test.interval(study.CONFIDENCE)
        return test

    monkeypatch.setattr(study, "mean_test", noted)
    (one,) = study.judged(design, first, second, 0.0, 0.5, seed=7)
    definition = metric("measured", assumption=ASSUMPTIONS[design.kind], needs_answer=True)
    (found,) = compare(
        as_frame(first[0], second[0]),
        baseline="a",
        candidate="b",
        metrics=["measured"],
        margins={"measured": float(np.expm1(0.5)) if design.kind == "ratio" else 0.5},
        definitions=(definition,),
        seed=7,
    )
    assert one.rejected == (found.p < 0.05)
    withheld = any(warning.startswith("not called equivalent") for warning in found.warnings)  # by the total or the tail
    assert one.equivalent == (found.verdict == "equivalent" or withheld)
    if seen["interval"].lo is not None:
        ends = np.array([seen["interval"].lo, seen["interval"].hi])
        assert (np.exp(ends) if design.kind == "ratio" else ends) == pytest.approx([found.effect.lo, found.effect.hi])
        assert seen["interval"].method == found.effect.method


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_what_is_planted_is_true(design):
    """A hundred thousand queries show the planted effect, and none where none is planted, to four standard errors."""
    for effect, truth in ((0.0, 0.0), (design.effect, design.truth())):
        first, second = design.draw(np.random.default_rng(1), 500, 200, effect)
        scaled = [np.log(side) if design.kind == "ratio" else side for side in (first, second)]
        with np.errstate(invalid="ignore"):
            d = study.means(scaled[1]) - study.means(scaled[0])
        by_run = np.nanmean(d, axis=1)
        assert by_run.mean() == pytest.approx(truth, abs=4 * by_run.std() / np.sqrt(by_run.size))


def of_eight_queries(name, *, margin):
    """Return the rates of 60 decided replications with no effect."""
    trials, rng = BY_NAME[name], np.random.default_rng(1)
    return study.measure(trials, rng, replications=60, queries=8, effect=0.0, truth=0.0, margin=margin)


def test_shares_have_the_documented_denominators():
    """Eight rare amounts can rarely be tested, so more are drawn; a missing interval is counted separately."""
    rates = of_eight_queries("rare amounts (4 of 5 queries none)", margin=0.2)
    assert rates.drawn == 60 * study.MOST
    assert rates.undecidable > 0.97
    assert 0.8 < rates.bare < 0.99
    assert (rates.bounded, rates.by_bound) == (None, 0.0)


def test_bounds_are_counted_apart():
    """A rate that changes on few of eight queries has a bound in place of an interval, which holds too much."""
    rates = of_eight_queries("rate around .95", margin=0.1)
    assert rates.by_bound == pytest.approx(rates.undecidable, abs=0.05)
    assert (rates.bounded, rates.bare) == (1.0, 0.0)


def test_the_table_is_that_of_the_figures():
    """The stored table shows the stored figures and a reason for each figure outside its range."""
    found = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    text = (HERE / "table.md").read_text(encoding="utf-8")
    assert table.as_markdown(found) == text
    assert table.UNKNOWN not in text
    assert len(found["cells"]) == len(DESIGNS) * len(calibrate.QUERIES)
    assert set(found.get("conditions", ())) <= {condition.name for condition in conditions.CONDITIONS}
    assert found["replications"] == 4_000


def test_a_cell_outside_what_is_asked_is_marked():
    """Both sides count from 20 queries on, at 8 only what is not honest."""
    assert [table.marked(share, "covered", 20) for share in (0.93, 0.95, 0.97, None)] == ["93.0 -", "95.0", "97.0 +", ""]
    assert [table.marked(share, "covered", 8) for share in (0.93, 0.97)] == ["93.0 -", "97.0"]
    assert [table.marked(share, "rejected", 8) for share in (0.01, 0.07)] == ["1.0", "7.0 +"]


def test_attainable_levels_are_the_binomials():
    """Six equal differences can all lean one way, at 2 / 64; of eight the mid-p allows one that does not, at 18 / 256."""
    assert table.attainable_level(6, mid=False) == pytest.approx(2 / 64)
    assert table.attainable_level(8, mid=True) == pytest.approx(18 / 256)
    assert table.attainable_level(5, mid=False) == 0


def test_only_the_named_figures_are_measured_again(tmp_path, monkeypatch):
    """``--only`` keeps the other figures and refuses another number of replications."""
    monkeypatch.setattr(sys, "argv", ["calibrate", "--replications", "4000", "--output", str(tmp_path), "--only", "plain"])
    monkeypatch.setattr(study, "measure", lambda *_, **__: study.Rates(**RATES))
    found = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    (tmp_path / "results.json").write_text(json.dumps(found))
    calibrate.main()
    after = json.loads((tmp_path / "results.json").read_text())
    changed = {name for name, cell in after["cells"].items() if cell != found["cells"][name]}
    assert changed == {f"plain, {queries} queries" for queries in calibrate.QUERIES}
    monkeypatch.setattr(sys, "argv", ["calibrate", "--replications", "9", "--output", str(tmp_path), "--only", "plain"])
    with pytest.raises(SystemExit):
        calibrate.main()


def test_arms_are_estimated_by_the_analysis_own(monkeypatch):
    """Two hundred medians and means of twenty queries hold the truth as often as they should, to four standard errors."""
    monkeypatch.setattr(arms, "RATES", {})
    monkeypatch.setattr(arms, "TRUTHS", {name: arms.TRUTHS[name] for name in ("mean seconds", "geometric mean seconds")})
    for cover in arms.measure(np.random.default_rng(1), replications=200, queries=20).values():
        assert cover.covered == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 200))
        assert cover.bare == 0


@pytest.mark.parametrize("condition", verdicts.RIGHT)
def test_a_planted_effect_of_the_agent_is_found(condition):
    """One run of a hundred queries, of the hundred that the calibration counts."""
    metric_name, verdict = verdicts.RIGHT[condition]
    assert verdicts.verdicts(3, condition)[metric_name] == verdict


def test_an_agent_like_itself_is_not_called_better_or_worse():
    """The same model on both arms, another luck."""
    assert not {"better", "worse"} & set(verdicts.verdicts(3, "none").values())


@pytest.mark.parametrize("condition", conditions.CONDITIONS, ids=lambda condition: condition.name)
def test_every_condition_is_planned_and_judged(condition):
    """Three runs of each come to what is counted, and the share is of those that count."""
    found = conditions.measure(condition, np.random.default_rng(1), replications=3)
    assert found["of"] == 3 or condition.of is not None
    assert found["share"] is None or 0 <= found["share"] <= 1


def test_a_share_outside_what_is_asked_by_more_than_its_error_is_marked():
    """9 % of 1,000 where 7 % is asked is two errors beyond; 8 % is not."""
    name = next(one.name for one in conditions.CONDITIONS if one.asked == (0.0, 0.07))
    for share, marked in ((0.09, True), (0.08, False)):
        error = float(np.sqrt(share * (1 - share) / 1_000))
        found = {one.name: {"share": None, "error": None, "of": 0} for one in conditions.CONDITIONS}
        text = table.of_conditions(found | {name: {"share": share, "error": error, "of": 1_000}})
        assert (f"{100 * share:.1f} ± {100 * error:.1f} !" in text) == marked


def test_drift_is_autocorrelated_with_the_spread_asked_for():
    """An AR(1) of sd .3 whose correlation falls by e over a sixteenth of the run."""
    drawn = np.array([conditions.drift(np.random.default_rng(n), 800, 0.3) for n in range(200)])
    assert drawn.std() == pytest.approx(0.3, rel=0.1)
    lagged = (drawn[:, 50:] * drawn[:, :-50]).mean() / drawn.var()
    assert lagged == pytest.approx(np.exp(-1), abs=0.08)
