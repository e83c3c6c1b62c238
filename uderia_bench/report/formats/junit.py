"""The report as JUnit XML, which CI systems show.

A missed gate is a failure and an invalid comparison an error, as for the exit code. An undecided
comparison is skipped, with what would decide it. A verdict alone fails nothing, even ``worse``.
A query whose answer does not meet an expectation is a failure of its case, with the expectation as
message. It does not change the exit code.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.printable import count_of, plain
from uderia_bench.report import content, figures
from uderia_bench.report.about import about
from uderia_bench.report.content import GateResult, QueryResult, Report
from uderia_bench.report.headline import headline


def to_junit(report: Report) -> str:
    """Return the report as one ``testsuites`` document of three suites: gates, comparisons and answers."""
    root = Element("testsuites", name=plain(report.facts.experiment))
    _suite(root, report, "gates", [_gate(gate) for gate in report.gates])
    planned = [c for c in report.analysis.comparisons if c.family == "primary" and c.stratum == content.OVERALL]
    _suite(root, report, "comparisons", [_comparison(report, comparison) for comparison in planned])
    if report.results:
        _suite(root, report, "answers", [_answer(found) for found in report.results])
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(root: Element, report: Report, name: str, cases: list[Element]) -> None:
    suite = SubElement(root, "testsuite", name=name, tests=str(len(cases)))
    for counted, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(counted, str(sum(case.find(kind) is not None for case in cases)))
    facts = report.facts
    if facts.started_at is not None:
        suite.set("timestamp", facts.started_at.isoformat())
        if facts.ended_at is not None:
            suite.set("time", f"{(facts.ended_at - facts.started_at).total_seconds():.3f}")
    properties = SubElement(suite, "properties")
    said = (*(("verdict", str(line)) for line in headline(report)), *about(report))
    for label, text in said:
        SubElement(properties, "property", name=label, value=plain(text))
    suite.extend(cases)


def _gate(gate: GateResult) -> Element:
    case = Element("testcase", classname="gates", name=plain(gate.name))
    if not gate.passed:
        SubElement(case, "failure", message=plain(gate.detail)).text = plain(f"{gate.name}: {gate.detail}")
    else:
        SubElement(case, "system-out").text = plain(gate.detail)
    return case


def _comparison(report: Report, found: Comparison) -> Element:
    classname = plain(f"{found.candidate} compared with {found.baseline}")
    case = Element("testcase", classname=classname, name=plain(found.metric))
    effect = figures.effect_forms(found.effect, content.definition(report, found.metric))[0]
    said = plain("; ".join((f"{found.verdict}: {effect}", *found.warnings)))
    if found.verdict is Verdict.INVALID:
        SubElement(case, "error", message=said)
    elif found.verdict is Verdict.INCONCLUSIVE:
        SubElement(
            case, "skipped", message=plain(f"undecided: {effect}; {found.advice}" if found.advice else f"undecided: {effect}")
        )
    else:
        SubElement(case, "system-out").text = said
    return case


def _answer(found: QueryResult) -> Element:
    """Return the case of a query on an arm. It fails if a check failed, or if no repeat was answered."""
    turn = f", turn {found.turn}" if found.turn > 1 else ""
    case = Element("testcase", classname=plain(found.arm), name=plain(f"{found.query}{turn}"))
    if found.seconds is not None:
        case.set("time", f"{found.seconds:.3f}")
    if found.failed:
        SubElement(case, "failure", message=plain(found.failed[0])).text = "\n".join(map(plain, found.failed))
    elif not found.answered:
        SubElement(case, "failure", message=plain(f"0 of {count_of(found.trials, 'trial')} answered: {found.otherwise}"))
    else:
        checks = f"; {found.passed} of {count_of(found.checks, 'check')} passed" if found.checks else "; no checks"
        SubElement(case, "system-out").text = f"{found.answered} of {count_of(found.trials, 'trial')} answered{checks}"
    return case
