"""What tokens cost at a price table: the experiment's prices first, a maintained list after them, else nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import traces

from uderia_bench.experiment_parts import Price
from uderia_bench.pricing import PriceTable, priced
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


def test_calls_of_several_models_are_priced_one_by_one():
    """A dual-model turn costs what its calls cost; one that nobody prices leaves the turn without."""
    table = replace(OWN, own={**OWN.own, "two": Price(input_cost_per_million=1.0, output_cost_per_million=1.0)})
    call = traces.trace(calls=1).llm_calls[0]
    calls = [replace(call, model=model, input_tokens=1_000_000, output_tokens=0) for model in ("one", "two")]
    assert priced(turn("one", calls=calls), table).list_cost_usd == 3.0
    assert priced(turn("one", calls=calls), OWN).list_cost_usd is None
