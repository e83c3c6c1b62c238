"""Random requests to the embedded server."""

from __future__ import annotations

import pytest
from sim.fuzzing import fuzz

from uderia_bench.sim.api.openapi import DOCUMENT, PATHS

pytestmark = pytest.mark.anyio


async def test_random_requests_do_not_break_the_server(serve):
    """Sends 500 requests; ``python tests/sim/fuzzing.py 5000`` sends more."""
    async with serve(speed=2000.0) as client:
        found = await fuzz(client, 500, seed=11)
        assert found.wrong == []
        assert found.asked > 400
        assert {200, 202, 400, 401, 404, 500} <= found.statuses.keys()
        assert (await client.ask("OPTIM", "how many databases are there?"))[0]["status"] == "complete"


async def test_the_openapi_description_has_every_route(serve):
    """Served and described routes are the same."""
    async with serve() as client:
        assert (await client.http.get("/sim/openapi.json")).json() == DOCUMENT
        app = client.http._transport.app
        served = {
            (route.path.replace(":int", ""), method.lower()) for route in app.routes for method in route.methods - {"HEAD"}
        }
    assert served == {(path, method) for path, entry in PATHS.items() for method in entry}
