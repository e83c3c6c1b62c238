"""The two files of a quick comparison: their keys, their differences, and what makes them honest."""

import json
from datetime import datetime

import pytest
from report.golden import assert_golden
from report.reports import comparison, ratio, report

from uderia_bench.report.seed.files import SeedComparison, SeedProfile, SeedTrial, representative, to_test_run
from uderia_bench.report.seed.markdown import to_comparison_markdown

IDEAT_TOOLS, OPTIM_TOOLS = ("base_databaseList",), ("base_databaseList", "TDA_FinalReport")


def trial(repeat, latency_s, tokens=(16085, 352), calls=2, *, outcome="answered", tools=IDEAT_TOOLS, **metrics):
    """Make a repeat as docs/reference/seed.md, "Quick comparison" has it; without a latency nothing is measured."""
    measured = {}
    if latency_s is not None:
        total = sum(tokens)
        measured = {
            "latency_s": latency_s,
            "input_tokens": tokens[0],
            "output_tokens": tokens[1],
            "total_tokens": total,
            "llm_calls": calls,
            "tokens_per_llm_call": total / calls,
            "ms_per_token": 1000 * latency_s / total,
            "corrections": 0,
            "rag_used": None,
        }
    return SeedTrial(
        repeat=repeat,
        outcome=outcome,
        session_id=f"session-{repeat}",
        task_id=f"task-{repeat}",
        execution_path="conversation_agent" if tools is IDEAT_TOOLS else "planner/executor",
        tools_used=tools,
        llm_call_s=(1.067, 1.825) if calls == 2 else (),
        metrics=measured | metrics,
    )


def profile(arm, *trials):
    """Make one side."""
    types = {"IDEAT": "llm_only", "OPTIM": "tool_enabled"}
    return SeedProfile(
        arm=arm,
        profile_id=f"profile-{arm}",
        profile_tag=arm,
        profile_type=types.get(arm),
        provider="Google",
        model="gemini-2.0-flash",
        trials=trials,
    )


IDEAT = profile("IDEAT", trial(1, 3.227), trial(2, 3.1), trial(3, 3.4), trial(4, None, outcome="timed_out"))
OPTIM = profile("OPTIM", *(trial(r, s, (10698, 1300), 4, tools=OPTIM_TOOLS) for r, s in ((1, 20.331), (2, 18.2), (3, 22.0))))


def quick(one=IDEAT, two=OPTIM, **given):
    """Make a quick comparison."""
    default = {"query": "how many databases are on the system?", "at": datetime(2026, 11, 24, 13, 7, 0)}  # noqa: DTZ001
    return SeedComparison(**(default | {"profile1": one, "profile2": two} | given))


def judged():
    """Make an analysis of this query alone."""
    found = (
        comparison("latency_s", ratio(6.3, 5.5, 7.1), "worse", n_queries=1, n_pairs=3),
        comparison("total_tokens", ratio(0.73, 0.7, 0.76), "inconclusive", n_queries=1, n_pairs=3, advice="3 more repeats"),
    )
    return report(comparisons=found).analysis


def parsed(seed):
    """Parse the JSON file."""
    return json.loads(to_test_run(seed))


def test_it_has_the_keys_of_the_stored_runs():
    """A script that reads the original files reads ours."""
    data = parsed(quick())
    assert {"timestamp", "query"} <= data["test_metadata"].keys()
    for key in ("profile1", "profile2"):
        side = data[key]
        assert side["profile_info"].keys() == {"profile_id", "profile_tag", "profile_type", "provider", "model"}
        assert side["execution"].keys() == {"session_id", "task_id", "status", "duration_ms", "execution_path"}
        stored = "total_input_tokens total_output_tokens total_tokens llm_call_count tokens_per_llm_call ms_per_token"
        assert {*stored.split(), "tools_used", "llm_call_durations"} <= side["metrics"].keys()
    assert {"token_difference", "time_difference", "efficiency", "winner"} <= data["comparison"].keys()
    assert {"tokens", "time", "efficiency"} <= data["comparison"]["winner"].keys()


