"""The profiles that a server has, with the models they are configured with."""

from __future__ import annotations

import anyio

from uderia_bench.documents.experiment import SIM
from uderia_bench.gateway import directory, embedded
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import log


def profiles(server: str, around: Surroundings) -> tuple[directory.Profile, ...]:
    """Return a server's profiles with the models they are configured with; ``sim`` is the embedded one."""

    async def ask(address: str) -> tuple[directory.Profile, ...]:
        async with around.connect(server, address) as uderia:
            return directory.read(await uderia.profiles(), await uderia.llm_configurations())

    with log.into(None, as_json=around.log_as_json):
        if server != SIM:
            return anyio.run(ask, server)
        with embedded.serve(seed=0, speed=1.0) as address:
            return anyio.run(ask, address)
