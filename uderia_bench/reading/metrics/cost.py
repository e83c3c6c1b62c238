"""Cost metrics: what the server says a turn cost, whether it knew the price, and the same tokens at a price table."""

from __future__ import annotations

from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric

METRICS: tuple[Metric, ...] = (
    Metric(
        name="cost_usd",
        family="cost",
        doc="The turn's cost as the server reports it, less naming; under dual models the sum of its calls.",
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
        doc="The server priced the model by its default, because it does not know it: then cost_usd is shown and never judged.",
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
        doc="The turn's tokens at the experiment's prices, else a maintained list's, else the server's; None without any.",
        unit="usd",
        kind=float,
        direction=Direction.LOWER,
        assumption=Assumption.POSITIVE,
        read=lambda trace: trace.list_cost_usd,
    ),
)
