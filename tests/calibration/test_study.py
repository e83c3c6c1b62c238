"""That the calibration measures what analyses do, on trials that are what their names say."""

import numpy as np
import polars as pl
import pytest
from calibration import study, verdicts
from calibration.designs import DESIGNS
from frames import metric

from uderia_bench.analysis import compare
from uderia_bench.metrics.metric import Assumption
from uderia_bench.stats.bootstrap import studentised_mean
from uderia_bench.stats.difference import difference_interval
from uderia_bench.stats.equivalence import equivalence_level

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
        """Stand in for the calibration's choice of an interval, and keep what it chose."""
        bound = difference_interval(differences, **options)
        seen["interval"] = bound(study.CONFIDENCE)
        return bound

    monkeypatch.setattr(study, "difference_interval", noted)
    counts = study.counted(design, first, second, 0.0, 0.5, seed=7)
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
    assert counts[0] == (found.p < 0.05)
    assert counts[3] == (found.verdict == "equivalent")
    if "interval" in seen and seen["interval"].lo is not None:
        ends = np.array([seen["interval"].lo, seen["interval"].hi])
        assert (np.exp(ends) if design.kind == "ratio" else ends) == pytest.approx([found.effect.lo, found.effect.hi])
        assert seen["interval"].method == found.effect.method


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_what_is_planted_is_true(design):
    """Half a million queries show the planted effect, and none where none is planted, to four standard errors."""
    for effect, truth in ((0.0, 0.0), (design.effect, design.truth())):
        first, second = design.draw(np.random.default_rng(1), 2_500, 200, effect)
        scaled = [np.log(side) if design.kind == "ratio" else side for side in (first, second)]
        with np.errstate(invalid="ignore"):
            d = study.means(scaled[1]) - study.means(scaled[0])
        by_run = np.nanmean(d, axis=1)
        assert by_run.mean() == pytest.approx(truth, abs=4 * by_run.std() / np.sqrt(by_run.size))


def test_a_rate_of_one_draw_is_counted():
    """Shares add up: what had no interval is neither covered nor missed."""
    rates = study.measure(
        BY_NAME["rare amounts (4 of 5 queries none)"],
        np.random.default_rng(1),
        replications=60,
        queries=8,
        effect=0.0,
        truth=0.0,
        margin=0.2,
    )
    assert 0.2 < rates.refused < 0.8
    assert rates.covered == 1.0


def test_the_level_of_equivalence_is_the_analysis_own():
    """A 95 % analysis reads the 90 % interval."""
    values = np.random.default_rng(2).normal(size=20)
    studied = studentised_mean(values, seed=1)
    assert studied.symmetric(equivalence_level(0.95)) == studied.symmetric(0.90)


@pytest.mark.parametrize("condition", verdicts.RIGHT)
def test_a_planted_effect_of_the_agent_is_found(condition):
    """One run of a hundred queries, of the hundred that the calibration counts."""
    metric_name, verdict = verdicts.RIGHT[condition]
    assert verdicts.verdicts(3, condition)[metric_name] == verdict


def test_an_agent_like_itself_is_not_called_better_or_worse():
    """The same model on both arms, another luck."""
    assert not {"better", "worse"} & set(verdicts.verdicts(3, "none").values())
