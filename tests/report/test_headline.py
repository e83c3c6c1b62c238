"""The three lines that decide, one test a way a run can come out."""

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

from uderia_bench.report.content import GateResult
from uderia_bench.report.headline import headline

SIMPLE, COMPLEX = "complexity=simple", "complexity=complex"


def of(*comparisons, winners=(), arms=None, **given):
    """Return the headline of a report with these comparisons."""
    return headline(report(arms=ideat_and_optim() if arms is None else arms, comparisons=comparisons, winners=winners, **given))


def test_each_class_gets_its_arm_and_its_reason():
    """With a winner each, the lines name what to use, what for, and how sure that is."""
    assert headline(seed_story()) == (
        "Simple queries: use IDEAT for 86% less time (84 to 86), 12% less cost (7 to 16).",
        "Complex queries: use OPTIM for 8 points more checks passed; answers undecided.",
        "How sure: 95% confidence for queries like these (24 x 5); 4 of 240 unanswered.",
    )


@pytest.mark.parametrize(("p", "said"), [(0.04, "95% confidence"), (0.08, "below 95%")])
def test_a_class_that_is_decided_as_a_lead_is_not_called_surer_than_it_is(p, said):
    """Classes of query are judged among the exploratory at 0.10: only what is below 0.05 bears the run's confidence."""
    *_, last = of(
        comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE, p=p),
        comparison("cost_usd", ratio(0.6, 0.5, 0.7), "better", stratum=SIMPLE, p=0.001),
        winners=(winner("simple", "OPTIM", "better on both"),),
    )
    assert last.startswith(f"How sure: {said}")
    assert len(last) <= 80


def test_with_room_it_is_said_why_a_class_is_less_sure():
    """A planned question keeps the run's confidence; classes of query allow more false verdicts."""
    found = report(
        arms=ideat_and_optim(),
        comparisons=(
            comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE, p=0.08),
            comparison("cost_usd", ratio(0.6, 0.5, 0.7), "better", stratum=SIMPLE),
        ),
        winners=(winner("simple", "OPTIM", "better on both"),),
    )
    assert headline(found, width=200)[2].startswith("How sure: below 95%, verdicts by class allow 10% false ones for")


def test_a_trade_off_says_which_arm_for_what():
    """Better on one and worse on the other is no winner, but tells the reader what each arm is for."""
    first, *_ = of(
        comparison("latency_s", ratio(6.0, 5.5, 6.5), "worse", stratum=SIMPLE),
        comparison("cost_usd", ratio(0.6, 0.5, 0.7), "better", stratum=SIMPLE),
        winners=(winner("simple", None, "a trade-off"),),
    )
    assert first == "Simple queries: a trade-off: IDEAT has 83% less time, OPTIM 40% less cost."


def test_an_inconclusive_run_says_what_would_settle_it():
    """Where nothing is decided the reader learns the size seen and how many more queries to ask."""
    advice = "about 40 more queries would show an effect of the size seen, or 12 repeats instead of 5"
    lines = of(
        comparison("latency_s", ratio(0.97, 0.88, 1.07), "inconclusive", stratum=SIMPLE, p=0.5, advice=advice),
        comparison("cost_usd", ratio(1.02, 0.95, 1.1), "inconclusive", stratum=SIMPLE, p=0.6, advice="about 90 more queries"),
        winners=(winner("simple", None, "no winner"),),
    )
    assert lines == (
        "Simple queries: no verdict yet: OPTIM has 3% less time, 2% more cost.",
        "Complex queries: none in this run, so it says nothing about them.",
        "Not sure yet: simple queries: about 40 more queries would settle it.",
    )


def test_arms_that_look_the_same_are_not_said_to_differ_yet():
    """No effect is seen and none is ruled out: that is what the line says, not a size of nothing."""
    _, second, _ = of(
        comparison("answered", difference(0.0, -0.29, 0.29), "inconclusive", stratum="complexity=complex"),
        comparison("checks_passed_ratio", difference(0.0, -1.0, 1.0), "inconclusive", stratum="complexity=complex"),
        winners=(winner("complex", None, "no winner"),),
    )
    assert second == "Complex queries: no difference seen in answers, checks passed; none ruled out."


