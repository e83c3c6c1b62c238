"""Planning prompts with another profile's tools: found by their size, and no other large prompt is."""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from datetime import timedelta

import pytest
import traces
from ledgers import settle
from prompts import ADDED, NOON, planned
from runs import manifest_of

from uderia_bench import plugins
from uderia_bench.analysis import analyse
from uderia_bench.commands import inspect
from uderia_bench.reading import derive, metrics
from uderia_bench.reading.detectors import DEFAULTS
from uderia_bench.reading.foreign_tools import Plan, Span, suspects
from uderia_bench.runs import directory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run
from uderia_bench.trial import Outcome


def plan(number, tokens, *, query="q", warm=False, began=0.0, **more):
    """Return the plan of a trial of OPTIM that ran for 10 s."""
    start = NOON + timedelta(seconds=began)
    values = {"server": "s", "arm": "OPTIM", "profile_id": "p-optim", "turn": 1, **more}
    return Plan(
        trial_id=f"t{number}",
        query_id=query,
        warm=warm,
        tokens=tokens,
        began=start,
        ended=start + timedelta(seconds=10),
        **values,
    )


def plans(*tokens, **more):
    """Return a plan for each of these prompts."""
    return [plan(number, each, **more) for number, each in enumerate(tokens)]


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        ((7100, 7105, 8250), {"t2"}),
        ((7100, 7100, 7100, 8250, 7100), {"t3"}),
        ((8250, 7100, 7105, 7102, 8260), {"t0", "t4"}),
        ((7100, 7105, 7110, 7100, 8250, 10_500), {"t4", "t5"}),  # the tools of two other profiles
        ((7100, 7105, 7110, 7100, 7100, 8250, 12_000), {"t5", "t6"}),
        ((7100, 7105), set()),  # too few to be a reference
        ((7100, 8250), set()),
        ((7100, 8250, 8255), set()),  # the majority is the usual
        ((7100, 7105, 7110, 7290), set()),  # a few words more
        ((7000, 7400, 7800, 8300), set()),  # it grows
        ((7000, 7800, 7900, 9000), set()),  # it varies as much as that
    ],
)
def test_a_prompt_above_a_wide_gap_is_suspect(tokens, found):
    """A minority above a gap that is wide against the differences below it."""
    assert set(suspects(plans(*tokens))) == found


def test_another_query_and_another_state_are_no_reference():
    """A longer question, and stored cases in the prompt, are no foreign tools."""
    long = [plan(10 + number, 9500, query="long") for number in range(3)]
    warm = [plan(20 + number, 8300, warm=True) for number in range(3)]
    assert suspects([*plans(7100, 7100, 7100), *long, *warm]) == {}


def test_one_stored_case_more_is_no_suspicion():
    """Cases add 300 to 660 tokens here, so a difference of one case stays below what they add together."""
    cold = plans(7035, 7036, 7034)
    warm = [plan(10 + number, tokens, warm=True) for number, tokens in enumerate((7334, 7334, 7336, 7515, 7698))]
    assert suspects([*cold, *warm]) == {}
    assert set(suspects([*cold, *warm, plan(20, 7334 + ADDED, warm=True)])) == {"t20"}


def test_queries_with_few_trials_are_compared_with_each_other():
    """Twelve queries asked once each: two of them have a block of tools more."""
    usual = [plan(number, 7700 + 15 * number, query=f"q{number}") for number in range(10)]
    more = [plan(number, 7750 + ADDED, query=f"q{number}") for number in (10, 11)]
    assert set(suspects([*usual, *more])) == {"t10", "t11"}
    assert suspects([*usual[:5], *more]) == {}  # too few to compare
    varied = [plan(number, 6000 + 400 * number, query=f"q{number}") for number in range(10)]
    assert suspects([*varied, plan(11, 9600 + ADDED, query="q11")]) == {}  # prompts differ as much


def test_a_prompt_that_its_own_parts_explain_is_no_suspicion():
    """Retrieved documents are in the server's snapshot of the prompt; foreign tools are not."""
    usual = plans(7100, 7100, 7105, context=3500)
    assert suspects([*usual, plan(9, 8250, context=4600)]) == {}
    assert set(suspects([*usual, plan(9, 8250, context=3510)])) == {"t9"}


