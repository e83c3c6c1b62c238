"""The page on what memory is worth, in the formats."""

from __future__ import annotations

import json
from dataclasses import replace

from report.reports import comparison, estimate, report

from uderia_bench.analysis.values import MemoryPart, MemoryScore, MemoryUse
from uderia_bench.report import memory
from uderia_bench.report.formats.as_json import to_json
from uderia_bench.report.formats.text import to_text
from uderia_bench.runs.changes import Change, ChangeState, Noted
from uderia_bench.stats.estimate import Effect

EFFECT = Effect(kind="difference", value=-900.0, lo=-1000.0, hi=-800.0, level=0.95)
SCORE = MemoryScore(
    baseline="cold",
    candidate="warm",
    state="frozen",
    comparisons=(comparison("total_tokens", EFFECT, "better", pair=("cold", "warm"), family="memory"),),
    use=MemoryUse(found=estimate(0.9, 0.05), exact=estimate(0.7, 0.1), near=estimate(0.2, 0.1), cases=12),
    per_use={"total_tokens": estimate(-1000.0, 100.0)},
    curve=(
        MemoryPart(part="1", queries=24, found=estimate(0.8, 0.1), effects={"total_tokens": EFFECT}),
        MemoryPart(part="2", queries=24, found=estimate(1.0, 0.0), effects={}),
    ),
    spread=(MemoryPart(part="paraphrases", queries=6, found=estimate(0.5, 0.2), effects={"total_tokens": EFFECT}),),
    repaid=1,
    balance=estimate(-1800.0, 200.0),
)


def given(**changes):
    """Return a report with one score."""
    made = report()
    return replace(made, analysis=replace(made.analysis, memory=(replace(SCORE, **changes),)))


def test_the_page_has_effects_use_curve_and_spread():
    """Each number has its interval, with the meaning of the state and the adjustment of p."""
    text = to_text(given())
    for words in (
        "Memory: warm (frozen: plans stored before the run) compared with cold",
        "90% (85% to 95%) of the trials found a plan: 70% (60% to 80%) of the same",
        "12 different plans were used",
        "Change per trial that found a plan: total_tokens -1,000 (-1,100 to -900)",
        "the tokens per query change by -1,800 (-2,000 to -1,600)",
        "repaid from repeat 1 on",
        "Memory: warm compared with cold by repeat",
        "Memory: warm compared with cold by wording",
    ):
        assert " ".join(words.split()) in " ".join(text.split())


def test_too_little_use_has_no_effect_per_plan_and_costs_may_not_be_repaid():
    """Both are sentences, not numbers."""
    text = " ".join(to_text(given(per_use={}, repaid=None)).split())
    assert "No effect per found plan: that needs 10% of the trials to find one" in text
    assert "so the longer planning prompts are not repaid" in text


def test_the_json_has_the_numbers_behind_the_page():
    """Nothing of the page is only text."""
    (score,) = json.loads(to_json(given()))["memory"]
    assert score["use"]["cases"] == 12
    assert score["curve"][0]["effects"]["total_tokens"]["value"] == -900.0
    assert score["per_use"]["total_tokens"]["lo"] == -1100.0
    assert score["comparisons"][0]["family"] == "memory"


def test_the_servers_own_gain_is_shown_nowhere():
    """``rag_efficiency_gain`` compares a turn with another question."""
    assert "efficiency" not in to_text(given()) + to_json(given())


def test_changes_that_are_left_are_warnings():
    """One that was not undone names the command, and a memory that was emptied between two sittings says so."""
    filled = Change(server="s", kind="collection cases", about="1", before=None, after=None)
    undone = [Noted(number=number, change=filled, state=ChangeState.RESTORED) for number in (1, 2)]
    left = Noted(number=3, change=Change(server="s", kind="x", about="", before=None, after=None), state=ChangeState.APPLIED)
    assert memory.left_changed((undone[0],), "r") == ()
    assert memory.left_changed((left,), "r") == ("1 change of the server is not undone: run 'uderia-bench restore r'",)
    (said,) = memory.left_changed(tuple(undone), "r")
    assert said.startswith("the memory of the learning arm was emptied when the run was interrupted")
