"""Interim looks read settled records as the report of the run reads them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from experiments import built, queries
from ledgers import settle
from prompts import ADDED, NOON, TOOK_S, planned

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.interim import Looks
from uderia_bench.reading import derive, profile_types
from uderia_bench.runner import interim, plan
from uderia_bench.runs import directory
from uderia_bench.runs.ledger import Ledger

APART_S = 100.0


def settled(trials, *, sure):
    """Return the records of a plan in which every seventh trial of B has another profile's tools in its prompt.

    Where that is ``sure``, the trial before it, of the other profile, was still running.
    """
    of_b, records = 0, []
    for trial in trials:
        number = int(trial.query_id[1:])
        of_b += trial.arm == "B"
        foreign = trial.arm == "B" and of_b % 7 == 0
        tokens = 7100 + 10 * number + (5 + number % 3) * (trial.arm == "B") + ADDED * foreign
        began_s = APART_S * len(records)
        if foreign and sure:
            other = next(place for place, each in enumerate(records) if each.trial.arm == "A")
            overlap = NOON + timedelta(seconds=began_s + TOOK_S / 2)
            records[other] = replace(records[other], done_at=overlap)
        records.append(planned(trial, tokens, began_s=began_s))
    return records


@pytest.mark.parametrize("sure", [False, True], ids=["probably", "surely"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_a_look_leaves_out_the_trials_that_the_report_leaves_out(tmp_path, sure, newest_first):
    """Trials with another profile's tools in their prompt are counted by no look, as the report counts them nowhere."""
    asked = queries(8)
    stop = {"metrics": ["total_tokens", "answered"], "looks": 2}
    experiment = built(asked, repeats=8, warmup=1, stop=stop, margins={"total_tokens": "5%", "answered": 0.05})
    trials = plan.build(experiment, asked)
    declared = interim.declared(experiment, trials)
    records = settled(trials, sure=sure)
    looks = Looks(declared, plan=trials)
    decided = None
    for record in reversed(records) if newest_first else records:
        decided = decided or interim.take(looks, declared.metrics, record, profile_types.read(record))
    run = directory.create(tmp_path, "r")
    with Ledger.create(run.ledger, trials, {each.trial.arm: each.expected for each in records}) as ledger:
        for record in records:
            settle(ledger, record)
    derive.run(run, derive.Reading())
    derived = run.trials()
    assert derived["foreign_tools"].sum() > 0
    found = analyse(
        derived,
        metrics=declared.metrics,
        contrasts=declared.contrasts,
        margins=experiment.margins,
        seed=experiment.seed,
        looked=decided.at if decided else declared.looked,
    )
    assert looks.taken
    for live, reported in zip(looks.taken, found.looks, strict=False):
        assert (live.trials, live.stops) == (reported.trials, reported.stops)
        assert [(one.metric, one.n_pairs, one.verdict) for one in live.comparisons] == [
            (one.metric, one.n_pairs, one.verdict) for one in reported.comparisons
        ]
        for one, other in zip(live.comparisons, reported.comparisons, strict=True):
            assert one.effect.value == pytest.approx(other.effect.value)
