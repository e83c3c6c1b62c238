"""Results of each query on each arm: in JUnit and on the page."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import polars as pl
from bs4 import BeautifulSoup
from report.html.pages import kept
from report.reports import seed_story

from uderia_bench.report.formats.html import to_html
from uderia_bench.report.formats.junit import to_junit
from uderia_bench.report.results import results


def trial(number, query, arm, outcome="answered", seconds=2.0, **more):
    """Return a row of the table of trials."""
    return {
        "trial_id": f"t{number}", "seq": number, "stage": "measured", "query_id": query, "turn": 1, "arm": arm,
        "repeat": number, "complexity": "simple", "outcome": outcome, "latency_s": seconds, **more,
    }  # fmt: skip


def check(query, arm, place, *, passed, kind="contains", expected="3", found="There are 4."):
    """Return a row of the table of checks."""
    return {
        "stage": "measured", "query_id": query, "turn": 1, "arm": arm, "place": place, "kind": kind,
        "expected": expected, "passed": passed, "found": found,
    }  # fmt: skip


TRIALS = pl.DataFrame([
    trial(1, "count", "IDEAT", seconds=1.0),
    trial(2, "count", "IDEAT", seconds=3.0),
    trial(3, "count", "OPTIM"),
    trial(4, "count", "OPTIM", "timed_out", None),
    trial(5, "list", "IDEAT"),
    trial(6, "list", "OPTIM", "failed", None),
    trial(7, "list", "OPTIM", stage="warmup"),
])  # fmt: skip
CHECKS = pl.DataFrame([
    check("count", "IDEAT", 1, passed=True),
    check("count", "IDEAT", 1, passed=True),
    check("count", "IDEAT", 2, passed=False, expected="databases"),
    check("count", "IDEAT", 2, passed=True, expected="databases"),
    check("count", "OPTIM", 1, passed=False),
    check("count", "OPTIM", 2, passed=None, expected="databases"),
])  # fmt: skip
ANSWERS = pl.DataFrame([
    {"query_id": "count", "turn": 1, "arm": "IDEAT", "repeat": 1, "facts": ["3"], "answer": "There are 3 <b>databases</b>."},
    {"query_id": "count", "turn": 1, "arm": "OPTIM", "repeat": 3, "facts": ["4"], "answer": "There are 4."},
    {"query_id": "list", "turn": 1, "arm": "IDEAT", "repeat": 5, "facts": ["dbc"], "answer": "dbc"},
])  # fmt: skip
FOUND = results(TRIALS, CHECKS)


def test_a_result_counts_answers_checks_and_seconds():
    """A check without a result does not count. Warm-up trials do not count."""
    ideat, optim, _, silent = FOUND
    assert (ideat.query, ideat.arm, ideat.trials, ideat.answered, ideat.seconds) == ("count", "IDEAT", 2, 2, 2.0)
    assert (ideat.passed, ideat.checks) == (3, 4)
    assert ideat.failed == ("contains databases, found: There are 4. (1 of 2 answers)",)
    assert (optim.answered, optim.trials, optim.otherwise) == (1, 2, "timed_out")
    assert optim.failed == ("contains 3, found: There are 4. (1 of 1 answer)",)
    assert (silent.query, silent.arm, silent.trials, silent.answered, silent.checks) == ("list", "OPTIM", 1, 0, 0)


def test_a_run_without_checks_has_results():
    """Also an older one, without turns and classes."""
    found = results(TRIALS.drop("turn", "complexity", "latency_s"), None)
    assert [(each.query, each.turn, each.checks, each.seconds) for each in found][:1] == [("count", 1, 0, None)]


def test_junit_has_a_case_per_query_and_arm():
    """A failed expectation is the message of its case. A query without any answer fails too."""
    root = ET.fromstring(to_junit(seed_story(results=FOUND)).encode())
    suite = root.find("testsuite[@name='answers']")
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    cases.pop((None, None), None)
    assert suite.get("tests") == "4"
    assert suite.get("failures") == "3"
    assert cases["OPTIM", "count"].find("failure").get("message") == "contains 3, found: There are 4. (1 of 1 answer)"
    assert cases["OPTIM", "list"].find("failure").get("message") == "0 of 1 trial answered: failed"
    assert cases["IDEAT", "count"].get("time") == "2.000"
    assert cases["IDEAT", "list"].find("system-out").text == "1 of 1 trial answered; no checks"


def page(**more):
    """Return the section of answers."""
    text = to_html(seed_story(results=FOUND), replace(kept(), **more))
    return BeautifulSoup(text, "html.parser").select_one("#results")


def test_the_page_has_the_answers_of_the_arms_side_by_side():
    """Failed checks first, with what another arm does not mention marked, and every text escaped."""
    found = page(answers=ANSWERS, prompts={"count": "how many databases?"})
    first, second = found.select("tbody tr")
    assert first.th.get_text() == "counthow many databases?"
    ideat, optim = (cell.get_text(" ") for cell in first.select("td"))
    assert "2 of 2 answered, 3 of 4 checks passed, 2.00s" in ideat
    assert "There are 3 <b>databases</b>." in " ".join(ideat.split())
    assert "failed: contains 3, found: There are 4. (1 of 1 answer)" in optim
    assert [mark.get_text() for mark in first.select("mark")] == ["3", "4"]
    assert (first.get("data-failed"), first.get("data-disagree")) == ("", "")
    assert (second.get("data-failed"), second.get("data-disagree")) == (None, "")
    assert "0 of 1 answered, failed" in second.select("td")[1].get_text()


def test_the_page_of_a_run_that_keeps_no_answers_has_checks_and_times():
    """``keep_answers: false``, and runs of older versions."""
    for answers in (None, ANSWERS.with_columns(answer=pl.lit(None, pl.String)), ANSWERS.drop("answer")):
        assert "3 of 4 checks passed" in page(answers=answers).get_text()
        assert "There are 3" not in page(answers=answers).get_text()


def test_a_long_list_is_cut_and_says_so():
    """The page stays small."""
    many = results(pl.DataFrame([trial(n, f"q{n:03}", "IDEAT") for n in range(310)]), None)
    text = to_html(seed_story(results=many), kept())
    section = BeautifulSoup(text, "html.parser").select_one("#results")
    assert len(section.select("tbody tr")) == 300
    assert "Shows 300 of 310 queries" in section.get_text()
