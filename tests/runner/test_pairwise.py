"""A pairwise judge. It sees both orders and no names, its bad days lose nothing, and probes find its biases."""

from __future__ import annotations

import json

import anyio
import experiments
import httpx
import polars as pl
import pytest
from judged_runs import JUDGE, QUERIES, made, prefers, report, text
from scripted_judge import ScriptedJudge

from uderia_bench import plugins
from uderia_bench.documents.expectation import Expectation
from uderia_bench.errors import DocumentError
from uderia_bench.gateway.trust import Trust
from uderia_bench.reading.judge import pairs, scores
from uderia_bench.report.formats.as_json import to_json
from uderia_bench.report.formats.markdown import to_markdown
from uderia_bench.report.formats.text import to_text
from uderia_bench.runner import judging

pytestmark = pytest.mark.anyio


async def ask(run, server, transport=None):
    """Ask a scripted judge about the run."""
    await judging.ask(run, plugins.load(), {}, Trust(), transport=transport or server.transport())


def compared(made_report, metric="preference", candidate="B"):
    """Return the comparison of a metric over all queries."""
    (found,) = [c for c in made_report.analysis.comparisons if (c.metric, c.candidate, c.stratum) == (metric, candidate, "all")]
    return found


async def test_an_answer_wins_only_in_both_orders_and_the_preference_is_tested(tmp_path):
    """Eight queries, sixteen calls, B always better: 100 points, with a verdict, a gate, dollars and a table."""
    server = ScriptedJudge(choose=prefers("good"))
    run = made(tmp_path, more={"margins": {"preference": "10%"}, "gates": ["B vs A: preference not worse"]})
    await ask(run, server)
    await ask(run, server)
    assert len(server.requests) == 2 * QUERIES
    made_report = report(run)
    found = compared(made_report)
    assert (found.effect.value, found.verdict, found.n_queries) == (1.0, "better", QUERIES)
    assert [gate.passed for gate in made_report.gates] == [True]
    assert made_report.judge[0] == (
        "grader compared 8 pairs of answers in 16 calls: 1,600 tokens in, 160 out, $0.0032. This is not part of any arm's cost"
    )
    assert made_report.judge[1].startswith("B is preferred to A in 100% of 8 pairs, A in 0%, and 0% are ties.")
    table = pl.read_parquet(run.path / "preferences")
    assert table["preference"].to_list() == [1.0] * QUERIES
    assert run.trials().group_by("arm").agg(pl.col("preference").mean()).sort("arm").rows() == [("A", 0.0), ("B", 1.0)]


async def test_a_judge_of_positions_makes_ties(tmp_path):
    """Whatever it shows first wins, so no arm does. The report has the share of pairs that the order decided."""
    run = made(tmp_path)
    await ask(run, ScriptedJudge(choose=lambda _first, _second: 1))
    made_report = report(run)
    assert compared(made_report).effect.value == 0.0
    assert "100% are ties. The order of the answers decided 100% of the pairs" in made_report.judge[1]


async def test_the_judge_sees_no_name_of_an_arm_or_a_model(tmp_path):
    """Tags and models are gone from both answers, except where the question has the word; the rubric is there."""
    run = made(tmp_path, answer=lambda arm, query: f"As @TAG-{arm} on OpenAI gpt-{arm}9 I say {query} {text(arm, query)}")
    server = ScriptedJudge()
    await ask(run, server)
    shown = [json.loads(request["messages"][1]["content"]) for request in server.requests]
    assert {material["answer 1"].split(" I say")[0] for material in shown} == {"As [name] on [name] [name]"}
    assert {material["rubric"] for material in shown} == {"is kind", pairs.RUBRIC}
    assert all(not {"TAG", "gpt", "OpenAI"} & set(json.dumps(material).replace("-", " ").split()) for material in shown)


async def test_equal_answers_are_a_tie_without_a_call(tmp_path):
    """The same text needs no judge, but it serves to probe one."""
    run = made(tmp_path, answer=lambda _arm, query: query)
    server = ScriptedJudge()
    await ask(run, server)
    assert server.requests == []
    assert pl.read_parquet(run_table(run))["same"].all()
    probing = made(tmp_path / "probed", answer=lambda _arm, query: query, queries=12, probes=12)
    await ask(probing, ScriptedJudge(choose=lambda first, _second: 2 if "sorry" in first else 1))
    assert {"position", "same answer"} <= {name for name, result in probed(report(probing)).items() if result == "FAILED"}


def run_table(run):
    """Conclude a run and return its table of preferences."""
    report(run)
    return run.path / "preferences"


