"""The three lines that decide, one test a way a run can come out."""

from dataclasses import replace

import pytest
from report.reports import (
    METRICS,
    arm,
    comparison,
    difference,
    facts,
    ideat_and_optim,
    metric,
    ratio,
    report,
    seed_story,
    summary,
    winner,
)

from uderia_bench.report import headline as module
from uderia_bench.report.content import GateResult

RULE = "A right answer counts before a fast one, so time does not decide here."
SIMPLE, COMPLEX = "complexity=simple", "complexity=complex"


def headline(made):
    """Return the lines as text."""
    return tuple(map(str, module.headline(made)))


def of(*comparisons, winners=(), arms=None, **given):
    """Return the headline of a report with these comparisons."""
    return headline(report(arms=ideat_and_optim() if arms is None else arms, comparisons=comparisons, winners=winners, **given))


def test_each_class_gets_its_arm_and_its_reason():
    """With a winner each, the lines name what to use, what for, and how sure that is."""
    assert headline(seed_story()) == (
        "Simple queries: use IDEAT for 86% less time (range 84% to 86%) and 12% less cost (range 7% to 16%).",
        f"Complex queries: use OPTIM for 8 points more checks passed (range 3 to 13 points). Undecided: success rate. {RULE}",
        "Confidence: 95% for each range, over queries like these (24 queries x 5 repeats). 4 of 240 trials have no answer.",
    )


@pytest.mark.parametrize(
    ("p", "said"), [(0.04, "95%"), (0.08, "less than 95% (up to 10% of verdicts by class of query may be false)")]
)
def test_a_class_that_is_decided_as_a_lead_is_not_called_surer_than_it_is(p, said):
    """Classes of query are judged among the exploratory at 0.10: only what is below 0.05 bears the run's confidence."""
    *_, last = of(
        comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE, p=p),
        comparison("cost_usd", ratio(0.6, 0.5, 0.7), "better", stratum=SIMPLE, p=0.001),
        winners=(winner("simple", "OPTIM", "better on both"),),
    )
    assert last.startswith(f"Confidence: {said} for each range, over queries like these")


def test_the_confidence_of_a_confirmation_has_four_digits():
    """``try`` declares levels such as 1 - 0.0304."""
    story = seed_story()
    strict = replace(story, analysis=replace(story.analysis, confidence=1 - 0.030396355092701333))
    assert headline(strict)[2].startswith("Confidence: 96.96% for each range")


def test_a_trade_off_says_which_arm_for_what():
    """Better on one and worse on the other is no winner, but tells the reader what each arm is for."""
    first, *_ = of(
        comparison("latency_s", ratio(6.0, 5.5, 6.5), "worse", stratum=SIMPLE),
        comparison("cost_usd", ratio(0.6, 0.5, 0.7), "better", stratum=SIMPLE),
        winners=(winner("simple", None, "a trade-off"),),
    )
    assert first == (
        "Simple queries: no winner, a trade-off. IDEAT has 83% less time (range 82% to 85%). OPTIM has "
        "40% less cost (range 30% to 50%)."
    )


def test_a_quick_arm_that_answers_less_often_is_a_trade_off():
    """The difference in answers may be chance, so no arm is recommended, and both sides are named."""
    first, *_ = of(
        comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE),
        comparison("cost_usd", ratio(1.0, 0.97, 1.03), "equivalent", stratum=SIMPLE),
        comparison("answered", difference(-0.25, -0.6, 0.1), "inconclusive", stratum=SIMPLE, margin=None),
        winners=(winner("simple", None, "a trade-off"),),
    )
    assert first == (
        "Simple queries: no winner, a trade-off. IDEAT shows a success rate 25 points higher (range 10 points lower to 60 "
        "points higher), which may be chance. OPTIM has 50% less time (range 40% to 60%)."
    )


