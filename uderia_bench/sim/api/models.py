"""Routes of LLM configurations and prices (docs/reference/protocol.md, "Costs")."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.agent.llms import FALLBACK_INPUT_USD, FALLBACK_OUTPUT_USD, LLMS
from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import signed_in, state_of, user_of

_PRICED_AT = "2026-05-04T00:00:00+00:00"


async def _configurations(request: Request) -> Response:
    default = state_of(request).book(user_of(request)).default
    body = {
        "active_configuration_id": (LLMS[0] if default is None else default.llm).configuration_id,
        "configurations": [llm.document() for llm in LLMS],
        "status": "success",
    }
    return responses.json(body)


def _price(number: int, provider: str, model: str, prices: tuple[float, float], *, fallback: bool) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"price/{number}")),
        "input_cost_per_million": prices[0],
        "is_deprecated": False,
        "is_fallback": fallback,
        "is_manual_entry": False,
        "last_updated": _PRICED_AT,
        "model": model,
        "notes": f"Price of {provider} {model}",
        "output_cost_per_million": prices[1],
        "provider": provider,
        "source": "config_default",
    }


async def _prices(request: Request) -> Response:
    costs = [
        _price(number, llm.provider, llm.model, (llm.input_usd, llm.output_usd), fallback=False)
        for number, llm in enumerate(LLMS, start=1)
        if llm.provider not in state_of(request).settings.unpriced
    ]
    if request.query_params.get("include_fallback", "true").lower() == "true":
        fallback = (FALLBACK_INPUT_USD, FALLBACK_OUTPUT_USD)
        costs.append(_price(len(costs) + 1, "*", "*", fallback, fallback=True))
    return responses.json({"costs": costs, "count": len(costs), "status": "success"})


ROUTES = [
    Route("/api/v1/llm/configurations", _configurations, methods=["GET"]),
    Route("/api/v1/costs/models", signed_in(_prices), methods=["GET"]),
]