def test_the_differences_are_those_of_the_seed():
    """Profile 1 less profile 2, in percent of profile 2: the numbers of the stored run 20260209_185241."""
    data = parsed(quick())["comparison"]
    assert data["token_difference"]["total"]["absolute"] == 4439
    assert data["token_difference"]["total"]["percentage"] == pytest.approx(36.99783297)
    assert data["time_difference"]["absolute_ms"] == -17104
    assert data["time_difference"]["percentage"] == pytest.approx(-84.12768679)


def test_the_repeat_shown_is_the_answered_one_of_median_latency_and_the_others_are_beside_it():
    """A real trial is shown, not an average of several, and nothing is left out."""
    assert representative(IDEAT).repeat == 1
    assert representative(profile("A", trial(1, 4.0), trial(2, 3.0))).repeat == 2
    data = parsed(quick())
    assert data["profile1"]["basis"] == "repeat 1: the median latency of 3 answered repeats, 4 asked"
    assert [r["execution"]["status"] for r in data["profile1"]["repeats"]] == ["complete", "complete", "complete", "timed_out"]


def test_the_lower_number_wins_a_tie_wins_nothing_and_calls_are_not_compared():
    """The original script gave ties to the first profile and called 0 calls the most efficient."""
    winner = parsed(quick())["comparison"]["winner"]
    assert (winner["time"], winner["tokens"], winner["overall"], winner["efficiency"]) == ("IDEAT", "OPTIM", None, None)
    same = parsed(quick(profile("A", trial(1, 3.0)), profile("B", trial(1, 3.0))))["comparison"]["winner"]
    assert (same["time"], same["tokens"], same["overall"]) == (None, None, None)
    clear = parsed(quick(profile("A", trial(1, 3.0, (10, 1))), profile("B", trial(1, 4.0, (20, 1)))))["comparison"]["winner"]
    assert clear["overall"] == "A"


@pytest.mark.parametrize(
    ("tokens", "seconds", "said"),
    [
        ((10, 1), 3.0, "**A** was both faster and used fewer tokens on this query."),
        ((30, 1), 3.0, "**Trade-off**: A was faster, B used fewer tokens."),
        ((20, 1), 3.0, "**No winner**"),
    ],
)
def test_the_recommendation_follows_from_the_two_numbers(tokens, seconds, said):
    """Both, one each, or a tie: the three original ends, the tie added."""
    text = to_comparison_markdown(quick(profile("A", trial(1, seconds, tokens)), profile("B", trial(1, 4.0, (20, 1)))))
    assert said in text


def test_what_was_not_measured_is_null_and_does_not_win():
    """A profile that failed has tokens and no answer: it is not the one that used fewer."""
    failed = profile("OPTIM", trial(1, None, outcome="failed", input_tokens=5, output_tokens=1, total_tokens=6))
    data = parsed(quick(two=failed))
    assert data["profile2"]["execution"] == {
        "session_id": "session-1",
        "task_id": "task-1",
        "status": "failed",
        "duration_ms": None,
        "execution_path": "conversation_agent",
    }
    assert data["comparison"]["time_difference"]["percentage"] is None
    assert data["comparison"]["winner"]["tokens"] is None
    assert "**No comparison**: OPTIM did not answer." in to_comparison_markdown(quick(two=failed))


def test_statistics_are_next_to_the_numbers():
    """Where the analysis is of this query, its verdicts say what chance explains."""
    data = parsed(quick(analysis=judged()))["comparison"]["judged"]
    assert data["latency_s"]["verdict"] == "worse"
    assert data["total_tokens"]["advice"] == "3 more repeats"
    assert parsed(quick())["comparison"]["judged"] == {}


def test_both_files_read_as_they_should():
    """The whole files, looked at once by a person and kept."""
    whole = quick(analysis=judged(), embedded_speed=20.0)
    assert_golden("test_run.json", to_test_run(whole))
    assert_golden("comparison.md", to_comparison_markdown(whole))


def test_a_hostile_query_stays_text():
    """A query is the user's text, also in Markdown."""
    text = to_comparison_markdown(quick(query="a|b <script>\n# no @you"))
    assert "<script>" not in text
    assert "\n# no" not in text
    assert "@you" not in text
