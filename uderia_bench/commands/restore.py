"""Undo what a run changed on its servers and has not undone itself."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio

from uderia_bench.documents.experiment import SIM
from uderia_bench.runner.managed import Managed
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import log
from uderia_bench.runs.changes import Noted
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.journal import ChangeJournal


def restore(found: RunDirectory, around: Surroundings) -> tuple[Noted, ...]:
    """Undo everything that a run left changed; return what was undone.

    What no run of this user noted on this machine is undone only where ``around.may`` allows it.

    Raises ``StoreError`` while the run goes on and ``CannotRun`` with what cannot be undone. What an
    embedded server had is gone with it.
    """

    async def undo() -> tuple[Noted, ...]:
        async with AsyncExitStack() as stack:
            names = {noted.change.server for noted in journal.outstanding()} - {SIM}
            servers = {name: await stack.enter_async_context(around.connect(name)) for name in sorted(names)}
            return await Managed(servers=servers, journal=journal, folder=found.path, may=around.may).restore()

    journal = ChangeJournal(found.ledger, around.seal)
    with found.claimed(), log.into(None, as_json=around.log_as_json):
        return anyio.run(undo) if journal.outstanding() else ()
