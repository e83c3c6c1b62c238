"""The list cost of a turn: by the experiment's prices, then a public list's, then the server's, call by call."""

from __future__ import annotations

import types
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import traces

from uderia_bench.documents.experiment_parts import Price
from uderia_bench.reading.pricing import PriceTable, priced, served
from uderia_bench.trace import Tokens

OWN = PriceTable(own={"one": Price(input_cost_per_million=2.0, output_cost_per_million=10.0)}, listed=False)


def turn(model, *, provider="Beta", tokens=(1_000_000, 100_000), calls=()):
    """Make a trace of a model's turn."""
    made = traces.trace(calls=0)
    return replace(
        made, provider=provider, model=model, tokens=Tokens(input=tokens[0], output=tokens[1]), llm_calls=tuple(calls)
    )


def test_the_experiments_prices_are_used():
    """A million tokens in at 2 and a tenth of a million out at 10 are 3 dollars."""
    assert priced(turn("one"), OWN).list_cost_usd == 3.0


def test_a_model_without_a_price_has_no_cost():
    """None, not 0."""
    assert priced(turn("two"), OWN).list_cost_usd is None
    assert priced(turn(None), OWN).list_cost_usd is None


def test_the_public_list_comes_after_the_experiments_prices():
    """By the provider's name in lower case; an unknown provider has none."""
    pytest.importorskip("genai_prices")
    assert priced(turn("gemini-2.5-flash", provider="Google"), PriceTable()).list_cost_usd > 0
    assert priced(turn("gemini-2.5-flash", provider="Nobody"), PriceTable()).list_cost_usd is None


@pytest.mark.parametrize("name", [None, "one", "Beta/one"])
def test_calls_of_the_turns_own_model_are_the_turn(name):
    """However a trace names the model of a call; what no call is logged for is priced with the rest."""
    call = replace(traces.trace(calls=1).llm_calls[0], model=name, input_tokens=1, output_tokens=1)
    assert priced(turn("one", calls=[call]), OWN).list_cost_usd == 3.0


def test_a_call_names_its_provider():
    """``Gamma/two`` is a model of Gamma's, whatever the turn's own provider is."""
    table = replace(OWN, own={**OWN.own, "Gamma/two": Price(input_cost_per_million=4.0, output_cost_per_million=0.0)})
    call = traces.trace(calls=1).llm_calls[0]
    calls = [replace(call, model=model, input_tokens=1_000_000, output_tokens=0) for model in ("Beta/one", "Gamma/two")]
    assert priced(turn("one", calls=calls), table).list_cost_usd == 6.0
    calls = [replace(call, model=model, input_tokens=1_000_000, output_tokens=0) for model in ("Beta/one", "Delta/two")]
    assert priced(turn("one", calls=calls), table).list_cost_usd is None


def test_calls_of_several_models_are_priced_one_by_one():
    """A dual-model turn costs what its calls cost. A call without a price leaves the turn without a cost."""
    table = replace(OWN, own={**OWN.own, "two": Price(input_cost_per_million=1.0, output_cost_per_million=1.0)})
    call = traces.trace(calls=1).llm_calls[0]
    calls = [replace(call, model=model, input_tokens=1_000_000, output_tokens=0) for model in ("one", "two")]
    assert priced(turn("one", calls=calls), table).list_cost_usd == 3.0
    assert priced(turn("one", calls=calls), OWN).list_cost_usd is None


def entry(model, into=0.3, out=2.5, **more):
    """Make an entry of a server's price table."""
    return {"provider": "Beta", "model": model, "input_cost_per_million": into, "output_cost_per_million": out, **more}


