"""The journals of a run in a store, as a process reads them that does not write them."""

from __future__ import annotations

from contextlib import suppress

import anyio

from uderia_bench.reading import profile_types
from uderia_bench.runner import progress
from uderia_bench.runs import protocol, shared
from uderia_bench.runs.bucket import Objects
from uderia_bench.runs.ledger import ASK_AGAIN
from uderia_bench.runs.ledger_rows import READ_ERRORS, State
from uderia_bench.runs.protocol import Log, NoClearAnswer
from uderia_bench.runs.shared import SharedRun

READ_S = 1.0  # between two looks


class Journals:
    """Trials with a result, and servers where all have one.

    ``news``: results have come since it was last set to False.
    """

    def __init__(self, run: SharedRun) -> None:
        self._run = run
        self._logs = {server: Log(Objects(run.bucket), run.journal(server)) for server in run.servers}
        self._trials = {trial.trial_id: trial for trial in run.plan}
        self.settled = set[str]()
        self.done = set[str]()
        self.news = False
        self.watch: progress.Watch | None = None

    async def follow(self) -> None:
        """Read what is new, again and again."""
        while True:
            await self.read()
            await anyio.sleep(READ_S)

    async def read(self) -> None:
        """Read what is new, as far as the store answers. The results are shown where there is a ``watch``."""
        for server, journal in self._logs.items():
            with suppress(NoClearAnswer):
                for body in await journal.news():
                    self._take(server, body)

    def _take(self, server: str, body: bytes) -> None:
        if shared.done(body):
            self.done.add(server)
        for row in shared.rows(protocol.content(body)):
            state, ending, *_, trial_id = row.columns
            if state != State.SETTLED or ending in ASK_AGAIN or trial_id in self.settled:
                continue
            self.settled.add(trial_id)
            self.news = True
            if self.watch is not None:
                with suppress(*READ_ERRORS):  # of a damaged entry, which the report will name
                    self.watch(profile_types.totals(self._run.record(self._trials[trial_id], row)))
