"""Measured changes come before estimates, and an arm that is worse elsewhere is not recommended."""

from dataclasses import replace

from report.reports import seed_story

from uderia_bench.analysis.values import Verdict
from uderia_bench.report import changes
from uderia_bench.report.content import Saving
from uderia_bench.report.sections import tables_of


def judged(**verdicts):
    """Return a report whose overall comparisons have these verdicts by metric; the others are inconclusive."""
    made = seed_story()
    compared = tuple(
        replace(each, verdict=verdicts.get(each.metric, Verdict.INCONCLUSIVE) if each.stratum == "all" else each.verdict)
        for each in made.analysis.comparisons
    )
    return replace(made, analysis=replace(made.analysis, comparisons=compared))


def test_the_better_arm_is_named_first_whichever_side_it_is_on():
    """A worse candidate means that the baseline is to be used, with the effect turned round."""
    better, worse = (changes.measured(judged(total_tokens=verdict)) for verdict in (Verdict.BETTER, Verdict.WORSE))
    (row,), (turned,) = better.rows, worse.rows
    assert [cell.forms[0] for cell in row[:3]] == ["IDEAT", "OPTIM", "total_tokens"]
    assert [cell.forms[0] for cell in turned[:3]] == ["OPTIM", "IDEAT", "total_tokens"]
    assert row[3].forms[0] != turned[3].forms[0]
    saving = Saving(
        arm="IDEAT", kind="k", tokens=9, share=0.1, count=1, queries=("q",), examples=(), recommendation="r", method=None
    )
    both = replace(judged(total_tokens=Verdict.BETTER), savings=(saving,))
    titles = [table.title for table in tables_of(both)]
    assert titles.index("What to change, as measured") < titles.index("What to change, as estimated")


def test_an_arm_that_answers_less_is_not_recommended():
    """Fewer tokens with less success are no saving."""
    assert changes.measured(judged(total_tokens=Verdict.BETTER, answered=Verdict.WORSE)) is None
    assert changes.measured(judged()) is None
