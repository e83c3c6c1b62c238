"""What an answer cost, failures paid for: sums one can check in the head."""

import polars as pl
import pytest
from report.reports import report

from uderia_bench.documents.experiment_parts import Price
from uderia_bench.reading.pricing import PriceTable, served
from uderia_bench.report import tables
from uderia_bench.report.content import ArmCost, PricedModel
from uderia_bench.report.costs import costs, priced_models


def trials(*rows):
    """Make OPTIM's trials of (query, outcome, cost, share of checks passed)."""
    names = ("query_id", "outcome", "cost_usd", "checks_passed_ratio")
    kinds = {"query_id": pl.String, "outcome": pl.String, "cost_usd": pl.Float64, "checks_passed_ratio": pl.Float64}
    frame = pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema=kinds)
    return frame.with_columns(
        pl.lit("OPTIM").alias("arm"), pl.lit("measured").alias("stage"), pl.lit(value=False).alias("price_fallback")
    )


def test_costs_include_failed_trials():
    """Three dollars for two answers are 1.50 an answer; two of them on checked queries for one right answer."""
    (found,) = costs(trials(("a", "answered", 1.0, 1.0), ("a", "failed", 1.0, None), ("b", "answered", 1.0, None)), ["OPTIM"])
    assert (found.total_usd, found.per_answer_usd, found.per_right_answer_usd) == (3.0, 1.5, 2.0)


def test_half_right_is_not_right():
    """An answer is right where it passes every check."""
    (found,) = costs(trials(("a", "answered", 1.0, 0.5), ("a", "answered", 1.0, 1.0)), ["OPTIM"])
    assert found.per_right_answer_usd == 2.0


def test_no_answer_has_no_price():
    """None, not infinity; trials without a cost are counted."""
    (found,) = costs(trials(("a", "failed", 1.0, None), ("a", "failed", None, None)), ["OPTIM"])
    assert (found.per_answer_usd, found.per_right_answer_usd, found.unpriced) == (None, None, 1)
    assert costs(trials(("a", "answered", None, None)), ["OPTIM"]) == ()


def test_the_default_price_is_flagged():
    """Where the server fell back to its default the table has a footnote."""
    cost = ArmCost(arm="OPTIM", total_usd=3.0, unpriced=0, per_answer_usd=1.5, per_right_answer_usd=None, fallback=0.25)
    table = tables.costs(report(costs=(cost,)))
    assert [cell.forms[0] for cell in table.rows[0]] == ["OPTIM", "$3.00", "$1.50", "—"]
    assert "the server used its default price for 25.0%" in table.rows[0][0].notes[0]
    assert tables.costs(report()) is None


@pytest.mark.parametrize("missing", ["cost_usd", "checks_passed_ratio", "price_fallback"])
def test_an_older_run_lacks_columns(missing):
    """What was not derived is left out, and nothing fails."""
    frame = trials(("a", "answered", 1.0, 1.0)).drop(missing)
    assert len(costs(frame, ["OPTIM"])) == (0 if missing == "cost_usd" else 1)


def test_every_model_that_took_part_says_who_priced_it():
    """The turns' models, then those of single calls; a model without a price is listed too."""
    turns = pl.DataFrame(
        {"trial_id": ["1", "2"], "server": ["sim"] * 2, "provider": ["Beta"] * 2, "model": ["one", "two"]}
    )  # fmt: skip
    steps = pl.DataFrame({"trial_id": ["1", "1", "2"], "model": ["Beta/one", "three", None]})
    free = Price(input_cost_per_million=0.0, output_cost_per_million=0.0)
    entry = {"provider": "Beta", "model": "two", "input_cost_per_million": 1, "output_cost_per_million": 1}
    table = PriceTable(own={"one": free}, listed=False, served=served({"sim": {"costs": [entry]}}))
    found = priced_models(turns, steps, table)
    assert {(each.provider, each.model): each.by for each in found} == {
        ("Beta", "one"): "experiment", ("Beta", "two"): "server", (None, "three"): None,
    }  # fmt: skip
    assert len(priced_models(turns, None, table)) == 2


def test_the_table_has_the_source_of_each_price():
    """In one sentence below the costs, by table."""
    cost = ArmCost(arm="OPTIM", total_usd=3.0, unpriced=0, per_answer_usd=1.5, per_right_answer_usd=None, fallback=None)
    of = [("one", "server"), ("two", "genai-prices 0.2"), ("three", None), ("four", "server")]
    models = tuple(PricedModel(server="sim", provider="Beta", model=model, by=by) for model, by in of)
    remark = tables.costs(report(costs=(cost,), prices=models)).remarks[-1]
    assert remark == (
        "list_cost_usd: one, four at the server's own prices; two at genai-prices 0.2; three without a price."
    )  # fmt: skip