def test_an_inconclusive_run_has_advice():
    """Where nothing is decided the reader learns the size seen and how many more queries to ask."""
    advice = "about 40 more queries would show an effect of the size seen, or 12 repeats instead of 5"
    lines = of(
        comparison("latency_s", ratio(0.97, 0.88, 1.07), "inconclusive", stratum=SIMPLE, p=0.5, advice=advice),
        comparison("cost_usd", ratio(1.02, 0.95, 1.1), "inconclusive", stratum=SIMPLE, p=0.6, advice="about 90 more queries"),
        winners=(winner("simple", None, "no winner"),),
    )
    assert lines == (
        (
            "Simple queries: undecided. OPTIM shows 3% less time (range 7% more to 12% less) and 2% more "
            "cost (range 5% less to 10% more), which may be chance."
        ),
        "Complex queries: this run has none.",
        f"Not decided: Simple queries, time: {advice}.",
    )


def test_arms_that_look_the_same_are_not_said_to_differ_yet():
    """The line has no size of an effect, because none was found."""
    _, second, _ = of(
        comparison("answered", difference(0.0, -0.29, 0.29), "inconclusive", stratum="complexity=complex"),
        comparison("checks_passed_ratio", difference(0.0, -1.0, 1.0), "inconclusive", stratum="complexity=complex"),
        winners=(winner("complex", None, "no winner"),),
    )
    assert second == "Complex queries: no difference found in success rate or checks passed. A difference is still possible."


def test_equivalent_arms_are_said_to_be_interchangeable():
    """Equivalence is a result: either arm will do."""
    first, *_ = of(
        comparison("latency_s", ratio(1.01, 0.98, 1.03), "equivalent", stratum=SIMPLE),
        comparison("cost_usd", ratio(0.99, 0.97, 1.02), "equivalent", stratum=SIMPLE),
        winners=(winner("simple", None, "no winner"),),
    )
    assert first == "Simple queries: either arm will do, because any difference in time or cost is smaller than the margin."


def test_a_class_that_is_half_decided_says_both_halves():
    """Equal in one and open in the other is no verdict, and tells which is which."""
    first, *_ = of(
        comparison("latency_s", ratio(1.01, 0.98, 1.03), "equivalent", stratum=SIMPLE),
        comparison("cost_usd", ratio(1.04, 0.97, 1.1), "inconclusive", stratum=SIMPLE),
        winners=(winner("simple", None, "no winner"),),
    )
    assert first == (
        "Simple queries: undecided. OPTIM shows 4% more cost (range 3% less to 10% more), which may be chance. "
        "Equivalent: time."
    )


def test_each_doubt_has_its_metrics():
    """A clear range is never called chance: the reason why it is no verdict follows it, and equal values come last."""
    few = "but 2 queries are too few to tell whether others would show the same"
    first, *_ = of(
        comparison("latency_s", ratio(6.31, 6.12, 6.5), "inconclusive", stratum=SIMPLE, doubt=few),
        comparison("cost_usd", ratio(1.0), "inconclusive", stratum=SIMPLE, doubt=few),
        winners=(winner("simple", None, "no winner"),),
    )
    assert first == (
        f"Simple queries: undecided. OPTIM shows 6.31x the time (range 6.12 to 6.50), {few}. No difference found in cost."
    )
    first, *_ = of(
        comparison("latency_s", ratio(1.03, 1.01, 1.05), "inconclusive", doubt="but that may be within the margin"),
        comparison("cost_usd", ratio(1.1, 0.9, 1.3), "inconclusive"),
    )
    assert first == (
        "Queries like these: undecided. OPTIM shows 3% more time (range 1% to 5%), but that may be within the margin. "
        "OPTIM shows 10% more cost (range 10% less to 30% more), which may be chance."
    )


@pytest.mark.parametrize(
    ("verdict", "said"), [("better", ". OPTIM has 50% less time (range 40% to 60%)"), ("equivalent", ". Equivalent: time")]
)
def test_a_verdict_without_a_winner_is_not_called_chance(verdict, said):
    """Simple queries need time and cost. Where no trial has a cost, the line says so beside the verdict on time."""
    first, *_ = of(
        comparison("latency_s", ratio(0.5, 0.4, 0.6), verdict, stratum=SIMPLE),
        winners=(winner("simple", None, "no winner: time and cost cannot both be judged"),),
    )
    assert first == f"Simple queries: undecided, because there is no cost to compare{said}."


