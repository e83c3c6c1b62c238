"""A month of traffic in dollars: sums that can be checked in the head, and the same words in every format."""

import html
import json
import re
from dataclasses import replace

import polars as pl
import pytest
from report.html.pages import kept
from report.reports import comparison, ideat_and_optim, ratio, report, winner

from uderia_bench.documents.yaml.quantities import DAYS_PER_MONTH
from uderia_bench.report.formats.as_json import to_json
from uderia_bench.report.formats.html import to_html
from uderia_bench.report.formats.markdown import to_markdown
from uderia_bench.report.formats.text import to_text
from uderia_bench.report.monthly import TITLE, month, sentences

QUERIES = [f"q{number}" for number in range(8)]
DECIDED = report(
    arms=ideat_and_optim(),
    comparisons=(comparison("latency_s", ratio(6.0, 5.5, 6.5), "worse", stratum="complexity=simple"),),
    winners=(winner("simple", "IDEAT"), winner("complex", None)),
)


def trials(ideat, optim, *, classes=("simple", "complex")):
    """Make two trials of every query on both arms at a cost by query number; the queries alternate between the classes."""
    rows = [
        {"arm": arm, "query_id": query, "complexity": classes[number % len(classes)], "cost_usd": cost(number)}
        for arm, cost in (("IDEAT", ideat), ("OPTIM", optim))
        for number, query in enumerate(QUERIES)
        for _ in range(2)
    ]
    return pl.DataFrame(rows).with_columns(stage=pl.lit("measured"), outcome=pl.lit("answered"))


def test_the_cost_of_a_question_times_the_questions_of_a_month():
    """1 cent and 3 cents, 1000 questions a day. Half of the traffic is simple and saves 2 cents a question."""
    found = month(DECIDED, trials(lambda _: 0.01, lambda _: 0.03), 1000.0)
    questions = 1000 * DAYS_PER_MONTH
    assert [arm.usd.value for arm in found.arms] == pytest.approx([0.01 * questions, 0.03 * questions])
    (saving,) = found.savings
    assert (saving.stratum, saving.arm, saving.instead_of, saving.share) == ("simple", "IDEAT", "OPTIM", 0.5)
    assert saving.usd.value == pytest.approx(0.02 * questions / 2)


def test_the_interval_of_a_saving_is_that_of_the_paired_differences():
    """Queries differ tenfold in cost, but by nearly the same amount between the arms: only the costs are uncertain."""
    found = month(DECIDED, trials(lambda n: 0.01 * (n + 1), lambda n: 0.01 * (n + 1) + 0.002 + 1e-6 * (n % 3)), 1000.0)
    ideat = found.arms[0].usd
    assert ideat.hi - ideat.lo > 0.5 * ideat.value
    (saving,) = found.savings
    assert saving.usd.hi - saving.usd.lo < 0.01 * saving.usd.value


def test_failed_trials_cost_and_cancelled_ones_do_not_count():
    """A failed trial of 9 cents is part of the mean. A trial without a cost is missing."""
    frame = trials(lambda _: 0.01, lambda _: 0.03)
    more = frame.head(2).with_columns(cost_usd=pl.lit(0.09), outcome=pl.Series(["failed", "cancelled"]))
    found = month(DECIDED, pl.concat([frame, more]), 1000.0)
    assert found.arms[0].usd.value == pytest.approx((16 * 0.01 + 0.09) / 17 * 1000 * DAYS_PER_MONTH)
    assert month(DECIDED, frame.with_columns(cost_usd=pl.lit(None, dtype=pl.Float64)), 1000.0) is None


@pytest.mark.parametrize(
    ("optim", "said"),
    [
        (lambda n: 0.02 + 0.001 * (n % 3), "IDEAT saves $"),
        (lambda n: 0.004 + 0.001 * (n % 3), "IDEAT costs $"),
        (lambda n: 0.01 + 0.004 * (-1) ** (n // 2), "The difference may be chance"),
    ],
)
def test_the_words_of_a_saving(optim, said):
    """More, less, or not certain."""
    found = replace(DECIDED, month=month(DECIDED, trials(lambda _: 0.01, optim), 20_000.0))
    (line,) = (line for line in sentences(found) if line.startswith("Simple queries (50.0% of the traffic): IDEAT"))
    assert said in line
    assert "instead of OPTIM (" in line


def test_the_words_are_the_same_in_every_format():
    """Text, Markdown, HTML and JSON; without traffic there is nothing."""
    found = replace(DECIDED, month=month(DECIDED, trials(lambda _: 0.01, lambda n: 0.02 + 0.001 * (n % 3)), 20_000.0))
    said = sentences(found)
    assert said[0].startswith("20,000 questions a day with the mix of the corpus")
    assert json.loads(to_json(found))["month"]["text"] == list(said)
    shown = {
        "text": to_text(found, brief=True),
        "markdown": to_markdown(found).replace("\\", ""),
        "html": html.unescape(re.sub(r"<[^>]+>", " ", to_html(found, kept()))),
    }
    for form, text in shown.items():
        plain = re.sub(r"\s+", " ", text)
        for sentence in said:
            assert sentence in plain, form
    assert TITLE not in to_text(DECIDED)
    assert json.loads(to_json(DECIDED))["month"] is None