def test_equivalent_arms_are_said_to_be_interchangeable():
    """Equivalence is a result: either arm will do."""
    first, *_ = of(
        comparison("latency_s", ratio(1.01, 0.98, 1.03), "equivalent", stratum=SIMPLE),
        comparison("cost_usd", ratio(0.99, 0.97, 1.02), "equivalent", stratum=SIMPLE),
        winners=(winner("simple", None, "no winner"),),
    )
    assert first == "Simple queries: either arm will do: no difference that matters in time, cost."


def test_a_class_that_is_half_decided_says_both_halves():
    """Equal in one and open in the other is no verdict, and tells which is which."""
    first, *_ = of(
        comparison("latency_s", ratio(1.01, 0.98, 1.03), "equivalent", stratum=SIMPLE),
        comparison("cost_usd", ratio(1.04, 0.97, 1.1), "inconclusive", stratum=SIMPLE),
        winners=(winner("simple", None, "no winner"),),
    )
    assert first == "Simple queries: no verdict yet: OPTIM has the same time, 4% more cost."


def test_a_winner_that_loses_something_says_so():
    """The rule may name a winner that is worse at a lesser thing: success goes before answer quality."""
    _, second, _ = of(
        comparison("answered", difference(0.04, 0.01, 0.07), "better", stratum=COMPLEX),
        comparison("checks_passed_ratio", difference(-0.05, -0.08, -0.02), "worse", stratum=COMPLEX),
        winners=(winner("complex", "OPTIM"),),
    )
    assert second == "Complex queries: use OPTIM for 4 points more answers; checks passed worse."


def test_unlabelled_arms_that_do_not_differ_or_are_invalid():
    """Equivalence and invalidity are said of unlabelled queries too."""
    same = of(comparison("latency_s", ratio(1.0, 0.98, 1.02), "equivalent"))
    assert same[0] == "Queries like these: OPTIM against IDEAT: no difference that matters in time."
    broken = of(comparison("latency_s", ratio(1.0, 0.98, 1.02), "invalid", warnings=("invalid: nobody was there",)))
    assert broken[0] == "Queries like these: no verdict, the comparison is not valid."
    assert broken[2] == "In the way: nobody was there."


def test_an_invalid_comparison_has_no_verdict_and_its_reason_in_the_third_line():
    """Contamination outweighs every number."""
    reason = "11 of 72 trials of OPTIM were misrouted, more than 5%: run the arms apart"
    broken = {"p": 0.01, "warnings": ("cost is estimated", f"invalid: {reason}")}
    lines = of(
        comparison("latency_s", ratio(6.0, 5.5, 6.5), "invalid", **broken),
        comparison("latency_s", ratio(6.0, 5.5, 6.5), "invalid", stratum=SIMPLE, **broken),
        winners=(winner("simple", None, "no winner"),),
    )
    assert lines[0] == "Simple queries: no verdict: the comparison is not valid (see the third line)."
    assert lines[2] == f"In the way: {reason}."


def test_tokens_stand_in_where_cost_is_not_judged():
    """A cost without a price gives way to tokens, as in the analysis's rule."""
    first, *_ = of(
        comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE),
        comparison("cost_usd", ratio(None), "inconclusive", stratum=SIMPLE, p=None),
        comparison("total_tokens", ratio(0.7, 0.6, 0.8), "better", stratum=SIMPLE),
        winners=(winner("simple", "OPTIM"),),
    )
    assert first == "Simple queries: use OPTIM for 50% less time, 30% fewer tokens."


def test_one_arm_speaks_for_itself():
    """With nothing to compare, the lines say how often the arm answers, how fast and for how much."""
    ideat, _ = ideat_and_optim()
    assert of(arms=(ideat,)) == (
        "One arm, IDEAT: there is nothing to compare it with.",
        "IDEAT: 99.2% answered, half within 2.89s, 95% within 5.78s, $0.00212 a query.",
        "How sure: 95% confidence for queries like these (24 x 5); 1 of 120 unanswered.",
    )