def test_the_servers_own_table_comes_last():
    """Its price is used only if no other list has one, and never for another server."""
    servers = {"http://a": {"costs": [entry("one", 1.0, 1.0), entry("two", 4.0, 0.0)]}, "http://b": {"costs": []}}
    table = replace(OWN, served=served(servers))
    assert priced(turn("two"), table, server="http://a").list_cost_usd == 4.0
    assert priced(turn("one"), table, server="http://a").list_cost_usd == 3.0
    assert priced(turn("two"), table, server="http://b").list_cost_usd is None
    assert priced(turn("two", provider="Alpha"), table, server="http://a").list_cost_usd is None
    assert [table.find("http://a", "Beta", model).by for model in ("one", "two")] == ["experiment", "server"]


def test_the_servers_default_price_is_no_price():
    """What the server takes for models it does not know is not this model's price; neither is what is no number."""
    costs = [
        entry("*", provider="*", is_fallback=True), entry("two", is_fallback=True), entry("three", None), entry("four", -1.0),
        entry("five", "1"), "six", entry("seven", float("inf")),
    ]  # fmt: skip
    assert served({"a": {"costs": costs}, "b": {"costs": None}, "c": "?"}) == {"a": {}, "b": {}}


def test_a_price_may_be_given_by_provider_and_model():
    """As manifests and reports name models, ``Provider/model``; it comes before the price of the model alone."""
    price = Price(input_cost_per_million=7.0, output_cost_per_million=0.0)
    table = replace(OWN, own={**OWN.own, "Beta/one": price})
    assert priced(turn("one"), table).list_cost_usd == 7.0
    assert priced(turn("one", provider="Alpha"), table).list_cost_usd == 3.0


def test_a_call_of_another_model_is_found_by_its_model_where_that_is_unmistakable():
    """The trace names the turn's provider only; two prices for one model name none."""
    call = traces.trace(calls=1).llm_calls[0]
    calls = [replace(call, model=model, input_tokens=1_000_000, output_tokens=0) for model in ("one", "two")]
    costs = [entry("two", 4.0, provider="Gamma")]
    table = replace(OWN, served=served({"a": {"costs": costs}}))
    assert priced(turn("one", calls=calls), table, server="a").list_cost_usd == 6.0
    table = replace(OWN, served=served({"a": {"costs": [*costs, entry("two", 5.0, provider="Delta")]}}))
    assert priced(turn("one", calls=calls), table, server="a").list_cost_usd is None


def calls_of(*sizes, **more):
    """Return calls of the turn's own model with these (input, output) tokens."""
    call = traces.trace(calls=1).llm_calls[0]
    return [replace(call, model=None, input_tokens=into, output_tokens=out, **more) for into, out in sizes]


def turn_of(model, *sizes, rest=(0, 0), **more):
    """Return a Google turn of these calls, with tokens that no call has."""
    total = tuple(sum(each) + extra for each, extra in zip(zip(*sizes, strict=True), rest, strict=True))
    return turn(model, provider="Google", tokens=total, calls=calls_of(*sizes, **more))


def by_list(model, *sizes, cached=0, at=None):
    """Return what the public list itself says that calls cost."""
    prices = pytest.importorskip("genai_prices")
    return sum(
        float(
            prices.calc_price(
                prices.Usage(input_tokens=into, output_tokens=out, cache_read_tokens=cached),
                model,
                provider_id="google",
                genai_request_timestamp=at,
            ).total_price
        )
        for into, out in sizes
    )


def test_a_tier_is_chosen_by_the_size_of_each_call():
    """Four calls of 60,000 tokens are below the tier of 200,000 though their turn is above it; one larger call is not."""
    small, large = [(60_000, 100)] * 4, [(240_000, 100)]
    assert by_list("gemini-2.5-pro", *large) > 1.5 * by_list("gemini-2.5-pro", *small)
    for sizes in (small, large, small + large):
        cost = priced(turn_of("gemini-2.5-pro", *sizes), PriceTable()).list_cost_usd
        assert cost == pytest.approx(by_list("gemini-2.5-pro", *sizes))