def test_the_preference_of_a_judge_that_failed_its_probes_is_left_out():
    """It names no winner, so it makes no trade-off either."""
    _, second, _ = of(
        comparison("answered", difference(-0.1, -0.3, 0.1), "inconclusive", stratum=COMPLEX),
        comparison("preference", difference(0.3, 0.2, 0.4), "better", stratum=COMPLEX, warnings=("exploratory: it turns",)),
        winners=(winner("complex", None, "no winner"),),
    )
    assert second == (
        "Complex queries: undecided. OPTIM shows a success rate 10 points lower (range 10 points higher to 30 points lower), "
        "which may be chance."
    )


def test_a_winner_that_loses_something_says_so():
    """The rule may name a winner that is worse at a lesser thing: success goes before answer quality."""
    _, second, _ = of(
        comparison("answered", difference(0.04, 0.01, 0.07), "better", stratum=COMPLEX),
        comparison("checks_passed_ratio", difference(-0.05, -0.08, -0.02), "worse", stratum=COMPLEX),
        winners=(winner("complex", "OPTIM"),),
    )
    gain, loss = "a success rate 4 points higher (range 1 to 7 points)", "5 points fewer checks passed (range 2 to 8 points)"
    assert second == f"Complex queries: use OPTIM for {gain}, but it has {loss}."


def test_unlabelled_arms_that_do_not_differ_or_are_invalid():
    """Equivalence and invalidity are reported for unlabelled queries too."""
    same = of(comparison("latency_s", ratio(1.0, 0.98, 1.02), "equivalent"))
    assert (
        same[0]
        == "Queries like these: OPTIM and IDEAT are equivalent, because any difference in time is smaller than the margin."
    )
    broken = of(comparison("latency_s", ratio(1.0, 0.98, 1.02), "invalid", warnings=("invalid: nobody was there",)))
    assert broken[0] == "Queries like these: no result, because the comparison is not valid."
    assert broken[2] == "Not valid: nobody was there."


def test_an_invalid_comparison_has_no_verdict_and_its_reason_in_the_third_line():
    """Contamination outweighs every number."""
    reason = "11 of 72 trials of OPTIM were misrouted, more than 5%: run the arms apart"
    broken = {"p": 0.01, "warnings": ("cost is estimated", f"invalid: {reason}")}
    lines = of(
        comparison("latency_s", ratio(6.0, 5.5, 6.5), "invalid", **broken),
        comparison("latency_s", ratio(6.0, 5.5, 6.5), "invalid", stratum=SIMPLE, **broken),
        winners=(winner("simple", None, "no winner"),),
    )
    assert lines[0] == "Simple queries: no result, because the comparison is not valid."
    assert lines[2] == f"Not valid: {reason}."


def test_tokens_stand_in_where_cost_is_not_judged():
    """A cost without a price gives way to tokens, as in the analysis's rule."""
    first, *_ = of(
        comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE),
        comparison("cost_usd", ratio(None), "inconclusive", stratum=SIMPLE, p=None),
        comparison("total_tokens", ratio(0.7, 0.6, 0.8), "better", stratum=SIMPLE),
        winners=(winner("simple", "OPTIM"),),
    )
    assert first == "Simple queries: use OPTIM for 50% less time (range 40% to 60%) and 30% fewer tokens (range 20% to 40%)."


def test_one_arm_speaks_for_itself():
    """With nothing to compare, the lines say how often the arm answers, how fast and for how much."""
    ideat, _ = ideat_and_optim()
    assert of(arms=(ideat,)) == (
        "Result: one arm, IDEAT, so there is nothing to compare.",
        "Result: IDEAT: 99.2% answered, half within 2.89s, 95% within 5.78s, $0.00212 per query.",
        "Confidence: 95% for queries like these (24 queries x 5 repeats). 1 of 120 trials has no answer.",
    )


def test_two_arms_without_a_contrast_are_not_compared():
    """Comparison is planned, not found."""
    assert of()[0] == "Result: no comparison, because the experiment plans no contrast."