def test_two_arms_without_a_contrast_are_not_compared():
    """Comparison is planned, not found."""
    assert of()[0] == "No contrast was planned: nothing is compared."


def test_nobody_answered():
    """Zero answers give no recommendation, but how the trials ended."""
    arms = (arm("IDEAT", answered=0, unreachable=120), arm("OPTIM", answered=0, refused=118, lost=2))
    lines = of(comparison("latency_s", ratio(None), "inconclusive", p=None), arms=arms)
    assert lines[:2] == (
        "No query was answered, by any arm: there is nothing to compare.",
        "IDEAT: 120 unreachable; OPTIM: 118 refused, 2 lost.",
    )


def test_one_silent_arm_is_not_recommended():
    """An arm without a single answer is the decision, whatever the other metrics say."""
    arms = (ideat_and_optim()[0], arm("OPTIM", answered=0, timed_out=120))
    lines = of(comparison("latency_s", ratio(None), "inconclusive", p=None), arms=arms, winners=(winner("simple", None),))
    assert lines[:2] == ("Do not use OPTIM yet: it answered none of its 120 queries.", "OPTIM: 120 timed_out.")


def test_nothing_measured():
    """A run that was stopped before its first answer has nothing to say, and says so."""
    assert of(arms=())[0] == "Nothing was measured: no trial has ended yet."


def test_unlabelled_queries_name_no_winner():
    """Without simple or complex queries there are effects, and no recommendation."""
    lines = of(comparison("latency_s", ratio(6.26, 5.9, 6.7), "worse"), comparison("cost_usd", ratio(0.8, 0.7, 0.9), "better"))
    assert lines[:2] == (
        "Queries like these: OPTIM against IDEAT: 6.3x the time, 20% less cost.",
        "No winner is named: no query is labelled simple or complex.",
    )


def test_one_query_says_so():
    """Numbers of one query speak of that query only, in the first line and in the third."""
    one = facts(queries=1, repeats=8, planned=16, settled={"answered": 16})
    worse = comparison("latency_s", ratio(6.26, 5.9, 6.7), "worse", n_queries=1, n_pairs=8)
    lines = of(worse, facts=one)
    assert lines[0] == "This query only: OPTIM against IDEAT: 6.3x the time (5.9 to 6.7)."
    assert lines[2].startswith("How sure: 95% confidence for this query only (8 repeats)")


def test_one_labelled_query_does_not_speak_for_its_class():
    """A simple query asked alone is that query, not simple queries."""
    one = facts(queries=1, repeats=8, planned=16, settled={"answered": 16})
    faster = comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE, n_queries=1, n_pairs=8)
    lines = of(faster, winners=(winner("simple", "OPTIM"),), facts=one)
    assert lines[:2] == (
        "This query only: use OPTIM for 50% less time (40 to 60).",
        "It says nothing of other queries: ask a corpus of them with `uderia-bench run`.",
    )


def test_too_few_repeats_are_no_verdict_and_say_how_many_more():
    """Below the floor a large effect is still no result."""
    few = comparison("latency_s", ratio(6.3, 5.6, 7.0), "inconclusive", n_queries=1, n_pairs=5, advice="1 more repeat")
    lines = of(few, facts=facts(queries=1, planned=10, settled={"answered": 10}))
    assert lines[0] == "This query only: no verdict yet: OPTIM has 6.3x the time (5.6 to 7.0)."
    assert lines[2] == "Not sure yet: 1 more repeat."


def test_an_unfinished_run_says_how_to_go_on():
    """Trials that are not done are in the way of every conclusion."""
    found = comparison("latency_s", ratio(0.5, 0.4, 0.6), "better")
    *_, third = of(found, facts=facts(settled={"answered": 100}, interrupted=True))
    assert third == "In the way: 140 trials left to ask; resume the run."