def test_tokens_that_no_call_has_are_one_more_call():
    """A parse retry is in no log and is priced at the tier of its own size."""
    cost = priced(turn_of("gemini-2.5-pro", (150_000, 100), rest=(60_000, 50)), PriceTable()).list_cost_usd
    assert cost == pytest.approx(by_list("gemini-2.5-pro", (150_000, 100), (60_000, 50)))


def test_calls_that_claim_more_than_their_turn_are_scaled_to_it():
    """The turn's totals are exact: half of the logged tokens cost half."""
    traced = replace(turn_of("gemini-2.5-flash", (2000, 200)), tokens=Tokens(input=1000, output=100))
    cost = priced(traced, PriceTable()).list_cost_usd
    assert cost == pytest.approx(by_list("gemini-2.5-flash", (1000, 100)))


def test_cached_tokens_have_their_own_price():
    """On the public list, and in an experiment that gives one; without one they cost as much as others."""
    cost = priced(turn_of("gemini-2.5-pro", (10_000, 100), cached_tokens=8000), PriceTable()).list_cost_usd
    assert cost == pytest.approx(by_list("gemini-2.5-pro", (10_000, 100), cached=8000))
    assert cost < by_list("gemini-2.5-pro", (10_000, 100))
    million = turn("one", tokens=(1_000_000, 0), calls=calls_of((1_000_000, 0), cached_tokens=900_000))
    price = Price(input_cost_per_million=2.0, output_cost_per_million=0.0, cached_input_cost_per_million=0.2)
    assert priced(million, replace(OWN, own={"one": price})).list_cost_usd == pytest.approx(0.2 + 0.18)
    assert priced(million, OWN).list_cost_usd == 2.0


def test_a_price_that_changes_is_taken_at_the_time_of_the_call(monkeypatch):
    """A call after midnight has the new price, though its turn began before."""
    from uderia_bench.reading import pricing

    def prices(at):
        price = 2 if at >= datetime(2026, 3, 13, tzinfo=UTC) else 1
        return types.SimpleNamespace(calc_price=lambda usage: {"total_price": usage.input_tokens * price, "output_price": 0})

    pytest.importorskip("genai_prices")
    monkeypatch.setattr(pricing, "_listed", lambda *_: prices)
    at = datetime(2026, 3, 12, 23, 59, 50, tzinfo=UTC)
    calls = [*calls_of((10, 0), start_s=5.0), *calls_of((10, 0), start_s=15.0)]
    assert priced(turn("m", tokens=(20, 0), calls=calls), PriceTable(), at=at).list_cost_usd == 10 + 20


def test_the_public_lists_own_dates_are_used():
    """A price with a start date differs before and after it, where the list has such a price."""
    prices = pytest.importorskip("genai_prices")
    used = prices.Usage(input_tokens=250_000, output_tokens=100)
    before, after = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    for at in (before, after):
        right = prices.calc_price(used, "claude-opus-4-6", provider_id="anthropic", genai_request_timestamp=at).total_price
        made = turn("claude-opus-4-6", provider="Anthropic", tokens=(250_000, 100), calls=calls_of((250_000, 100)))
        assert priced(made, PriceTable(), at=at).list_cost_usd == pytest.approx(float(right))


def test_a_price_for_each_request_counts(monkeypatch):
    """A thousand requests at 12 dollars are 0.012 a call, beside its tokens."""
    genai_prices = pytest.importorskip("genai_prices.types")
    prices = genai_prices.ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(1), requests_kcount=Decimal(12))
    monkeypatch.setattr("uderia_bench.reading.pricing._listed", lambda *_: lambda _: prices)
    calls = [replace(traces.llm_call(tokens=(1000, 1000)), model=None) for _ in range(2)]
    found = priced(turn("sonar", provider="Perplexity", tokens=(2000, 2000), calls=calls), PriceTable()).list_cost_usd
    assert found == pytest.approx(2 * 0.012 + 4000 / 1e6)
