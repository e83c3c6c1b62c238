"""Requests to a server outside of a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from uderia_bench.documents.experiment import SIM
from uderia_bench.gateway import embedded
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import log

_Found = TypeVar("_Found")


def ask(server: str, around: Surroundings, question: Callable[[Uderia], Awaitable[_Found]]) -> _Found:
    """Return what ``question`` finds on a server; ``sim`` is an embedded one that is started for it. Raises ``CannotRun``."""

    async def connected(address: str) -> _Found:
        async with around.connect(server, address) as uderia:
            return await question(uderia)

    with log.into(None, as_json=around.log_as_json):
        if server != SIM:
            return anyio.run(connected, server)
        with embedded.serve(seed=0, speed=1.0) as address:
            return anyio.run(connected, address)
