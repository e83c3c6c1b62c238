"""What a turn's tokens cost at a price table, beside what the server says the turn cost.

Three tables are asked, in this order: the experiment's own ``prices``; a maintained list
(genai-prices, where the extra ``prices`` is installed), asked for the model under its provider's
name in lower case; the server's own table, as the manifest keeps it, less its default for models it
does not know. A model that none of them has, has no list cost.

Why the server's table too: ``cost_usd`` is what the server made of it, session naming and dual
models included; the same prices times the turn's own tokens are comparable across servers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

from uderia_bench.documents.experiment_parts import Price
from uderia_bench.trace import Trace

EXPERIMENT, SERVER = "experiment", "server"
"""The tables that have no name of their own; the maintained list goes by its name and version."""

_LIST = "genai-prices"
_MILLION = 1_000_000
_ANY = "*"  # the server's provider and model of its default price

Served: TypeAlias = Mapping[tuple[str, str], Price]
"""A server's own prices by provider and model, as it names them."""


Named: TypeAlias = tuple[str | None, str | None]
"""A provider and its model, as far as they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A price and the table it is from."""

    price: Price
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """The tables in their order: ``own`` by ``model`` or ``Provider/model``, ``listed``, ``served`` by server.

    ``listed`` says whether to ask the maintained list.
    """

    own: Mapping[str, Price] = field(default_factory=dict)
    listed: bool = True
    served: Mapping[str, Served] = field(default_factory=dict)

    def find(self, server: str | None, provider: str | None, model: str | None) -> Found | None:
        """Return what a million tokens of a model cost on a server, None where nobody knows the model."""
        if model is None:
            return None
        if (price := self.own.get(f"{provider}/{model}") or self.own.get(model)) is not None:
            return Found(price=price, by=EXPERIMENT)
        if self.listed and (price := _listed(provider, model)) is not None:
            return Found(price=price, by=_list_name())
        price = _of(self.served.get(server or "", {}), provider, model)
        return None if price is None else Found(price=price, by=SERVER)


def priced(trace: Trace, table: PriceTable, *, server: str | None = None) -> Trace:
    """Return a trace with its tokens' cost at the table: the turn's at its model, or call by call where several took part."""
    return replace(trace, list_cost_usd=_cost(trace, table, server))


def of_call(name: str | None, turn: Named) -> Named:
    """Return the provider and the model of a call, named as traces do: ``Provider/model``, ``model``, or not at all."""
    provider, model = turn
    if name in (None, model, f"{provider}/{model}"):
        return turn
    before, slash, after = name.partition("/")
    return (before, after) if slash else (None, name)


def served(servers: Mapping[str, Any]) -> dict[str, Served]:
    """Read the price tables of a manifest's ``servers``, less what is no price and the default for unknown models."""
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
    """Return a server's price; where nobody names the provider (a call of another model) the only one for the model."""
    if provider is not None:
        return prices.get((provider, model))
    same_model = [price for (_, known), price in prices.items() if known == model]
    return same_model[0] if len(same_model) == 1 else None


def _cost(trace: Trace, table: PriceTable, server: str | None) -> float | None:
    tokens = trace.tokens
    if tokens.input is None or tokens.output is None:
        return None
    own = (trace.provider, trace.model)
    calls = [(of_call(call.model, own), call.input_tokens, call.output_tokens) for call in trace.llm_calls]
    spent = [(own, tokens.input, tokens.output)] if all(whose == own for whose, _, _ in calls) else calls
    total = 0.0
    for whose, into, out in spent:
        found = table.find(server, *whose)
        if found is None:
            return None
        total += (into * found.price.input_cost_per_million + out * found.price.output_cost_per_million) / _MILLION
    return total


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


@cache
def _list_name() -> str:
    try:
        return f"{_LIST} {version(_LIST)}"
    except PackageNotFoundError:
        return _LIST