def test_no_arm_answered():
    """Zero answers give no recommendation, but how the trials ended."""
    arms = (arm("IDEAT", answered=0, unreachable=120), arm("OPTIM", answered=0, refused=118, lost=2))
    lines = of(comparison("latency_s", ratio(None), "inconclusive", p=None), arms=arms)
    assert lines[:2] == (
        "Result: no arm answered any query, so there is nothing to compare.",
        "Result: IDEAT: 120 unreachable; OPTIM: 118 refused, 2 lost.",
    )


def test_one_silent_arm_is_not_recommended():
    """An arm without a single answer is the decision, whatever the other metrics say."""
    arms = (ideat_and_optim()[0], arm("OPTIM", answered=0, timed_out=120))
    lines = of(comparison("latency_s", ratio(None), "inconclusive", p=None), arms=arms, winners=(winner("simple", None),))
    assert lines[:2] == (
        "Result: do not use OPTIM yet, because it answered none of its 120 trials.",
        "Result: OPTIM: 120 timed out.",
    )


def test_nothing_measured():
    """A run that was stopped before its first answer has nothing to say, and says so."""
    assert of(arms=())[0] == "Result: no trial has ended yet."


def test_unlabelled_queries_name_no_winner():
    """Without simple or complex queries there are effects, and no recommendation."""
    lines = of(comparison("latency_s", ratio(6.26, 5.9, 6.7), "worse"), comparison("cost_usd", ratio(0.8, 0.7, 0.9), "better"))
    assert lines[:2] == (
        (
            "Queries like these: OPTIM has 6.3x the time (range 5.9 to 6.7) and 20% less cost (range 10% to 30%) "
            "compared with IDEAT."
        ),
        "Winner: not named, because no query is labelled simple or complex.",
    )


def test_one_query_says_so():
    """Numbers of one query speak of that query only, in the first line and in the third."""
    one = facts(queries=1, repeats=8, planned=16, settled={"answered": 16})
    worse = comparison("latency_s", ratio(6.26, 5.9, 6.7), "worse", n_queries=1, n_pairs=8)
    lines = of(worse, facts=one)
    assert lines[0] == "This query only: OPTIM has 6.3x the time (range 5.9 to 6.7) compared with IDEAT."
    assert lines[2].startswith("Confidence: 95% for each range, over this query only (8 repeats)")


def test_one_labelled_query_does_not_speak_for_its_class():
    """A simple query asked alone is that query, not simple queries."""
    one = facts(queries=1, repeats=8, planned=16, settled={"answered": 16})
    faster = comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE, n_queries=1, n_pairs=8)
    lines = of(faster, winners=(winner("simple", "OPTIM"),), facts=one)
    assert lines[:2] == (
        "This query only: use OPTIM for 50% less time (range 40% to 60%).",
        "Other queries: this result does not hold for them. Run a corpus of queries with `uderia-bench run`.",
    )


def test_too_few_repeats_are_no_verdict_and_say_how_many_more():
    """Below the floor a large effect is still no result."""
    few = comparison("latency_s", ratio(6.3, 5.6, 7.0), "inconclusive", n_queries=1, n_pairs=5, advice="1 more repeat")
    lines = of(few, facts=facts(queries=1, planned=10, settled={"answered": 10}))
    assert lines[0] == "This query only: undecided. OPTIM shows 6.3x the time (range 5.6 to 7.0), which may be chance."
    assert lines[2] == "Not decided: Time: 1 more repeat."


def test_an_unfinished_run_has_the_command_to_continue():
    """Trials that are not done are in the way of every conclusion."""
    found = comparison("latency_s", ratio(0.5, 0.4, 0.6), "better")
    *_, third = of(found, facts=facts(settled={"answered": 100}, interrupted=True))
    assert third == "Not finished: 140 trials left to ask. Run `uderia-bench resume 20261124-130700-7` to continue."


def test_what_a_server_refused_is_left_to_ask_whatever_its_outcome():
    """The report counts the trials that ``resume`` will ask, warm-ups included."""
    found = comparison("latency_s", ratio(0.5, 0.4, 0.6), "better")
    for left, said in ((1, "1 trial left"), (1203, "1,203 trials left")):
        *_, third = of(found, facts=facts(interrupted=True, left=left))
        assert third == f"Not finished: {said} to ask. Run `uderia-bench resume 20261124-130700-7` to continue."