@pytest.mark.parametrize(
    ("other", "sure"),
    [
        (Span(server="s", profile_id="p-ideat", began=NOON + timedelta(seconds=5), ended=NOON + timedelta(seconds=6)), True),
        (Span(server="s", profile_id="p-ideat", began=NOON + timedelta(seconds=11), ended=NOON + timedelta(seconds=12)), False),
        (Span(server="other", profile_id="p-ideat", began=NOON, ended=NOON + timedelta(seconds=9)), False),
        (Span(server="s", profile_id="p-optim", began=NOON, ended=NOON + timedelta(seconds=9)), False),
    ],
    ids=["overlaps", "later", "another server", "the same profile"],
)
def test_it_is_sure_where_a_trial_of_another_profile_overlapped(other, sure):
    """Otherwise it is probable."""
    (found,) = suspects(plans(7100, 7100, 7100, 8250), [other]).values()
    assert found.sure is sure
    assert found.reason.startswith("the planning prompt had 1,150 tokens more than the usual 7,100: ")


@pytest.mark.parametrize("seed", range(20))
def test_quiet_runs_have_no_suspect(seed):
    """300 trials of 30 queries with stored cases, prompts of different length and jitter: none is suspect, planted ones are."""
    rng = random.Random(seed)
    quiet = []
    for query in range(30):
        base, cases = rng.gauss(7600, 180), 0
        for _ in range(10):
            tokens = base + rng.uniform(0, 110) + (0, 299, 480, 663)[cases]
            quiet.append(plan(len(quiet), round(tokens), query=f"q{query}", warm=cases > 0))
            cases = min(3, cases + (rng.random() < 0.6))
    assert suspects(quiet) == {}
    planted = rng.sample([each for each in quiet if each.warm], 20)
    mixed = [replace(each, tokens=each.tokens + ADDED) if each in planted else each for each in quiet]
    found = set(suspects(mixed))
    wanted = {each.trial_id for each in planted}
    assert len(found & wanted) >= 13  # one on top of fewer cases than usual may be hidden
    assert found <= wanted


def test_the_trials_of_a_running_server_are_told_apart(shared):
    """At least 8 of 9 contaminated trials are found, with at most one false alarm."""
    with (shared / "faults/live/foreign-tool-context.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for column in ("strategic_tokens", "planning_tokens_at_llm"):
        made = [
            plan(number, int(row[column]), query=row["query_id"], warm=row["rag_used"] == "true")
            for number, row in enumerate(rows)
        ]
        wanted = {f"t{number}" for number, row in enumerate(rows) if row["foreign_tool_context"] == "true"}
        found = set(suspects(made))
        assert len(found & wanted) >= 8
        assert len(found - wanted) <= 1


def of_arm(number, tokens, arm="OPTIM", began=0.0):
    """Return the record of a repeat of an arm whose planning call has this many input tokens."""
    trial = traces.trial(trial_id=f"{arm}-{number}", seq=number, arm=arm, repeat=number + 1)
    return planned(trial, tokens, began_s=began)


def derived(tmp_path, *records):
    """Return the trials of a run with these records."""
    run = directory.create(tmp_path, "r")
    with Ledger.create(
        run.ledger, [each.trial for each in records], {each.trial.arm: each.expected for each in records}
    ) as ledger:
        for each in records:
            settle(ledger, each)
    derive.run(run, derive.Reading())
    return run.trials()


def test_a_sure_one_is_misrouted_and_a_probable_one_is_left_out_of_comparisons(tmp_path):
    """Both have a note. The probable one keeps its outcome, and a warning counts it."""
    records = [of_arm(number, 7100 + (ADDED if number in (3, 7) else 0), began=100.0 * number) for number in range(8)]
    other = of_arm(20, 7100, arm="IDEAT", began=305.0)
    trials = derived(tmp_path, *records, other)
    rows = {row["trial_id"]: row for row in trials.iter_rows(named=True)}
    assert (rows["OPTIM-3"]["outcome"], rows["OPTIM-7"]["outcome"]) == (Outcome.MISROUTED, Outcome.ANSWERED)
    assert rows["OPTIM-3"]["outcome_detail"].endswith("another profile's tools were in it")
    assert any("probably" in note for note in rows["OPTIM-7"]["notes"])
    assert [rows[f"OPTIM-{number}"]["foreign_tools"] for number in (2, 3, 7)] == [False, True, True]
    made = Run(directory=directory.RunDirectory(tmp_path / "r"), manifest=manifest_of("r", server="http://s"))
    for name in ("OPTIM-2", "OPTIM-3", "OPTIM-7"):  # one trial alone cannot show it, so inspect uses what was derived
        shown = inspect.of_run(made, name, plugins.load(), DEFAULTS)
        assert (shown.trace.outcome, shown.trace.foreign_tools) == (rows[name]["outcome"], rows[name]["foreign_tools"])
    found = analyse.analyse(trials, metrics=metrics.BUILT_IN, contrasts=(), margins={}, seed=1)
    (optim,) = [arm for arm in found.arms if arm.arm == "OPTIM"]
    assert optim.trials == 7
    assert any(warning.startswith("excludes 1 trial of OPTIM, ") for warning in found.warnings)
