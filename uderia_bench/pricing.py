"""What a turn's tokens cost at a price table beside what the server says: the experiment's prices, then a maintained list.

The list is genai-prices, where the extra ``prices`` is installed; it is asked for the model under its provider's name in lower
case. The server's own table is not asked: it is what ``cost_usd`` was made with. A model that nobody prices has no list cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from uderia_bench.experiment_parts import Price
from uderia_bench.trace import Trace

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Prices by the server's own names of models; ``listed``: ask the maintained list for the others."""

    own: Mapping[str, Price] = field(default_factory=dict)
    listed: bool = True

    def cost(self, provider: str | None, model: str | None, tokens: tuple[int, int]) -> float | None:
        """Return what (input, output) tokens cost in US dollars, None where nobody knows the model."""
        price = self.own.get(model or "")
        if price is None and self.listed and model is not None:
            price = _listed(provider, model)
        if price is None:
            return None
        return (tokens[0] * price.input_cost_per_million + tokens[1] * price.output_cost_per_million) / _MILLION


def priced(trace: Trace, table: PriceTable) -> Trace:
    """Return a trace with its tokens' cost at the table: the turn's at its model, or call by call where several took part."""
    return replace(trace, list_cost_usd=_cost(trace, table))


def _cost(trace: Trace, table: PriceTable) -> float | None:
    tokens = trace.tokens
    if tokens.input is None or tokens.output is None:
        return None
    if all(call.model in (None, trace.model) for call in trace.llm_calls):
        return table.cost(trace.provider, trace.model, (tokens.input, tokens.output))
    calls = [
        table.cost(trace.provider, call.model or trace.model, (call.input_tokens, call.output_tokens))
        for call in trace.llm_calls
    ]
    known = [cost for cost in calls if cost is not None]
    return sum(known) if len(known) == len(calls) else None


@cache
def _listed(provider: str | None, model: str) -> Price | None:
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    try:
        found = calc_price(
            Usage(input_tokens=_MILLION, output_tokens=_MILLION), model, provider_id=provider and provider.lower()
        )
    except LookupError:
        return None
    return Price(input_cost_per_million=float(found.input_price), output_cost_per_million=float(found.output_price))
