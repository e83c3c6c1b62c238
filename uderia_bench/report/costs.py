"""Cost of an arm, of an answer and of a right answer, and the price table of each model."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from uderia_bench.reading.pricing import PriceTable, of_call
from uderia_bench.report.content import ArmCost, PricedModel
from uderia_bench.trial import Outcome, Stage

_COST, _RIGHT = "cost_usd", "checks_passed_ratio"


def costs(trials: pl.DataFrame, arms: Sequence[str]) -> tuple[ArmCost, ...]:
    """Return the cost of each arm's measured trials, as the server reports it.

    An arm without a cost is left out.
    """
    if _COST not in trials.columns:
        return ()
    measured = trials.filter(pl.col("stage") == Stage.MEASURED)
    found = (_cost(arm, measured.filter(pl.col("arm") == arm)) for arm in arms)
    return tuple(cost for cost in found if cost is not None)


def priced_models(trials: pl.DataFrame, steps: pl.DataFrame | None, prices: PriceTable) -> tuple[PricedModel, ...]:
    """Return which table prices each model that took part, models of single LLM calls included."""
    turns = trials.select("trial_id", "server", "provider", "model")
    used = set(turns.select("server", "provider", "model").drop_nulls("model").unique().rows())
    if steps is not None:
        calls = steps.select("trial_id", call="model").drop_nulls().join(turns, on="trial_id").drop("trial_id").unique()
        used |= {(row["server"], *of_call(row["call"], (row["provider"], row["model"]))) for row in calls.iter_rows(named=True)}
    found = ((each, prices.find(*each)) for each in sorted(used, key=str))
    return tuple(
        PricedModel(server=server, provider=provider, model=model, by=None if price is None else price.by)
        for (server, provider, model), price in found
    )


def _cost(arm: str, trials: pl.DataFrame) -> ArmCost | None:
    known = trials.drop_nulls(_COST)
    if not known.height:
        return None
    answers = trials.filter(pl.col("outcome") == Outcome.ANSWERED)
    right, checked_usd = 0, None
    if _RIGHT in trials.columns:
        checked = trials.filter(pl.col("query_id").is_in(trials.drop_nulls(_RIGHT)["query_id"].unique().implode()))
        right = checked.filter((pl.col("outcome") == Outcome.ANSWERED) & (pl.col(_RIGHT) == 1)).height
        checked_usd = float(checked[_COST].sum())
    fallback = trials["price_fallback"].fill_null(value=False).mean() if "price_fallback" in trials.columns else None
    total = float(known[_COST].sum())
    return ArmCost(
        arm=arm,
        total_usd=total,
        unpriced=trials.height - known.height,
        per_answer_usd=total / answers.height if answers.height else None,
        per_right_answer_usd=checked_usd / right if right and checked_usd is not None else None,
        fallback=float(fallback) if isinstance(fallback, float) else None,
    )
