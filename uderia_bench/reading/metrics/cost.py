"""Cost metrics: the cost that the server reports, whether it knew the price, and the cost at a price list."""

from __future__ import annotations

from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric

METRICS: tuple[Metric, ...] = (
    Metric(
        name="cost_usd",
        family="cost",
        doc="The turn's cost as the server reports it, session naming excluded. With two models, the sum of the calls' costs.",
        unit="usd",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=lambda trace: trace.tokens.cost_usd,
        judged_unless="price_fallback",
    ),
    Metric(
        name="price_fallback",
        family="cost",
        doc="The server does not know the model's price and used its default. Such trials are left out of tests of cost_usd.",
        unit="1",
        kind=bool,
        direction=Direction.NEUTRAL,
        assumption=Assumption.RATE,
        read=lambda trace: trace.price_fallback,
        needs_answer=False,
    ),
    Metric(
        name="list_cost_usd",
        family="cost",
        doc="Cost of the turn's LLM calls at the experiment's prices, a public price list or the server's list, in that order.",
        unit="usd",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=lambda trace: trace.list_cost_usd,
    ),
)
