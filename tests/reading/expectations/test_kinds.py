"""Every kind of expectation: right, wrong, near miss, absent, hostile."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import traces
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from uderia_bench.documents.expectation import Expectation
from uderia_bench.reading import expectations
from uderia_bench.reading.expectations import BUILT_IN, Answer, passed_ratio, plain_text
from uderia_bench.trace import Source, Timing, Tokens, ToolStatus
from uderia_bench.trial import Outcome

KINDS = {kind.name: kind for kind in BUILT_IN}


def check(expected, answer="", *, others=None, **trace):
    """Check one answer against one expectation, written as in a corpus."""
    made = traces.trace(answer=answer, **trace)
    evidence = Answer(trace=made, text=plain_text(answer), others=others or {})
    (found,) = expectations.check(evidence, [Expectation.model_validate(expected, strict=False)], KINDS)
    return found


def tools(*names, **changes):
    """Return calls of these tools."""
    return tuple(traces.tool_call(name, **changes) for name in names)


@pytest.mark.parametrize(
    ("expected", "answer", "passed"),
    [
        # contains: case, white space and tags aside; a figure is found whole
        ({"contains": "sales_db"}, "There are 3 databases: fitness_db, Sales_DB.", True),
        ({"contains": "sales_db"}, "There is hr_db.", False),
        ({"contains": "three   databases"}, "<p>There are <b>three</b>\n databases</p>", True),
        ({"contains": "3"}, "There are 13 databases.", False),
        ({"contains": "3"}, "It takes 3.5 s, or 1,3 s.", False),
        ({"contains": "3"}, "There are 3.", True),
        ({"contains": "<script>"}, "&lt;script&gt; is a tag", True),
        ({"contains": "evil"}, "<script>evil()</script>fine", False),
        ({"contains": "x"}, "", False),
        ({"contains": "a.*b"}, "aXXb", False),
        # contains: typographic signs, Markdown emphasis and characters without a form
        ({"contains": "the user's tables"}, "the user\u2019s tables", True),
        ({"contains": "l\u2019agent"}, "l'agent a 3 tables", True),
        ({"contains": "well-known"}, "a well\u2011known fact", True),
        ({"contains": "2024-2025"}, "in 2024\u20132025", True),
        ({"contains": 'the "sales" table'}, "the \u201csales\u201d table", True),
        ({"contains": "3 databases"}, "There are **3** databases.", True),
        ({"contains": "3 databases"}, "There are __3__ *databases*.", True),
        ({"contains": "sales_db has 3"}, "`sales_db` has ***3*** tables", True),
        ({"contains": "sales_db"}, r"sales\_db", True),
        ({"contains": "old new"}, "~~old~~ new", True),
        ({"contains": "sales_db"}, "sales\u00ad_\u200bdb", True),
        ({"contains": "count(*)"}, "count(*) and sum(*)", True),
        ({"contains": "2**10"}, "2**10 and 3**4", True),
        ({"contains": "a_b_c"}, "a_b_c", True),
        ({"contains": "abc"}, "a_b_c", False),
        ({"contains": "106"}, "10\u2076 rows", False),
        ({"contains": "421"}, "42\u00b9", False),
        ({"contains": "m2"}, "10 m\u00b2", True),
        # not_contains
        ({"not_contains": "can't"}, "I can\u2019t say.", False),
        ({"not_contains": "sorry"}, "There are 3.", True),
        ({"not_contains": "sorry"}, "I am SORRY.", False),
        ({"not_contains": "3"}, "There are 13.", True),
        # one_of
        ({"one_of": ["orders", "customers"]}, "The largest is Customers.", True),
        ({"one_of": ["orders", "customers"]}, "The largest is products.", False),
        ({"one_of": ["orders"]}, "", False),
        # matches
        ({"matches": r"\d+\.\d+"}, "version 20.00", True),
        ({"matches": r"\d+\.\d+"}, "version 20", False),
        ({"matches": "^b$"}, "a\nb\nc", True),
        ({"matches": "^B$"}, "a\nb\nc", False),
        # regex_all
        ({"regex_all": [r"\d+ rows", "^ok$"]}, "3 rows\nok", True),
        ({"regex_all": [r"\d+ rows", "^ok$"]}, "3 rows", False),
        ({"regex_all": "ok"}, "ok", True),
        # equals: the whole answer, apart from form
        ({"equals": "sales_db"}, "`Sales_DB`.", True),
        ({"equals": "sales_db"}, "<p> sales_db </p>", True),
        ({"equals": "sales_db"}, "It is sales_db.", False),
        ({"equals": 3}, "3", True),
        ({"equals": 3}, "13", False),
        ({"equals": 2.5}, "2.5", True),
        ({"equals": True}, "True", True),
        ({"equals": "."}, "", True),
        # similar: words in common, in any order
        ({"similar": "the largest table is orders"}, "Orders is the largest table.", True),
        ({"similar": "the largest table is orders"}, "The smallest database: hr_db", False),
        ({"similar": {"text": "a b c d", "at_least": "50%"}}, "a b x y", True),
        ({"similar": {"text": "a b c d", "at_least": "51%"}}, "a b x y", False),
        ({"similar": "yes"}, "", False),
        ({"similar": {"text": "a a a a", "at_least": 1}}, "a", False),
        # not_refused
        ({"not_refused": True}, "There are 3.", True),
        ({"not_refused": True}, "I'm sorry, but I can't help with that.", False),
        ({"not_refused": True}, "I\u2019m really sorry, but I\u2019m unable to do this.", False),
        ({"not_refused": True}, "As an AI language model, I do not have access to your data.", False),
        ({"not_refused": True}, "Unfortunately, I cannot show passwords.", False),
        ({"not_refused": True}, "I must decline.", False),
        ({"not_refused": True}, "Hello! I am not able to run this.", False),
        ({"not_refused": True}, "I'm sorry for the wait. There are 3 databases.", True),
        ({"not_refused": True}, "A secondary index can't be unique here; AMPs cannot share it.", True),
        ({"not_refused": True}, "There are 3 databases. " * 20 + "I cannot see the fourth.", True),
        ({"not_refused": True}, "", True),
        # json_schema
        ({"json_schema": {"type": "array", "items": {"required": ["name"]}}}, '```json\n[{"name": "hr_db"}]\n```', True),
        ({"json_schema": {"type": "array", "items": {"required": ["name"]}}}, "[{}]", False),
        ({"json_schema": {"type": "object"}}, "There are 3.", False),
        ({"json_schema": {"prefixItems": [{"const": 1}]}}, "[1.0, 2]", True),
        ({"json_schema": {"uniqueItems": True}}, "[1, 1.0]", False),
        ({"json_schema": {"uniqueItems": True}}, '[{"a": 1, "b": 2}, {"b": 3, "a": 1}]', True),
        ({"json_schema": {"patternProperties": {"^n": {"type": "integer"}}}}, '{"n1": 1, "m": "x"}', True),
        ({"json_schema": {"patternProperties": {"^n": {"type": "integer"}}}}, '{"n1": "x"}', False),
        ({"json_schema": {"items": {"pattern": r"^\d+$"}}}, '["12", "x"]', False),
        ({"json_schema": {"$ref": "#"}}, "1", None),
        ({"json_schema": {"$ref": "https://schema.test/s.json"}}, "1", None),
        ({"json_schema": {"pattern": "(a+)+$"}}, '"' + "a" * 5000 + '!"', None),
        ({"json_schema": {}}, "[" * 100_000, False),
        # number: any locale, readings by value
        ({"number": 1234.5}, "1,234.5 rows", True),
        ({"number": 1234.5}, "1.234,5 Zeilen", True),
        ({"number": 1234.5}, "1 234,5 lignes", True),
        ({"number": 1234.5}, "1\u202f234,5 lignes", True),
        ({"number": 1234.5}, "1'234.5 Zeilen", True),
        ({"number": 3}, "There are three databases.", True),
        ({"number": 3}, "There are 13 databases.", False),
        ({"number": 3}, "There are 4 databases.", False),
        ({"number": 3}, "", False),
        ({"number": 24}, "on 2026-11-24 at 24:00", False),
        ({"number": 20}, "version 20.00.00.01", False),
        ({"number": -5}, "It fell by \u22125 degrees", True),
        ({"number": {"value": 100, "tolerance": 5}}, "about 104", True),
        ({"number": {"value": 100, "tolerance": 5}}, "about 106", False),
        ({"number": {"value": 0.3}}, "0.30000000000000004", True),
        ({"number": {"value": 42, "unit": "%"}}, "42 percent of 42", True),
        ({"number": {"value": 42, "unit": "%"}}, "42 of 50 %", False),
        ({"number": {"value": 5, "unit": "$"}}, "It costs USD 5.", True),
        ({"number": {"value": 5, "unit": "GB"}}, "5 GBit/s", False),
        ({"number": {"value": 5, "unit": "GB"}}, "5GB", True),
        ({"number": 1}, "9" * 100_000, False),
        # json_path
        ({"json_path": "$"}, "[]", True),
        ({"json_path": "$[0].DataBaseName"}, '```json\n[{"DataBaseName": "hr_db"}]\n```', True),
        ({"json_path": "$[1]"}, "[1]", False),
        ({"json_path": {"path": "$", "equals": "[x"}}, '"[x"', True),
        ({"json_path": "$"}, "There are 3.", False),
        ({"json_path": {"path": "$..name", "equals": "hr_db"}}, '{"a": [{"name": "x"}, {"name": "hr_db"}]}', True),
        ({"json_path": {"path": "$..name", "equals": "hr"}}, '{"a": [{"name": "hr_db"}]}', False),
        ({"json_path": "$"}, "[" * 100_000, False),
        # table: rows in any order; HTML, Markdown, JSON
        ({"table": [["a", 1], ["b", 2000]]}, "| n | v |\n|---|---|\n| B | 2,000 |\n| a | 1 |", True),
        ({"table": [["a", 1], ["b", 2]]}, "| n | v |\n|---|---|\n| b | 3 |\n| a | 1 |", False),
        ({"table": [["a", 1]]}, "| n | v |\n|---|---|\n| b | 3 |\n| a | 1 |", False),
        ({"table": {"rows": [["a", 1]], "more": True}}, "| n | v |\n|---|---|\n| b | 3 |\n| a | 1 |", True),
        ({"table": [["a", 1]]}, "<table><tr><th>n</th><th>v</th></tr><tr><td>a</td><td>1</td></tr></table>", True),
        ({"table": [["sales_db"], ["hr_db"]]}, '[{"DataBaseName": "hr_db"}, {"DataBaseName": "sales_db"}]', True),
        ({"table": [["a"]]}, "a", False),
        ({"table": [["a"]]}, "<table><tr><td>" * 2000, False),
        # any and all
        ({"any": [{"contains": "3"}, {"contains": "three"}]}, "There are three.", True),
        ({"any": [{"contains": "3"}, {"contains": "three"}]}, "There are two.", False),
        ({"all": [{"contains": "hr_db"}, {"not_contains": "sorry"}]}, "hr_db", True),
        ({"all": [{"contains": "hr_db"}, {"not_contains": "hr"}]}, "hr_db", False),
    ],
)
def test_expectations_about_the_answers_text(expected, answer, passed):
    """Only the plain answer decides."""
    assert check(expected, answer).passed is passed


@pytest.mark.parametrize(
    ("expected", "trace", "passed"),
    [
        ({"tools_called": "a"}, {"tool_calls": tools("a", "b")}, True),
        ({"tools_called": ["a", "c"]}, {"tool_calls": tools("a", "b")}, False),
        ({"tools_called": "a"}, {"tool_calls": ()}, False),
        ({"tools_called": "a"}, {"tool_calls": tools("a", status=ToolStatus.ERROR)}, True),
        ({"tools_called": "a"}, {"tool_calls": tools("a", status=ToolStatus.SKIPPED)}, False),
        ({"tools_not_called": ["c"]}, {"tool_calls": tools("a", "b")}, True),
        ({"tools_not_called": ["c", "a"]}, {"tool_calls": tools("a", "b")}, False),
        ({"tools_not_called": "a"}, {"tool_calls": ()}, True),
        (
            {"sources": "handbook"},
            {"sources": (Source(name="Lab", document_id="d1"), Source(name="Handbook", document_id="d2"))},
            True,
        ),
        (
            {"sources": ["lab", "d2"]},
            {"sources": (Source(name="Lab", document_id="d1"), Source(name=None, document_id="d2"))},
            True,
        ),
        (
            {"sources": {"documents": "d2", "within": 1}},
            {"sources": (Source(name="Lab", document_id="d1"), Source(name="Handbook", document_id="d2"))},
            False,
        ),
        ({"sources": "handbook"}, {"sources": ()}, False),
        ({"sources": "handbook"}, {"sources": None}, None),
        ({"phases_at_most": 2}, {"plan": (), "phases": (traces.phase(1), traces.phase(2))}, True),
        ({"phases_at_most": 1}, {"plan": (), "phases": (traces.phase(1), traces.phase(2))}, False),
        ({"phases_at_most": 1}, {"plan": None}, None),
        ({"max_s": 3}, {"timing": Timing(submit_s=1.0, answer_s=2.0)}, True),
        ({"max_s": 2.9}, {"timing": Timing(submit_s=1.0, answer_s=2.0)}, False),
        ({"max_s": 3}, {"timing": Timing()}, None),
        ({"max_tokens": 110}, {"tokens": Tokens(input=100, output=10)}, True),
        ({"max_tokens": 109}, {"tokens": Tokens(input=100, output=10)}, False),
        ({"max_tokens": 110}, {"tokens": Tokens()}, None),
    ],
)
def test_expectations_about_the_trace(expected, trace, passed):
    """Tools, phases, time and tokens; None where the expectation does not apply."""
    assert check(expected, "42", **trace).passed is passed


@pytest.mark.parametrize(
    ("own", "other", "passed"),
    [
        ("There are 3 databases: a_db, b_db.", "You have three.", True),
        ("There are 3 databases.", "You have 4.", False),
        ("a_db and b_db", "b_db, then a_db", True),
        ("a_db and b_db", "b_db, then c_db", False),
        ("Yes.", "yes.", True),
        ("Yes.", "No.", False),
        ("Yes.", None, None),
    ],
)
def test_same_as_compares_what_two_answers_state(own, other, passed):
    """Every fact of the shorter answer is in the other; without facts, the words themselves count."""
    found = check({"same_as": "q2"}, own, others={} if other is None else {"q2": other})
    assert found.passed is passed


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", r"(\w+\s?)*$!"])
def test_a_pattern_that_never_ends_is_stopped(pattern):
    """Catastrophic backtracking takes about the time limit, and the check has no result."""
    begun = time.process_time()
    found = check({"matches": pattern}, "a" * 5000 + "!?")
    assert time.process_time() - begun < 10
    assert found.passed in (None, False)


@pytest.mark.no_cover
def test_hostile_html_and_numbers_end_soon():
    """Half-open tags, deep nesting and long runs of digits neither raise nor hang."""
    begun = time.process_time()
    for answer in (
        "<" * 200_000,
        "<div" * 50_000,
        "&#x" * 60_000,
        "1," * 100_000,
        "1.1" * 60_000,
        "`a" * 90_000,
        "_a" * 90_000,
    ):
        check({"number": 1}, answer)
        check({"table": [["a"]]}, answer)
        check({"same_as": "q"}, answer, others={"q": answer})
        check({"similar": answer[:1000]}, answer)
        check({"not_refused": True}, answer)
    many = "[" + ",".join(f'{{"a": "{n}"}}' for n in range(10_000)) + "]"
    assert check({"json_schema": {"uniqueItems": True}}, many).passed is True
    check({"not_refused": True}, "i am sorry " * 20_000)
    assert time.process_time() - begun < 30


EVERY = [
    {"contains": "3"}, {"not_contains": "a.b"}, {"one_of": ["x", "3"]}, {"matches": r"(\w+\s?)+$"},
    {"number": {"value": 3, "unit": "%"}}, {"json_path": {"path": "$..a[*]", "equals": 3}}, {"table": [["a", 1]]},
    {"regex_all": ["a", r"\d"]}, {"equals": 3}, {"similar": "a b"}, {"not_refused": True}, {"sources": "a"},
    {"json_schema": {"type": "array", "uniqueItems": True, "items": {"pattern": "a"}}},
    {"same_as": "q"}, {"llm_judge": "is nice"}, {"any": [{"contains": "3"}, {"all": [{"number": 3}]}]},
]  # fmt: skip


@given(st.text(max_size=300) | st.recursive(st.none() | st.text(max_size=5), st.lists, max_leaves=20).map(json.dumps))
@settings(deadline=None)
def test_no_answer_makes_a_kind_raise(answer):
    """Whatever a model writes, each check passes, fails or has no result, with a quotation of one short line."""
    expected = [Expectation.model_validate(each, strict=False) for each in EVERY]
    evidence = Answer(trace=traces.trace(answer=answer), text=plain_text(answer), others={"q": plain_text(answer[::-1])})
    for found in expectations.check(evidence, expected, KINDS):
        assert found.passed in (True, False, None)
        assert len(found.found) <= 160
        assert "\n" not in found.found


def test_a_failure_quotes_what_was_found():
    """Short enough for a report, with the numbers that were there."""
    assert check({"number": 3}, "There are 4 databases, 128 leads.").found == "4, 128"
    assert check({"tools_called": "a"}, "x").found == "no tool"
    assert check({"table": [["a"]]}, "| n |\n|---|\n| b |").found == "missing ('a',); not expected ('b',)"
    assert len(check({"contains": "x"}, "y" * 1000).found) == 160


def test_only_answered_trials_are_checked():
    """A check of a trial with another outcome neither passes nor fails, and gives the reason."""
    found = check({"contains": "42"}, "42", outcome=Outcome.TIMED_OUT)
    assert (found.passed, found.found) == (None, "not checked: the trial ended timed_out")


def test_a_kind_that_is_not_installed_is_not_checked():
    """A run of another machine, with a plug-in that is missing here, can still be derived."""
    found = check({"custom": {"kind": "polite"}}, "x")
    assert (found.kind, found.passed) == ("polite", None)
    assert "'polite'" in found.found


def test_the_ratio_is_of_weights_and_of_the_checks_with_a_result():
    """Weight 3 failed, weight 1 passed, one without a result: a quarter. Without any result: None."""
    said = [
        {"contains": "a", "weight": 3},
        {"contains": "b"},
        {"phases_at_most": 1, "weight": 100},
    ]
    evidence = Answer(trace=traces.trace(answer="b", plan=None), text="b")
    checks = expectations.check(evidence, [Expectation.model_validate(each, strict=False) for each in said], KINDS)
    assert [found.passed for found in checks] == [False, True, None]
    assert passed_ratio(checks) == 0.25
    assert passed_ratio(checks[2:]) is None


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_every_kind_is_a_field_of_the_corpus_and_has_a_doc(kind):
    """The grammar and the registry have the same names."""
    assert kind.name in Expectation.model_fields
    assert len(kind.doc) > 20


def test_an_expectation_is_added_as_contributing_says():
    """The code of CONTRIBUTING, used by a corpus as a custom kind."""
    text = (Path(__file__).resolve().parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Add an expectation\n")[1].split("\n## ")[0]
    module: dict = {}
    exec(section.split("```python\n")[1].split("```")[0], module)
    kinds = {"max_words": module["MAX_WORDS"]}
    said = Expectation.model_validate({"custom": {"kind": "max_words", "value": 2}})
    found = [expectations.check(Answer(trace=traces.trace(), text=text), [said], kinds)[0].passed for text in ("a b", "a b c")]
    assert found == [True, False]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"json_schema": {"type": "number of rows"}}, "is not a JSON Schema"),
        ({"not_refused": False}, "True"),
        ({"regex_all": ["("]}, "is not a regular expression"),
        ({"similar": {"text": "a", "at_least": 2}}, "between 0 and 1"),
    ],
)
def test_a_mistake_in_an_expectation_is_found_when_the_corpus_is_read(said, words):
    """Not at the end of a run."""
    with pytest.raises(ValidationError, match=words):
        Expectation.model_validate(said, strict=False)
