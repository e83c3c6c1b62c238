"""Which queries changed: from trials to shrunken effects, in the analysis, the report and the notebook."""

import json

import pytest
from frames import BASELINE, CANDIDATE, LATENCY, grid, noisy
from report.reports import METRICS, report

import uderia_bench as ub
from uderia_bench.analysis.analyse import analyse
from uderia_bench.errors import UsageError
from uderia_bench.report import tables
from uderia_bench.report.formats.as_json import as_dict

ARMS = {"baseline": BASELINE, "candidate": CANDIDATE}
CONTRAST = ((BASELINE, CANDIDATE),)
QUIET = noisy(noise=0.05, interaction=0.02)


def one_slower(query, arm, repeat):
    """Make query 7 three times as slow on the candidate; the others hardly differ."""
    return QUIET(query, arm, repeat) * (3.0 if query == 7 and arm == CANDIDATE else 1.0)


def test_the_query_that_changed_comes_first():
    """It is found, with an effect below the raw one and an interval around it; its neighbours stay near 1."""
    found = ub.query_effects(grid(queries=30, repeats=3, value=one_slower), "latency_s", **ARMS)
    first = found.row(0, named=True)
    assert first["query_id"] == "q007"
    assert first["changed"]
    assert 1 < first["lo"] < first["value"] < first["raw"] < first["hi"] * 1.2
    assert found["value"][1:].is_between(0.8, 1.25).all()


def test_one_repeat_and_few_queries_are_refused_with_the_reason():
    """The noise of a query is not known without repeats."""
    with pytest.raises(UsageError, match="need repeats"):
        ub.query_effects(grid(queries=30, value=one_slower), "latency_s", **ARMS)
    with pytest.raises(UsageError, match="5 queries have both arms, and 8 are needed"):
        ub.query_effects(grid(queries=5, repeats=3, value=one_slower), "latency_s", **ARMS)


def test_the_report_has_the_queries_that_changed():
    """The table names them with what was seen, says how many changed, and JSON has every query."""
    frame = grid(queries=30, repeats=3, value=one_slower)
    found = analyse(frame, metrics=(LATENCY,), contrasts=CONTRAST, margins={"latency_s": 0.1}, seed=7)
    made = report(metrics=METRICS)
    made = type(made)(facts=made.facts, analysis=found, metrics=made.metrics)
    table = tables.query_effects(made)
    assert [cell.forms[0] for cell in table.rows[0]][:2] == ["latency_s", "q007"]
    assert any("of 30 queries changed" in remark for remark in table.remarks)
    (said,) = as_dict(made)["query_effects"]
    assert len(said["queries"]) == 30
    assert json.dumps(said)


def test_a_run_without_repeats_or_margins_has_no_such_table():
    """The analysis has no effects of queries, and the report has no table of them."""
    once = analyse(
        grid(queries=30, value=one_slower), metrics=(LATENCY,), contrasts=CONTRAST, margins={"latency_s": 0.1}, seed=7
    )
    bare = analyse(grid(queries=30, repeats=2, value=one_slower), metrics=(LATENCY,), contrasts=CONTRAST, margins={}, seed=7)
    assert once.query_effects == bare.query_effects == ()
    assert tables.query_effects(report()) is None
