"""A race: arms that are surely not the best are dropped, and the run ends when one is left."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from experiments import built, queries
from frames import LATENCY

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.interim import Declared, Looks
from uderia_bench.analysis.settings import Settings
from uderia_bench.errors import DocumentError
from uderia_bench.reading.metrics.metric import Direction
from uderia_bench.runner import plan
from uderia_bench.runs.interim import planned
from uderia_bench.trial import Outcome

ARMS = ("A", "B", "C", "D", "E")


def race_of(count=150, arms=ARMS, seed=7, **fields):
    """Return the plan of a race and what its looks compare."""
    said = {"margins": {"latency_s": 0.1}, "race": True, **fields}
    experiment = built(queries(count), arms=arms, repeats=1, seed=seed, **said)
    trials = plan.build(experiment, experiment.queries)
    looked = planned(experiment, plan.looks(experiment, count))
    settings = Settings(margins=experiment.margins, correction="holm", confidence=0.95, seed=7, looked=looked)
    contrasts = tuple((one.baseline, one.candidate) for one in experiment.contrasts)
    return trials, Declared(metrics=(LATENCY,), contrasts=contrasts, settings=settings)


def times(trials, ratios, *, seed=0):
    """Return the latency of each trial by its id."""
    rng = np.random.default_rng(seed)
    level = rng.normal(0, 0.8, 1000)
    return {
        trial.trial_id: float(5 * np.exp(level[int(trial.query_id[1:])] + rng.normal(0, 0.32)) * ratios.get(trial.arm, 1.0))
        for trial in trials
    }


def run(trials, declared, ratios, *, seed=0, order=None, fails=lambda _: False):
    """Ask the trials of arms that are in the race, until a look decides; return the decision and what was asked."""
    took = times(trials, ratios, seed=seed)
    looks, asked = Looks(declared, plan=trials), []
    for trial in trials if order is None else order:
        if trial.arm in looks.dropped and order is None:
            continue
        asked.append(trial)
        failed = fails(trial)
        values = {"latency_s": None if failed else took[trial.trial_id]}
        if decided := looks.settled(trial, values, outcome=Outcome.FAILED if failed else Outcome.ANSWERED):
            return decided, asked
    return None, asked


def test_the_best_arm_is_left_alone():
    """An arm 25 % faster than four equal ones wins, after fewer trials than the plan has."""
    trials, declared = race_of()
    decided, asked = run(trials, declared, {"C": 0.75})
    assert decided.verdicts == ("C is the best on latency_s",)
    assert {arm for arm, _ in decided.at.dropped} == {"A", "B", "D", "E"}
    assert len(asked) < 0.7 * len(trials)
    assert decided.at.early


def test_a_bad_arm_is_dropped_and_the_others_go_on():
    """An arm twice as slow is out early. The equal ones ask the whole plan, and the run then ends without a winner."""
    trials, declared = race_of(count=60)
    decided, asked = run(trials, declared, {"E": 2.0}, seed=1)
    assert decided.at.dropped[0][0] == "E"
    assert not decided.at.early
    assert "are left" in decided.verdicts[0]
    by_arm = {arm: sum(trial.arm == arm and trial.stage == "measured" for trial in asked) for arm in ARMS}
    assert by_arm["E"] < 60
    assert by_arm["A"] == 60


def test_an_arm_that_fails_more_often_drops_none():
    """C is by far the fastest on the queries that it answers, which are six in ten. It neither wins nor drops the others."""
    trials, declared = race_of(count=60, arms=ARMS[:3])
    ratios = {"A": 0.8, "C": 0.3}
    decided, _ = run(trials, declared, ratios, fails=lambda trial: trial.arm == "C" and int(trial.query_id[1:]) % 5 < 2)
    assert "A" not in dict(decided.at.dropped)
    assert decided.verdicts == ("A and C are left",)
    same, _ = run(trials, declared, ratios, fails=lambda trial: int(trial.query_id[1:]) % 5 < 2)
    assert same.verdicts == ("C is the best on latency_s",)


def test_a_killed_race_takes_the_same_decision():
    """The answers of an earlier process come in another order, and with trials that a later look would have skipped."""
    trials, declared = race_of()
    decided, asked = run(trials, declared, {"C": 0.75})
    order = [asked[place] for place in np.random.default_rng(2).permutation(len(asked))]
    again, _ = run(trials, declared, {"C": 0.75}, order=order)
    assert (again.at, again.verdicts) == (decided.at, decided.verdicts)


def test_a_run_in_progress_knows_its_looks():
    """Each look that was taken has the arms that it dropped, and only the one that leaves one arm stops the run."""
    trials, declared = race_of(count=60, arms=ARMS[:3])
    took = times(trials, {"A": 0.8, "C": 2.0})
    looks = Looks(declared, plan=trials)
    for trial in trials:
        if trial.arm not in looks.dropped and looks.settled(trial, {"latency_s": took[trial.trial_id]}):
            break
    assert [(look.look, look.dropped, look.stops) for look in looks.taken] == [(1, ("C",), False), (2, ("B",), True)]


def test_the_report_names_the_arms_that_each_look_dropped():
    """A look compares the arms that are still asked, and names those that it dropped."""
    trials, declared = race_of(count=60, arms=ARMS[:3])
    ratios = {"A": 0.8, "B": 1.0, "C": 2.0}
    took = times(trials, ratios)
    decided, asked = run(trials, declared, ratios)
    names = ("query_id", "arm", "repeat", "window", "block")
    measured = [trial for trial in asked if trial.stage == "measured"]
    rows = [{name: getattr(trial, name) for name in names} | {"latency_s": took[trial.trial_id]} for trial in measured]
    frame = pl.DataFrame([row | {"outcome": "answered"} for row in rows])
    options = {"metrics": (LATENCY,), "contrasts": declared.contrasts, "margins": {"latency_s": 0.1}, "seed": 7}
    looks = analyse(frame, **options, looked=decided.at).looks
    assert tuple((arm, look.look) for look in looks for arm in look.dropped) == decided.at.dropped
    assert [{one.candidate for one in look.comparisons} for look in looks][:2] == [{"B", "C"}, {"B"}]
    assert decided.at.dropped[0] == ("C", 1)


def test_higher_can_be_better():
    """The direction of the metric decides which arm is out."""
    trials, declared = race_of(count=60, arms=ARMS[:3])
    higher = replace(declared, metrics=(replace(LATENCY, direction=Direction.HIGHER),))
    for asked, best in ((declared, "A"), (higher, "C")):
        decided, _ = run(trials, asked, {"A": 1.0, "B": 2.0, "C": 4.0})
        assert decided.verdicts == (f"{best} is the best on latency_s",)


def test_a_screening_drops_the_worse_half_until_few_are_left():
    """Eight candidates are four and then two. The arm that they are compared with stays, however bad it is."""
    arms = ("base", *"ABCDEFGH")
    trials, declared = race_of(count=120, arms=arms, race={"keep": 2}, stop={"looks": 4})
    decided, asked = run(trials, declared, {"base": 1.5, "C": 0.7, "F": 0.7}, seed=3)
    assert decided.verdicts == ("kept C, F",)
    looks = [look for _, look in decided.at.dropped]
    assert looks == [1] * 4 + [2] * 2
    assert {trial.arm for trial in asked[-20:]} <= {"base", "C", "F"} | {arm for arm, look in decided.at.dropped if look == 2}
    order = [asked[place] for place in np.random.default_rng(2).permutation(len(asked))]
    again, _ = run(trials, declared, {"base": 1.5, "C": 0.7, "F": 0.7}, seed=3, order=order)
    assert again.at == decided.at


def test_a_screening_with_few_candidates_ends_at_its_first_look():
    """There is nothing to drop, and more trials would not change which are left."""
    trials, declared = race_of(count=120, arms=ARMS[:3], race={"keep": 4})
    decided, _ = run(trials, declared, {})
    assert (decided.verdicts, decided.at.look, decided.at.dropped) == (("kept B, C",), 1, ())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"arms": ("A", "B")}, "needs three arms"),
        ({"arms": ("A", "B", "C"), "margins": {}}, "has no metric"),
        ({"arms": ("A", "B", "C"), "load": {"sweep": [1, 2]}}, "cannot be combined with load.sweep"),
    ],
)
def test_a_race_that_cannot_be_run_is_refused(fields, words):
    """The error says what it lacks."""
    with pytest.raises(DocumentError, match=words):
        built(queries(30), race=True, **fields)


def test_a_name_races_on_that_metric():
    """Without stop, a race has the default looks."""
    experiment = built(queries(30), arms=ARMS, race="total_tokens")
    assert (experiment.race_metric, experiment.looks.looks) == ("total_tokens", 20)
    assert built(queries(30), arms=ARMS).looks is None
