"""What tokens cost at a price table: the experiment's first, then a maintained list's, then the server's, else nothing."""

from __future__ import annotations

from dataclasses import replace

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


def test_the_maintained_list_knows_what_the_experiment_does_not():
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
    """``Gamma/two`` is Gamma's, whoever served the turn."""
    table = replace(OWN, own={**OWN.own, "Gamma/two": Price(input_cost_per_million=4.0, output_cost_per_million=0.0)})
    call = traces.trace(calls=1).llm_calls[0]
    calls = [replace(call, model=model, input_tokens=1_000_000, output_tokens=0) for model in ("Beta/one", "Gamma/two")]
    assert priced(turn("one", calls=calls), table).list_cost_usd == 6.0
    calls = [replace(call, model=model, input_tokens=1_000_000, output_tokens=0) for model in ("Beta/one", "Delta/two")]
    assert priced(turn("one", calls=calls), table).list_cost_usd is None


def test_calls_of_several_models_are_priced_one_by_one():
    """A dual-model turn costs what its calls cost; one that nobody prices leaves the turn without."""
    table = replace(OWN, own={**OWN.own, "two": Price(input_cost_per_million=1.0, output_cost_per_million=1.0)})
    call = traces.trace(calls=1).llm_calls[0]
    calls = [replace(call, model=model, input_tokens=1_000_000, output_tokens=0) for model in ("one", "two")]
    assert priced(turn("one", calls=calls), table).list_cost_usd == 3.0
    assert priced(turn("one", calls=calls), OWN).list_cost_usd is None


def entry(model, into=0.3, out=2.5, **more):
    """Make an entry of a server's price table."""
    return {"provider": "Beta", "model": model, "input_cost_per_million": into, "output_cost_per_million": out, **more}


def test_the_servers_own_table_comes_last():
    """Its price where nobody else has one; the experiment's before it; another server's never."""
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