async def test_each_contrast_of_three_arms_has_its_own_pairs(tmp_path):
    """B beats A and C beats both, in each contrast by its own pairs; strengths rank the arms where all have lost once."""
    contrasts = [{"baseline": "A", "candidate": "B"}, {"baseline": "A", "candidate": "C"}, {"baseline": "B", "candidate": "C"}]
    run = made(tmp_path, arms=("A", "B", "C"), more={"contrasts": contrasts})

    def choose(first, second):
        return "tie" if first.endswith("q0") else prefers("better", "good")(first, second)

    await ask(run, ScriptedJudge(choose=choose))
    made_report = report(run)
    found = {(c.baseline, c.candidate): c.effect.value for c in made_report.analysis.comparisons if c.metric == "preference"}
    assert found == {pair: pytest.approx(7 / 8) for pair in (("A", "B"), ("A", "C"), ("B", "C"))}
    (ranked,) = [line for line in made_report.judge if line.startswith("Bradley-Terry")]
    assert ranked.index("C +") < ranked.index(", B ") < ranked.index(", A -")


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_judge_that_is_down_loses_nothing(tmp_path, concurrency):
    """A few calls fail, the reason is said once, and a later sitting asks for what is missing and for nothing else."""
    server = ScriptedJudge(choose=prefers("good"))
    run = made(tmp_path, concurrency=concurrency)
    answered = []

    def reply(request):
        server.down = len(answered) >= 5
        answered.append(request)
        return server.reply(request)

    await ask(run, server, httpx.MockTransport(reply))
    kept = scores.read(run.path)
    assert (len(kept.choices), kept.trouble) == (5, "judge http://judge.test/v1: HTTP 503, overloaded")
    assert (run.path / scores.NAME).read_text().count("overloaded") == 1
    (line,) = [line for line in report(run).judge if line.startswith("Not judged")]
    assert "HTTP 503, overloaded). 'uderia-bench resume' asks the judge again" in line
    server.down = False
    before = len(server.requests)
    await ask(run, server)
    assert len(server.requests) - before == 2 * QUERIES - 5
    assert len(scores.read(run.path).choices) == 2 * QUERIES


async def test_one_error_is_asked_again_in_the_same_sitting(tmp_path):
    """A single 503 costs nothing, not even a resume."""
    server = ScriptedJudge()
    calls = []

    def reply(request):
        calls.append(request)
        server.down = len(calls) == 3
        return server.reply(request)

    run = made(tmp_path)
    await ask(run, server, httpx.MockTransport(reply))
    assert (len(calls), len(scores.read(run.path).choices)) == (2 * QUERIES + 1, 2 * QUERIES)


async def test_a_rate_limit_is_waited_out(tmp_path, monkeypatch):
    """Every call is answered after the pause that the judge asks for; a judge that only asks for pauses is given up."""
    waits = []
    now = [0.0]

    async def sleep_until(deadline):
        if deadline > now[0]:
            waits.append(deadline - now[0])
            now[0] = deadline
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(judging.anyio, "sleep_until", sleep_until)
    monkeypatch.setattr(judging.anyio, "current_time", lambda: now[0])
    server = ScriptedJudge(limits=3)
    run = made(tmp_path, concurrency=1)
    await ask(run, server)
    assert (len(scores.read(run.path).choices), waits) == (2 * QUERIES, [5.0] * 3)
    never = ScriptedJudge(limits=10_000)
    other = made(tmp_path / "other", concurrency=4)
    await ask(other, never)
    assert sum(waits) <= judging.LONGEST_WAIT_S + 15
    assert "slow down" in (scores.read(other.path).trouble or "")


async def test_nonsense_is_paid_for_once(tmp_path):
    """A reply without a choice is counted, priced and never asked for again."""
    server = ScriptedJudge(choose=lambda _first, _second: "the one I like")
    run = made(tmp_path)
    await ask(run, server)
    await ask(run, server)
    assert len(server.requests) == 2 * QUERIES
    told = report(run).judge
    assert told[0].startswith("grader gave no verdict in 16 calls: 1,600 tokens in, 160 out, $0.0032.")
    assert any(line.startswith("16 replies of the judge were not in the requested form") for line in told)


async def test_a_slow_judge_is_given_up_and_named_once(tmp_path):
    """A call that takes too long may have been paid for, so it is not made again in the same sitting."""
    calls = []

    async def reply(request):
        calls.append(request)
        await anyio.sleep(60)
        return httpx.Response(200)

    run = made(tmp_path, concurrency=1, timeout="50ms")
    await ask(run, None, httpx.MockTransport(reply))
    assert len(calls) == judging.GIVE_UP
    assert scores.read(run.path).trouble == "judge http://judge.test/v1: no reply in 0.05 s"


