"""The decision is the same in text, Markdown, HTML and JSON, on runs that came out in every way."""

import html
import json
import re

import pytest
from bs4 import BeautifulSoup
from report.html.pages import kept
from report.reports import arm, comparison, difference, facts, ideat_and_optim, ratio, report, seed_story, summary, winner

from uderia_bench.report.content import GateResult, IssueSummary, Saving
from uderia_bench.report.formats.as_json import to_json
from uderia_bench.report.formats.html import to_html
from uderia_bench.report.formats.markdown import to_markdown
from uderia_bench.report.formats.text import to_text
from uderia_bench.report.headline import headline

ARMS = ideat_and_optim()
SIMPLE, COMPLEX = "complexity=simple", "complexity=complex"
ABC = tuple(arm(name, summary("latency_s", 3.0, 0.1)) for name in "ABC")
RUNS = {
    "both classes have a winner": seed_story(),
    "interrupted": seed_story(facts=facts(settled={"answered": 32}, interrupted=True, left=208)),
    "a gate was missed": seed_story(gates=(GateResult(name="OPTIM.latency_s.p95 < 20s", passed=False, detail="36s"),)),
    "the ledger is damaged": seed_story(facts=facts(settled={"answered": 230})),
    "not valid": report(
        arms=ARMS,
        comparisons=(comparison("latency_s", ratio(6.0), "invalid", warnings=("invalid: the arms <overlapped>",)),),
        winners=(winner("simple", None),),
    ),
    "one arm": report(arms=ARMS[:1]),
    "no contrast": report(arms=ARMS),
    "no trial": report(),
    "one arm is silent": report(
        arms=(ARMS[0], arm("OPTIM", answered=0, timed_out=9)),
        comparisons=(comparison("latency_s", ratio(None), "inconclusive"),),
    ),
    "no label": report(arms=ARMS, comparisons=(comparison("latency_s", ratio(6.3, 5.9, 6.7), "worse"),)),
    "one query": report(
        arms=ARMS,
        comparisons=(comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", stratum=SIMPLE, n_queries=1),),
        winners=(winner("simple", "OPTIM"),),
        facts=facts(queries=1),
    ),
    "a trade-off": report(
        arms=ARMS,
        comparisons=(
            comparison("latency_s", ratio(6.0, 5.5, 6.5), "worse", stratum=SIMPLE),
            comparison("cost_usd", ratio(0.6, 0.5, 0.7), "better", stratum=SIMPLE),
            comparison("answered", difference(0.0, -0.3, 0.3), "inconclusive", stratum=COMPLEX, advice="ask 40 more *queries*"),
        ),
        winners=(winner("simple", None), winner("complex", None)),
    ),
    "three arms": report(
        arms=ABC,
        comparisons=(comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", pair=("A", "B")),),
        winners=(winner("simple", "A", pair=("A", "B")), winner("simple", "A", pair=("A", "C"))),
    ),
    "names that need escapes": report(arms=(arm("a|b <c> `d` @e", summary("latency_s", 3.0, 0.1)),)),
}


def squeezed(text):
    """Return a text with one blank between words."""
    return " ".join(text.split())


def of_markdown(text):
    """Return the first quotation as a viewer shows it."""
    quoted = [line.strip("> *") for line in text.splitlines() if line.startswith("> **")]
    shown = [re.sub(r"\\([\\`*\[\]{}|#~$_])", r"\1", line.replace("@<!-- -->", "@")) for line in quoted]
    return [squeezed(html.unescape(line)) for line in shown]


def of_html(text):
    """Return the cards of the decision, with backticks around commands."""
    cards = BeautifulSoup(text.replace("<code>", "`").replace("</code>", "`"), "html.parser").select(".card:not(.fix)")
    return [squeezed(f"{card.h3.get_text()}: {card.p.get_text()}") for card in cards]


@pytest.mark.parametrize("name", RUNS)
def test_the_decision_is_the_same_in_four_formats(name):
    """Word for word, and it ends what a terminal shows."""
    made = RUNS[name]
    lines = [squeezed(str(line)) for line in headline(made)]
    assert len(lines) == 3
    assert json.loads(to_json(made))["headline"] == lines
    assert of_markdown(to_markdown(made)) == lines
    assert of_html(to_html(made, kept())) == lines
    for brief in (True, False):
        assert squeezed(to_text(made, brief=brief)).endswith(" ".join(lines))


def test_fix_first_is_the_first_row_of_what_to_change():
    """With the arm and its share, so that the two agree."""
    saving = Saving(
        arm="OPTIM", kind="recursion", tokens=33_664, share=0.029, count=11, queries=("q",), examples=("t",),
        recommendation="Limit retries.", method=None,
    )  # fmt: skip
    other = IssueSummary(kind="slow", severity="error", count=90, share=0.5, recommendation="Be quick.", worst=("IDEAT", 0.9))
    first = BeautifulSoup(to_html(seed_story(savings=(saving,), issues=(other,)), kept()), "html.parser").select_one(".fix")
    assert squeezed(first.get_text(" ")) == (
        "Fix first Limit retries. recursion on OPTIM: 11 trials, about 33,664 tokens, 2.9% of its tokens"
    )
    first = BeautifulSoup(to_html(seed_story(issues=(other,)), kept()), "html.parser").select_one(".fix")
    assert squeezed(first.get_text(" ")) == "Fix first Be quick. slow on IDEAT: 90.0% of its trials"
