"""Cost of a turn's LLM calls at a price list, in addition to the cost that the server reports.

Three lists are asked in this order. The first is the experiment's own ``prices``. The second is a
public list (genai-prices, with the extra ``prices``), which is asked for the model under its
provider's name in lower case. The third is the server's own list, as the manifest has it, without
its default for unknown models. A model that is in none of them has no list cost.

Each call is priced by its own tokens. A public price may depend on the size of the prompt, on
tokens that came from the provider's cache, and on the date and time of the call.

``cost_usd`` depends on the server, on session naming and on dual models. The list cost is
comparable across servers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

from uderia_bench.documents.experiment_parts import Price
from uderia_bench.trace import LlmCall, Trace

EXPERIMENT, SERVER = "experiment", "server"
"""Names of two of the lists. The public list has its own name and version."""

_LIST = "genai-prices"
_MILLION = 1_000_000
_ANY = "*"  # provider and model of the server's default price

Served: TypeAlias = Mapping[tuple[str, str], Price]
"""A server's own prices by provider and model, as the server names them."""

Named: TypeAlias = tuple[str | None, str | None]
"""A provider and its model, as far as they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Tokens of one LLM call, and when it was made. ``cached`` input tokens came from the provider's cache."""

    input: int
    output: int
    cached: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A model's price: the list it is from, and the cost in USD of one call as (input, output)."""

    by: str
    cost: Callable[[Use], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """The lists in their order: ``own`` by ``model`` or ``Provider/model``, the public one, ``served`` by server.

    ``listed`` is whether to ask the public list.
    """

    own: Mapping[str, Price] = field(default_factory=dict)
    listed: bool = True
    served: Mapping[str, Served] = field(default_factory=dict)

    def find(self, server: str | None, provider: str | None, model: str | None) -> Found | None:
        """Return the price of a model on a server, or None for an unknown model."""
        if model is None:
            return None
        if (price := self.own.get(f"{provider}/{model}") or self.own.get(model)) is not None:
            return Found(by=EXPERIMENT, cost=partial(_flat, price))
        if self.listed and (listed := _listed(provider, model)) is not None:
            return Found(by=_list_name(), cost=partial(_at_list, listed))
        price = _of(self.served.get(server or "", {}), provider, model)
        return None if price is None else Found(by=SERVER, cost=partial(_flat, price))


def priced(trace: Trace, table: PriceTable, *, server: str | None = None, at: datetime | None = None) -> Trace:
    """Return a trace with the cost of its LLM calls; ``at`` is when the turn began, for prices that change."""
    return replace(trace, list_cost_usd=_cost(trace, table, server, at))


def of_call(name: str | None, turn: Named) -> Named:
    """Return the provider and model of a call, which a trace names ``Provider/model``, ``model``, or not at all."""
    provider, model = turn
    if name in (None, model, f"{provider}/{model}"):
        return turn
    before, slash, after = name.partition("/")
    return (before, after) if slash else (None, name)


def served(servers: Mapping[str, Any]) -> dict[str, Served]:
    """Return the price lists of a manifest's ``servers``, without entries that are not prices and without defaults."""
    return {name: dict(_entries(facts.get("costs"))) for name, facts in servers.items() if isinstance(facts, dict)}


def _entries(costs: Any) -> Iterator[tuple[tuple[str, str], Price]]:
    for item in costs if isinstance(costs, list) else ():
        if not isinstance(item, dict) or item.get("is_fallback") or item.get("model") == _ANY:
            continue
        amounts = [item.get(f"{side}_cost_per_million") for side in ("input", "output")]
        usable = [float(each) for each in amounts if isinstance(each, int | float) and math.isfinite(each) and each >= 0]
        if len(usable) == len(amounts):
            price = Price(input_cost_per_million=usable[0], output_cost_per_million=usable[1])
            yield (str(item.get("provider")), str(item.get("model"))), price


def _of(prices: Served, provider: str | None, model: str) -> Price | None:
    """Return a server's price. Without a provider (a call of another model), the model's only price."""
    if provider is not None:
        return prices.get((provider, model))
    same_model = [price for (_, known), price in prices.items() if known == model]
    return same_model[0] if len(same_model) == 1 else None


def _cost(trace: Trace, table: PriceTable, server: str | None, at: datetime | None) -> float | None:
    """Return the cost of every call. Tokens that no call has are priced as one more call of the turn's own model.

    Where the calls have more tokens than the turn, the turn is right: the cost of calls of its own
    model is scaled to it. Calls of several models are then priced as they are.
    """
    tokens = trace.tokens
    if tokens.input is None or tokens.output is None:
        return None
    own = (trace.provider, trace.model)
    uses = [(of_call(call.model, own), _use(call, at)) for call in trace.llm_calls]
    logged_in, logged_out = sum(use.input for _, use in uses), sum(use.output for _, use in uses)
    rest = Use(input=max(0, tokens.input - logged_in), output=max(0, tokens.output - logged_out), at=at)
    too_many = logged_in > tokens.input or logged_out > tokens.output
    mixed = any(whose != own for whose, _ in uses)
    if not uses or ((rest.input or rest.output) and not (too_many and mixed)):
        uses.append((own, rest))
    costs: list[tuple[float, float]] = []
    for whose, use in uses:
        found = table.find(server, *whose)
        if found is None:
            return None
        costs.append(found.cost(use))
    cost_in, cost_out = sum(into for into, _ in costs), sum(out for _, out in costs)
    if too_many and not mixed:
        cost_in *= min(1.0, tokens.input / max(logged_in, 1))
        cost_out *= min(1.0, tokens.output / max(logged_out, 1))
    return cost_in + cost_out


def _use(call: LlmCall, at: datetime | None) -> Use:
    began = at if at is None or call.start_s is None else at + timedelta(seconds=call.start_s)
    return Use(input=call.input_tokens, output=call.output_tokens, cached=call.cached_tokens, at=began)


def _flat(price: Price, use: Use) -> tuple[float, float]:
    full, reduced = price.input_cost_per_million, price.cached_input_cost_per_million
    cached = 0 if reduced is None else min(use.cached, use.input)
    into = (use.input - cached) * full + cached * (reduced or 0.0)
    return into / _MILLION, use.output * price.output_cost_per_million / _MILLION


def _at_list(prices: Callable[[datetime | None], Any], use: Use) -> tuple[float, float]:
    from genai_prices import Usage  # noqa: PLC0415 - an extra

    price = prices(use.at)
    usage = Usage(input_tokens=use.input, output_tokens=use.output, cache_read_tokens=min(use.cached, use.input))
    found = price.calc_price(usage)
    output = found["output_price"]
    return float(found["total_price"] - output), float(output)  # some models also have a price for each request


@cache
def _listed(provider: str | None, model: str) -> Callable[[datetime | None], Any] | None:
    """Return the public list's prices of a model by time; None for an unknown model or without the extra."""
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    try:
        found = calc_price(Usage(input_tokens=1, output_tokens=1), model, provider_id=provider and provider.lower())
    except LookupError:
        return None
    return lambda at: found.model.get_prices(at or datetime.now(UTC))


@cache
def _list_name() -> str:
    try:
        return f"{_LIST} {version(_LIST)}"
    except PackageNotFoundError:
        return _LIST
