"""Agreement without an oracle: what answers state, compared within an arm and across arms; what differs is quoted."""

from __future__ import annotations

import polars as pl
import pytest
import traces

from uderia_bench.reading.expectations.facts import facts
from uderia_bench.reading.tables import agreement
from uderia_bench.report import findings
from uderia_bench.trial import Outcome, Stage


def table(*answers):
    """Return the answers' table of a query: (arm, text) each, repeats in order."""
    rows = []
    for number, (arm, text) in enumerate(answers):
        trial = traces.trial(trial_id=f"t{number}", query_id="q", arm=arm, repeat=number)
        rows += agreement.rows("r", trial, traces.trace(answer=text), keep_text=True)
    return pl.DataFrame(rows, schema=pl.DataFrame(agreement.SCHEMA.empty_table()).schema)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("There are 3 databases: fitness_db, HR_DB.", {"3", "fitness_db", "hr_db"}),
        ("three", {"3"}),
        ("1,234.5 rows on 2026-11-24", {"1234.5", "2026-11-24"}),
        ("version 20.00.00.01, column OrderDate, `my name`", {"20.00.00.01", "orderdate", "my name"}),
        ("Nothing to say.", set()),
    ],
)
def test_the_facts_of_an_answer(text, stated):
    """Numbers in one notation, names in one case; prose states nothing."""
    assert facts(text) == stated


def test_answers_in_other_words_agree_and_a_number_that_differs_does_not():
    """Jaccard of the facts: A says 3, 3 and 4 of two names; the odd one shares two of four facts with the others."""
    found = agreement.measured(
        table(("A", "3: a_db, b_db"), ("A", "There are three, a_db and b_db."), ("A", "4: a_db, b_db"), ("B", "3, a_db, b_db"))
    )
    within = dict(found.select("trial_id", "within").rows())
    assert within == {"t0": 0.75, "t1": 0.75, "t2": 0.5, "t3": None}
    across = dict(found.select("trial_id", "across").rows())
    assert across == {"t0": 1.0, "t1": 1.0, "t2": 0.5, "t3": pytest.approx((1 + 1 + 0.5) / 3)}


def test_answers_with_nothing_in_common_agree_by_nothing():
    """0, and not missing."""
    assert agreement.measured(table(("A", "57"), ("A", "58")))["within"].to_list() == [0.0, 0.0]


def test_without_another_answer_or_without_facts_there_is_no_agreement():
    """None, and no finding."""
    lone = table(("A", "57"), ("B", "Nothing to say."))
    assert agreement.measured(lone).select("within", "across").rows() == [(None, None)] * 2
    assert findings.disagreements(lone) == ()
    assert findings.disagreements(table()) == ()


def test_the_finding_quotes_what_not_all_answers_state():
    """The worst first, with the query, the arm and the facts that differ; arms that agree are counted as comparable only."""
    (found,) = findings.disagreements(table(("A", "57 a_db"), ("A", "58 a_db"), ("B", "57 a_db"), ("B", "57 a_db")))
    assert (found.kind, found.count, found.share) == ("answers_disagree", 2, 0.5)
    assert found.evidence == ("q on A: 33% agreement over 2 answers, which differ in: 57, 58",) == (found.seen,)


@pytest.mark.parametrize("changes", [{"stage": Stage.WARMUP}, {"outcome": Outcome.FAILED}])
def test_only_measured_answers_are_compared(changes):
    """A warm-up or a failure states nothing."""
    stage = changes.pop("stage", Stage.MEASURED)
    assert agreement.rows("r", traces.trial(stage=stage), traces.trace(answer="57", **changes), keep_text=True) == []


def test_the_work_is_bounded():
    """A thousand repeats of one query: the first fifty are compared, the others have no agreement."""
    found = agreement.measured(table(*(("A", f"{number % 2} a_db") for number in range(1000))))
    assert found["within"].drop_nulls().len() == agreement.MOST_COMPARED
    assert found.height == 1000
