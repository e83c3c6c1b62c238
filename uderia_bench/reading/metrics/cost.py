"""Cost metrics: the cost that the server reports, whether it knew the price, and the cost at a price list."""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric, rated

_usd = partial(Metric, family="cost", unit="usd", kind=float, direction=Direction.LOWER, assumption=Assumption.POSITIVE)

METRICS: tuple[Metric, ...] = (
    _usd(
        name="cost_usd",
        doc="The turn's cost as the server reports it, session naming excluded. With two models, the sum of the calls' costs.",
        read=lambda trace: trace.tokens.cost_usd,
        judged_unless="price_fallback",
    ),
    _usd(
        name="naming_cost_usd",
        doc="Cost of session naming, which the server adds to a first turn. No other cost metric includes it.",
        read=lambda trace: trace.tokens.naming_cost_usd,
        direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT,
    ),
    rated(
        name="price_fallback",
        family="cost",
        doc="The server does not know the model's price and used its default. Such trials are left out of tests of cost_usd.",
        kind=bool,
        read=lambda trace: trace.price_fallback,
        needs_answer=False,
    ),
    _usd(
        name="list_cost_usd",
        doc="Cost of the turn's LLM calls at the experiment's prices, a public price list or the server's list, in that order.",
        read=lambda trace: trace.list_cost_usd,
    ),
)
