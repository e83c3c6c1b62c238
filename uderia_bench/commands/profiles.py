"""The profiles that a server has, with the models they are configured with."""

from __future__ import annotations

from uderia_bench.commands.ask import ask
from uderia_bench.gateway import directory
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.runner.surroundings import Surroundings


def profiles(server: str, around: Surroundings) -> tuple[directory.Profile, ...]:
    """Return a server's profiles with the models they are configured with; ``sim`` is the embedded one."""

    async def read(uderia: Uderia) -> tuple[directory.Profile, ...]:
        return directory.read(await uderia.profiles(), await uderia.llm_configurations())

    return ask(server, around, read)