def test_what_a_server_refused_is_left_to_ask_whatever_its_outcome():
    """The run knows what ``resume`` will ask: the report counts by that, warm-ups included, and not by what has no outcome."""
    found = comparison("latency_s", ratio(0.5, 0.4, 0.6), "better")
    for left, said in ((1, "1 trial left"), (1203, "1,203 trials left")):
        *_, third = of(found, facts=facts(interrupted=True, left=left))
        assert third == f"In the way: {said} to ask; resume the run."


def test_a_damaged_ledger_is_in_the_way_and_nothing_is_left_to_resume():
    """All was asked; what cannot be read any more is not asked again."""
    found = comparison("latency_s", ratio(0.5, 0.4, 0.6), "better")
    *_, third = of(found, facts=facts(settled={"answered": 238}, left=0))
    assert third == "In the way: 2 of 240 trials cannot be read from the ledger."


def test_a_missed_gate_is_in_the_way():
    """A gate that was missed is named."""
    gates = (GateResult(name="OPTIM.latency_s.p95 < 20s", passed=False, detail="36.3s"),)
    *_, third = of(comparison("latency_s", ratio(0.5, 0.4, 0.6), "better"), gates=gates)
    assert third == "In the way: 1 of 1 gates missed: OPTIM.latency_s.p95 < 20s."


def test_three_arms_name_the_one_that_wins_all_of_its_contrasts():
    """An arm is recommended over several contrasts only where it wins each one it is in."""
    arms = tuple(arm(name, summary("latency_s", 3.0, 0.1)) for name in "ABC")
    pairs = (("A", "B"), ("A", "C"))
    given = [comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", pair=pair) for pair in pairs]

    def first(b, c):
        return of(*given, arms=arms, winners=(winner("simple", b, pair=pairs[0]), winner("simple", c, pair=pairs[1])))[0]

    assert first("A", "A") == "Simple queries: use A: it beats B, C."
    assert first("B", "A") == "Simple queries: use B: it beats A."
    assert first("B", "C") == "Simple queries: B, C each win, and were not compared."
    assert first(None, None) == "Simple queries: no single arm wins: see the winners below."


def test_a_metric_without_a_noun_is_called_by_its_name():
    """A plug-in's metric is worded too."""
    own = metric("my_metric", "s")
    lines = of(comparison("answered", difference(0.04, 0.01, 0.07), "better"), metrics=(*METRICS, own))
    assert lines[0] == "Queries like these: OPTIM against IDEAT: 4 points more answers (1 to 7)."


@pytest.mark.parametrize("name", ["\x1b[31mred", "two\nlines", "right\u202eleft"])
def test_no_control_character_of_a_name_reaches_the_lines(name):
    """Names come from documents: they are written out, not obeyed."""
    ideat, _ = ideat_and_optim()
    lines = of(arms=(arm(name, *ideat.metrics.values()),))
    assert all(line.isprintable() for line in lines)


def test_how_to_go_on_names_what_finds_the_run():
    """A run that lies elsewhere is named by its path, as its id would not be found."""
    cut = facts(settled={"answered": 32}, planned=112, interrupted=True, typed="/tmp/x/r")
    third = headline(seed_story(facts=cut), width=120)[2]
    assert third == "In the way: 80 trials left to ask; `uderia-bench resume /tmp/x/r` goes on."


def test_a_run_that_ended_early_rests_on_what_was_asked():
    """The plan of 14 queries by 4 repeats was not carried out; without equal arms the line says from how many to how many."""
    early = facts(queries=14, repeats=4, planned=32, settled={"answered": 32}, early=True)
    for trials, said in ((16, "16 trials an arm"), (15, "15 to 16 trials an arm")):
        arms = (arm("IDEAT", answered=16), arm("OPTIM", answered=trials))
        made = report(arms=arms, comparisons=(comparison("latency_s", ratio(6.26, 5.9, 6.7), "worse"),), facts=early)
        how_sure = f"How sure: 95% confidence for queries like these ({said}); none of {16 + trials} trials unanswered."
        assert headline(made, width=120)[2] == how_sure