async def test_judging_stops_within_its_budget(tmp_path):
    """By calls and by dollars, and the report has the reason."""
    server = ScriptedJudge()
    run = made(tmp_path, budget={"calls": 6})
    await ask(run, server)
    await ask(run, server)
    assert len(server.requests) == 6
    (line,) = [line for line in report(run).judge if line.startswith("Not judged")]
    assert "the budget of the judge is spent after 6 calls" in line
    dear = made(tmp_path / "dear", budget={"usd": 0.0009})  # a call costs $0.0002
    server = ScriptedJudge()
    await ask(dear, server)
    assert len(server.requests) == 4


async def test_a_budget_in_dollars_needs_a_price():
    """Without one, nothing could stop it."""
    with pytest.raises(DocumentError, match=r"judge.budget.usd: needs judge.price"):
        experiments.built(judge={"url": "http://judge.test", "model": "m", "budget": {"usd": 1}})


def probed(made_report):
    """Return the result of each probe by its name."""
    lines = [line.removeprefix("Probe ") for line in made_report.judge if line.startswith("Probe ")]
    return {name: result for line in lines for name, result in (line.partition(":")[0].split(", "),)}


async def test_a_sound_judge_passes_its_probes_and_its_verdict_is_primary(tmp_path):
    """It prefers the good answer, ties equal ones and never a refusal; the model's maker is not the judge's."""

    def choose(first, second):
        if "sorry" in first + second:
            return 2 if "sorry" in first else 1
        return prefers("good")(first, second)

    run = made(tmp_path, queries=12, probes=12, more={"margins": {"preference": "10%"}})
    await ask(run, ScriptedJudge(choose=choose))
    made_report = report(run)
    assert set(probed(made_report).values()) == {"passed"}, made_report.judge
    assert (compared(made_report).family, compared(made_report).verdict) == ("primary", "better")


@pytest.mark.parametrize(
    ("choose", "model", "fails"),
    [
        (lambda _first, _second: 1, "grader", {"position", "same answer"}),
        (
            lambda first, second: 1 if len(first) > len(second) else 2,
            "grader",
            {"position", "same answer", "length", "refusals"},
        ),
        (lambda first, second: 1 if "sorry" in first else 2 if "sorry" in second else "tie", "grader", {"refusals"}),
        (lambda _first, _second: "tie", "Anthropic/claude-x", set()),
    ],
    ids=["first", "longer", "refusal", "ties"],
)
async def test_a_biased_judge_fails_its_probes_and_its_verdict_is_exploratory(tmp_path, choose, model, fails):
    """Each bias is named, and the comparison of preferences leaves the primary family with the reason."""
    run = made(tmp_path, queries=12, probes=12, model=model, more={"margins": {"preference": "10%"}})
    await ask(run, ScriptedJudge(choose=choose))
    made_report = report(run)
    assert {name for name, result in probed(made_report).items() if result == "FAILED"} == fails
    found = compared(made_report)
    assert found.family == ("exploratory" if fails else "primary")
    assert any(warning.startswith("exploratory: the judge failed the probe of") for warning in found.warnings) == bool(fails)


async def test_a_judge_of_one_arms_family_is_named(tmp_path):
    """A judge by the maker of one arm's model only may prefer its own."""
    run = made(tmp_path, model="gpt-judge")
    serving = run.manifest.arms
    assert all(arm.models for arm in serving.values())
    await ask(run, ScriptedJudge())
    assert "own family, FAILED" not in "".join(report(run).judge)  # both arms are by the same maker


async def test_probes_that_are_switched_off_leave_the_verdict_exploratory(tmp_path):
    """Its biases are not known then, and the report has this as the reason."""
    run = made(tmp_path, more={"margins": {"preference": "10%"}})
    await ask(run, ScriptedJudge(choose=prefers("good")))
    made_report = report(run)
    assert compared(made_report).family == "exploratory"
    assert "Verdicts on preference are exploratory, because the judge was not probed for" in made_report.judge[-1]