def test_a_damaged_ledger_is_in_the_way_and_nothing_is_left_to_resume():
    """All was asked; what cannot be read any more is not asked again."""
    found = comparison("latency_s", ratio(0.5, 0.4, 0.6), "better")
    *_, third = of(found, facts=facts(settled={"answered": 238}, left=0))
    assert third == "Damaged: 2 of 240 trials cannot be read from the damaged ledger."


def test_a_missed_gate_is_in_the_way():
    """A gate that was missed is named."""
    gates = (GateResult(name="OPTIM.latency_s.p95 < 20s", passed=False, detail="36.3s"),)
    *_, third = of(comparison("latency_s", ratio(0.5, 0.4, 0.6), "better"), gates=gates)
    assert third == "Gates missed: OPTIM.latency_s.p95 < 20s (1 of 1)."


def test_three_arms_name_the_one_that_wins_all_of_its_contrasts():
    """An arm is recommended over several contrasts only where it wins each one it is in."""
    arms = tuple(arm(name, summary("latency_s", 3.0, 0.1)) for name in "ABC")
    pairs = (("A", "B"), ("A", "C"))
    given = [comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", pair=pair) for pair in pairs]

    def first(b, c):
        return of(*given, arms=arms, winners=(winner("simple", b, pair=pairs[0]), winner("simple", c, pair=pairs[1])))[0]

    assert first("A", "A") == "Simple queries: use A. It is better than B and C."
    assert first("B", "A") == "Simple queries: use B. It is better than A."
    assert first("B", "C") == "Simple queries: B and C each win, but were not compared with each other."
    assert first(None, None) == "Simple queries: no arm wins all of its comparisons. See the list under 'Winners'."


def test_a_metric_without_a_noun_is_called_by_its_name():
    """A plug-in's metric is worded too."""
    own = metric("my_metric", "s")
    lines = of(comparison("answered", difference(0.04, 0.01, 0.07), "better"), metrics=(*METRICS, own))
    assert lines[0] == "Queries like these: OPTIM has a success rate 4 points higher (range 1 to 7 points) compared with IDEAT."


@pytest.mark.parametrize("name", ["\x1b[31mred", "two\nlines", "right\u202eleft"])
def test_no_control_character_of_a_name_reaches_the_lines(name):
    """Names come from documents: they are written out, not obeyed."""
    ideat, _ = ideat_and_optim()
    lines = of(arms=(arm(name, *ideat.metrics.values()),))
    assert all(line.isprintable() for line in lines)


def test_how_to_go_on_names_what_finds_the_run():
    """A run that lies elsewhere is named by its path, as its id would not be found."""
    cut = facts(settled={"answered": 32}, planned=112, interrupted=True, typed="/tmp/x/r")
    third = headline(seed_story(facts=cut))[2]
    assert third == "Not finished: 80 trials left to ask. Run `uderia-bench resume /tmp/x/r` to continue."


def test_a_run_that_ended_early_rests_on_what_was_asked():
    """The plan of 14 queries by 4 repeats was not carried out; without equal arms the line says from how many to how many."""
    early = facts(queries=14, repeats=4, planned=32, settled={"answered": 32}, early=True)
    for trials, said in ((16, "16 trials per arm"), (15, "15 to 16 trials per arm")):
        arms = (arm("IDEAT", answered=16), arm("OPTIM", answered=trials))
        made = report(arms=arms, comparisons=(comparison("latency_s", ratio(6.26, 5.9, 6.7), "worse"),), facts=early)
        how_sure = f"Confidence: 95% for each range, over queries like these ({said}). All {16 + trials} trials have an answer."
        assert headline(made)[2] == how_sure


def test_a_list_of_runs_has_the_line_about_the_queries_that_were_asked():
    """A run of complex queries only has its first result in the second line."""
    only_complex = report(
        arms=ideat_and_optim(),
        comparisons=[comparison("answered", difference(0.04, 0.01, 0.07), "better", stratum=COMPLEX)],
        winners=(winner("complex", "OPTIM"),),
    )
    first, second, _ = lines = module.headline(only_complex)
    assert first.said == "this run has none."
    assert module.summary(lines) == second
    assert module.summary(module.headline(seed_story())).label == "Simple queries"
