"""report.json against the contract's list of keys, and against what JSON cannot hold."""

import json
import math

from report.golden import assert_golden
from report.reports import (
    arm,
    comparison,
    estimate,
    ideat_and_optim,
    ratio,
    report,
    seed_story,
    summary,
    winner,
)

from uderia_bench.report.content import GateResult, IssueSummary
from uderia_bench.report.formats.as_json import to_json

CONTRACT = {  # docs/reference/run-directory.md, "report.json"
    "top": {"run", "arms", "comparisons", "winners", "issues", "gates", "warnings"},
    "arm": {"arm", "trials", "outcomes", "metrics"},
    "metric": {"n", "missing", "mean", "p50", "p90", "p95", "p99"},
    "estimate": {"value", "lo", "hi"},
    "comparison": {
        *("baseline", "candidate", "metric", "stratum", "effect", "test", "p", "p_adjusted"),
        *("n_queries", "n_pairs", "margin", "verdict", "warnings"),
    },
    "effect": {"kind", "value", "lo", "hi"},
}


def parsed(rendered):
    """Parse strictly: NaN and Infinity are errors, as they are to every other JSON reader."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(rendered, parse_constant=refuse)


def test_it_has_every_key_of_the_contract():
    """The keys are an interface: more may come, none may go."""
    data = parsed(to_json(seed_story()))
    assert data["schema"] == "uderia-bench/report/1"
    assert CONTRACT["top"] <= data.keys()
    for one in data["arms"]:
        assert CONTRACT["arm"] <= one.keys()
        latency = one["metrics"]["latency_s"]
        assert CONTRACT["metric"] <= latency.keys()
        assert all(CONTRACT["estimate"] <= latency[name].keys() for name in ("mean", "p50", "p90", "p95", "p99"))
    for one in data["comparisons"]:
        assert CONTRACT["comparison"] <= one.keys()
        assert CONTRACT["effect"] <= one["effect"].keys()
    assert data["winners"] == {"simple": "IDEAT", "complex": "OPTIM"}


def test_the_seed_story_is_written_as_it_should_be():
    """The whole file, with its keys in their order."""
    assert_golden("seed_story.json", to_json(seed_story()))


def test_no_winner_is_null():
    """A trade-off and a class that was not asked have no winner, and their keys stay."""
    data = parsed(to_json(report(arms=ideat_and_optim(), winners=(winner("simple", None),))))
    assert data["winners"] == {"simple": None, "complex": None}


def test_a_missing_or_infinite_number_is_null():
    """Missing is null everywhere, so that no reader meets a NaN."""
    broken = estimate(math.nan, 1.0)
    odd = summary("latency_s", 1.0, 0.1, percentiles={50: broken, 90: broken, 95: estimate(None), 99: broken})
    found = comparison(
        "latency_s", ratio(math.inf, None, math.nan), "inconclusive", p=math.nan, beside={"wilcoxon_p": math.nan}
    )
    data = parsed(to_json(report(arms=(arm("IDEAT", odd),), comparisons=(found,))))
    latency = data["arms"][0]["metrics"]["latency_s"]
    assert latency["p50"]["value"] is None
    assert latency["p95"]["lo"] is None
    only = data["comparisons"][0]
    assert (only["effect"]["value"], only["effect"]["lo"], only["effect"]["hi"], only["p"]) == (None, None, None, None)
    assert only["beside"] == {"wilcoxon_p": None}


def test_what_a_server_said_cannot_reach_a_terminal():
    """The text is ASCII: an escape sequence in a warning is six harmless characters."""
    text = to_json(report(warnings=("\x1b[2J \x9b1m \u202e",)))
    assert text.isascii()
    assert "\x1b" not in text


def test_issues_and_gates_are_written():
    """What later issues bring has its place already."""
    issue = IssueSummary(kind="recursion", severity="high", count=3, share=0.1, recommendation="limit it", evidence=("t-1",))
    gate = GateResult(name="OPTIM.answered >= 99%", passed=False, detail="97.5%")
    data = parsed(to_json(report(issues=(issue,), gates=(gate,))))
    assert data["issues"] == [
        {
            "kind": "recursion",
            "severity": "high",
            "count": 3,
            "share": 0.1,
            "recommendation": "limit it",
            "evidence": ["t-1"],
            "trial": None,
        }
    ]
    assert data["gates"] == [{"name": "OPTIM.answered >= 99%", "passed": False, "detail": "97.5%"}]
    assert data["standing"] == "gate_missed"