async def test_judging_stops_at_the_look_that_decides(tmp_path):
    """A clear preference needs a part of the pairs. Its p allows for the looks, and a resume asks for nothing more."""
    server = ScriptedJudge(choose=prefers("good"))
    run = made(tmp_path, queries=60, looks=4, more={"margins": {"preference": "10%"}})
    await ask(run, server)
    made_report = report(run)
    asked = len(server.requests)
    assert asked < 2 * 60
    assert any(line.startswith("Judging ended at look ") for line in made_report.judge)
    found = compared(made_report)
    assert found.effect.value == 1.0
    assert "p and the interval allow for 4 planned looks" in found.warnings
    assert (found.family, found.n_queries) == ("exploratory", asked // 2)  # not probed here
    await ask(run, server)
    assert len(server.requests) == asked


async def test_judging_without_a_decision_judges_every_pair(tmp_path):
    """A judge that only sees ties finds no difference, and eight queries are too few to call the arms equal."""
    server = ScriptedJudge()
    run = made(tmp_path, queries=8, looks=4, more={"margins": {"preference": "10%"}})
    await ask(run, server)
    assert len(server.requests) == 16
    assert scores.read(run.path).stopped is None


@pytest.mark.parametrize(
    ("score", "fails"),
    [
        (lambda answer: 0 if "sorry" in answer else 8, set()),
        (lambda answer: 0 if "sorry" in answer else min(10, len(answer) // 20), {"length"}),
        (lambda _answer: 8, {"refusals"}),
    ],
    ids=["sound", "longer", "all"],
)
async def test_a_judge_that_scores_is_probed_too(tmp_path, score, fails):
    """Idle words must not raise a score, and a refusal must not have that of an answer. Checks leave the primary family."""
    rubric = Expectation.model_validate({"llm_judge": "is kind"}, strict=False)
    asked = tuple(experiments.query(f"q{n}", expect=(rubric,)) for n in range(12))
    margins = {"margins": {"checks_passed_ratio": "10%"}}
    run = made(tmp_path, queries=asked, mode="score", swap=False, probes=12, more=margins)
    server = ScriptedJudge(score=lambda _swapped, answer: score(answer))
    await ask(run, server)
    await ask(run, server)
    assert len(server.requests) == 24 + 2 * 12
    made_report = report(run)
    assert {name for name, result in probed(made_report).items() if result == "FAILED"} == fails
    assert compared(made_report, "checks_passed_ratio").family == ("exploratory" if fails else "primary")


async def test_pairs_need_two_arms():
    """A judge of pairs with one arm is a mistake of the experiment."""
    with pytest.raises(DocumentError, match=r"judge.mode: compares the answers of two arms"):
        experiments.built(arms=("A",), judge=JUDGE)


def sometimes_equal(arm, query):
    """Return the answer of an arm: the same on both arms for four queries of eight."""
    return "the same" if int(query[1:]) < QUERIES // 2 else f"{'good' if arm == 'B' else 'bad'} {query}"


async def test_a_judge_that_is_down_makes_no_ties(tmp_path):
    """Equal answers alone would show two equally good arms, so there is no preference, and the report gives the error."""
    server = ScriptedJudge(choose=prefers("good"), down=True)
    run = made(tmp_path, answer=sometimes_equal, concurrency=1)
    await ask(run, server)
    made_report = report(run)
    down = "judge http://judge.test/v1: HTTP 503, overloaded"
    assert made_report.judge == (
        "No verdicts: grader did not answer",
        f"Not judged: 8 of 8 pairs ({down}). 'uderia-bench resume' asks the judge again",
    )
    assert pl.read_parquet(run.path / "preferences")["preference"].to_list() == [None] * QUERIES
    for written in (to_text(made_report, brief=True), to_markdown(made_report), to_json(made_report)):
        assert "No verdicts: grader did not answer" in written
        assert "HTTP 503, overloaded" in " ".join(written.split())
    server.down = False
    await ask(run, server)
    made_report = report(run)
    assert made_report.judge[0].startswith("grader compared 4 pairs of answers in 8 calls: ")
    assert made_report.judge[1] == "4 pairs have equal answers, which count as a tie without a call"
    assert compared(made_report).effect.value == pytest.approx(0.5)


async def test_a_judge_that_fails_at_times_is_named_with_its_error(tmp_path):
    """Replies before and after an error do not hide it while pairs are not judged."""
    calls = []

    def reply(request):
        calls.append(request)
        return httpx.Response(400, json={"error": "too long"}) if len(calls) == 5 else ScriptedJudge().reply(request)

    run = made(tmp_path, concurrency=1)
    await ask(run, None, httpx.MockTransport(reply))
    told = report(run).judge
    assert told[0].startswith("grader compared 7 pairs of answers in 15 calls: ")
    assert any(line.startswith("Not judged: 1 of 8 pairs (judge http://judge.test/v1: HTTP 400, too long). ") for line in told)


async def test_a_judge_has_nothing_to_compare_where_all_answers_are_equal(tmp_path):
    """All answers are equal, so no call is needed."""
    run = made(tmp_path, answer=lambda _arm, query: f"the same {query}")
    await ask(run, ScriptedJudge(down=True))
    assert report(run).judge[0] == "8 pairs have equal answers, which count as a tie without a call"
