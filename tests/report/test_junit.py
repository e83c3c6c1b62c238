"""The JUnit file: one case a gate and a planned comparison, and what fails is what the exit code says."""

from xml.etree import ElementTree as ET

import pytest
from report.golden import assert_golden
from report.reports import comparison, ratio, report, seed_story

from uderia_bench.report.content import GateResult
from uderia_bench.report.formats.junit import to_junit

KEPT = GateResult(name="OPTIM.answered >= 99%", passed=True, detail="OPTIM: 99.5% (199 of 200)")
MISSED = GateResult(name="OPTIM.latency_s.p95 < 20s", passed=False, detail="OPTIM: 24.1s ±6%")


def test_the_seed_story_with_gates_is_written_as_it_should_be():
    """The whole file."""
    assert_golden("seed_story.xml", to_junit(seed_story(gates=(KEPT, MISSED))))


def test_one_case_a_gate_and_a_planned_comparison():
    """Exploratory and structural comparisons, and those by class, are no cases."""
    root = ET.fromstring(to_junit(seed_story(gates=(KEPT, MISSED))))
    cases = {suite.get("name"): [case.get("name") for case in suite.iter("testcase")] for suite in root}
    assert cases == {"gates": [KEPT.name, MISSED.name], "comparisons": ["latency_s", "total_tokens", "cost_usd"]}
    (gates, _) = root
    assert (gates.get("tests"), gates.get("failures"), gates.get("errors")) == ("2", "1", "0")
    assert gates.find("testcase/failure").get("message") == MISSED.detail


@pytest.mark.parametrize(
    ("verdict", "child"), [("worse", "system-out"), ("better", "system-out"), ("inconclusive", "skipped"), ("invalid", "error")]
)
def test_a_verdict_alone_fails_nothing(verdict, child):
    """Worse is a result; only what is not valid is an error."""
    root = ET.fromstring(to_junit(report(comparisons=[comparison("latency_s", ratio(2.0, 1.9, 2.1), verdict)])))
    (case,) = root.iter("testcase")
    assert [each.tag for each in case] == [child]


def test_the_run_is_in_the_properties():
    """Verdict, run, server and seed: a file from an archive says what it is of."""
    root = ET.fromstring(to_junit(seed_story()))
    labels = [each.get("name") for each in root[0].iter("property")]
    assert labels[:3] == ["verdict"] * 3
    assert {"run", "server", "corpus", "design"} <= set(labels)


def test_hostile_text_stays_text():
    """Markup and control characters of a server neither break the file nor become elements."""
    evil = GateResult(name='"/><evil a="]]>&\x00\x1b\ufffe', passed=False, detail="</testcase>")
    root = ET.fromstring(to_junit(report(gates=(evil,))))
    assert root.find(".//evil") is None
    assert root.find(".//failure").get("message") == "</testcase>"
