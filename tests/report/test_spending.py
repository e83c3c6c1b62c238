"""What a run spent, what stopping saved, and the table of its looks."""

from dataclasses import replace
from types import SimpleNamespace

import polars as pl
from experiments import built
from report.reports import comparison, ratio, report
from runs import manifest_of

from uderia_bench.analysis.values import Look
from uderia_bench.report import facts, spending, tables
from uderia_bench.report.about import about
from uderia_bench.report.content import Amount, Spending


def manifest(*, measured, decided=None, stop=None):
    """Return what spending reads of a manifest of two arms."""
    arms = (SimpleNamespace(name="IDEAT"), SimpleNamespace(name="OPTIM"))
    return SimpleNamespace(
        plan=SimpleNamespace(measured=measured), decided=decided, experiment=SimpleNamespace(arms=arms, looks=stop)
    )


def trials(**columns):
    """Make a warm-up and two measured trials, one on each arm."""
    return pl.DataFrame(
        {
            "stage": ["warmup", "measured", "measured"],
            "arm": ["IDEAT", "IDEAT", "OPTIM"],
            "total_tokens": [100, 200, 1000],
            "naming_tokens": [None, 50, None],
            "cost_usd": [0.5, 1.0, 2.75],
            "naming_cost_usd": [None, None, 0.25],
        }
        | columns
    )


def test_warm_ups_and_names_are_paid_too():
    """Three trials with 1,350 tokens and 4.50 dollars, naming included; nothing of the plan is left."""
    found = spending.of(manifest(measured=2), trials())
    assert found.spent == Amount(trials=3, tokens=1350.0, usd=4.5)
    assert found.rest.trials == 0
    assert spending.sentence(found) == "1,350 tokens and $4.50 for 3 trials, 1 for warm-up included"


def test_the_rest_costs_what_its_arms_cost():
    """Two trials on each arm were not asked: 2 x 250 and 2 x 1,000 tokens."""
    stopped = spending.of(manifest(measured=6, decided=object(), stop=object()), trials())
    assert stopped.rest == Amount(trials=4, tokens=2500.0, usd=8.0)
    assert spending.sentence(stopped).endswith("stopping saved 4 trials, which would have cost about 2,500 tokens and $8.00")
    broken_off = spending.of(manifest(measured=6), trials())
    assert "the 4 trials that were not asked would cost about 2,500 tokens" in spending.sentence(broken_off)


def test_a_run_whose_looks_did_not_stop_it_saved_nothing():
    """The reader sees that looks were planned, and that they were of no use here."""
    assert "nothing was saved" in spending.sentence(spending.of(manifest(measured=2, stop=object()), trials()))


def test_an_unknown_cost_is_not_zero():
    """Without the columns nothing is known; an arm that was never asked has no known cost either."""
    bare = trials().drop("cost_usd", "total_tokens")
    assert (
        spending.sentence(spending.of(manifest(measured=2), bare)) == "an unknown amount for 3 trials, 1 for warm-up included"
    )
    alone = trials().filter(pl.col("arm") == "IDEAT")
    assert spending.of(manifest(measured=6), alone).rest == Amount(trials=5, tokens=None, usd=None)


def test_the_first_lines_of_a_report_say_it():
    """It is among the facts of the run, which every format shows on its first screen."""
    spent, nothing = Amount(trials=9, tokens=3.612e6, usd=0.0421), Amount(trials=0, tokens=0, usd=0)
    found = Spending(spent=spent, rest=nothing, saved=False, looks=False)
    assert dict(about(report(spending=found)))["spent"] == "3.61M tokens and $0.042 for 9 trials"
    assert "spent" not in dict(about(report()))


def test_every_look_is_a_row_with_its_decision():
    """Each look has what it saw; only the last one stops the run."""
    seen = ratio(0.8, 0.7, 0.9)
    undecided, decided = (comparison("latency_s", seen, verdict) for verdict in ("inconclusive", "better"))
    looks = (
        Look(look=1, of=10, trials=70, comparisons=(undecided,), stops=False),
        Look(look=2, of=10, trials=140, comparisons=(decided,), stops=True),
    )
    table = tables.looks(report(looks=looks))
    assert [[cell.forms[0] for cell in row] for row in table.rows] == [
        ["1 of 10", "70", "latency_s", "-20% (-30 to -10)", "<0.001", "—", "~", "go on"],
        ["2 of 10", "140", "latency_s", "-20% (-30 to -10)", "<0.001", "—", "better", "stop"],
    ]
    assert tables.looks(report()) is None


def test_weighted_queries_are_named_among_the_facts():
    """A reader sees that the estimates speak of the traffic or of the whole corpus; without weights there is no note."""
    for fields, words in (
        ({}, ""),
        ({"weights": "traffic"}, "as often as users ask"),
        ({"sample": {"n": 2, "by": "cost"}}, "weighted back to the whole corpus"),
    ):
        notes = facts.of(replace(manifest_of(), experiment=built(**fields)), {}).notes
        assert len(notes) == bool(fields)
        assert words in "".join(notes)


def test_a_look_of_a_race_names_the_arms_that_it_drops():
    """A look at which every contrast has lost an arm has a row without values."""
    seen = (comparison("latency_s", ratio(0.8, 0.7, 0.9), "better"),)
    looks = (
        Look(look=1, of=9, trials=70, comparisons=seen, stops=False, dropped=("IDEAT",)),
        Look(look=2, of=9, trials=140, comparisons=(), stops=False),
        Look(look=3, of=9, trials=150, comparisons=(), stops=True, dropped=("OPTIM", "SLOW")),
    )
    table = tables.looks(report(looks=looks))
    rows = [[cell.forms[0] for cell in row] for row in table.rows]
    assert [(row[0], row[-1]) for row in rows] == [
        ("1 of 9", "drop IDEAT"),
        ("2 of 9", "go on"),
        ("3 of 9", "drop OPTIM, SLOW"),
    ]
    assert rows[1][2:7] == ["—"] * 5
    assert "A race drops an arm" in str(table)
