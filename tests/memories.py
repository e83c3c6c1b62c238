"""A run with memory arms on an embedded server in this process."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from unittest.mock import patch

import anyio
from benches import AtOnce
from embedded import OPTIM, URL, Embedded
from experiments import built, query

from uderia_bench.gateway import directory
from uderia_bench.reading import profile_types
from uderia_bench.runner import plan, poll_times
from uderia_bench.runner.book import Book
from uderia_bench.runner.gauge import Gauge
from uderia_bench.runner.managed import Managed
from uderia_bench.runner.memory import Memory
from uderia_bench.runner.runner import Runner
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.journal import ChangeJournal
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.seal import Seal

PROMPTS = (
    "What databases are available on the system?",
    "How many rows are in the customers table?",
)


def experiment(arms, *, repeats=1, prompts=PROMPTS, **said):
    """Return an experiment over some arms of OPTIM, each with its memory."""
    written = [{"name": name, "profile": "OPTIM", **({"memory": memory} | more)} for name, memory, more in arms]
    asked = tuple(query(f"q{number}", prompt=text, turns=(text,)) for number, text in enumerate(prompts))
    said = {"load": {"concurrency": 1}, "warmup": 0, "manage_server": True, "server": URL} | said
    return built(asked, arms=written, repeats=repeats, **said)


@dataclass
class MemoryRun:
    """A run of an experiment in a folder; it may be run again to go on."""

    server: Embedded
    experiment: object
    folder: object
    stop: Stop = field(default_factory=Stop)
    seal: Seal = field(default_factory=Seal)
    settled: list = field(default_factory=list)

    @property
    def journal(self) -> ChangeJournal:
        """The journal of the run."""
        return ChangeJournal(self.folder / "ledger.sqlite", self.seal)

    async def run(self) -> None:
        """Ask what is left."""
        async with self.server.connected() as uderia:
            listed = directory.read(await uderia.profiles(), await uderia.llm_configurations())
            arms = {arm.name: directory.resolve(arm.profile, listed, server=URL) for arm in self.experiment.arms}
            if not self.journal.path.exists():
                Ledger.create(self.journal.path, plan.build(self.experiment, self.experiment.queries), arms).close()
            with Ledger.open(self.journal.path, writing=True) as ledger:
                managed = Managed(servers={URL: uderia}, journal=self.journal, folder=self.folder, settle_s=0.0)
                left = ledger.unsettled()
                memory = Memory(experiment=self.experiment, arms=arms, managed=managed)
                managing = any(arm.memory != "as-is" for arm in self.experiment.arms)
                runner = Runner(
                    servers={URL: uderia},
                    arms=arms,
                    experiment=self.experiment,
                    book=Book(ledger, AtOnce(ledger)),
                    watch=lambda record, trace: self.settled.append((record, trace)),
                    stop=self.stop,
                    gauge=Gauge(beat_s=math.inf),
                    understand=profile_types.read,
                    memory=memory if managing else None,
                )
                with patch.object(poll_times, "SCOUT_FIRST_S", 0.01):  # the server answers within milliseconds
                    async with memory.run(left=len(left)) if managing else nullcontext():
                        await runner.run(left)

    def cases(self, arm: str) -> list[int]:
        """Return the number of plans that each trial of an arm found, in order, by the server's truth."""
        found = {truth.task_id: truth.cases for truth in self.server.state.truth}
        return [found[record.task_id] for record, _ in self.settled if record.trial.arm == arm]


async def teach(uderia, prompts=PROMPTS) -> None:
    """Have the server store one plan for each prompt."""
    for prompt in prompts:
        session = await uderia.create_session(OPTIM)
        accepted = await uderia.submit(session, prompt, OPTIM)
        while not (await uderia.task(accepted.task_id)).terminal:  # noqa: ASYNC110 - the server has no event for it
            await anyio.sleep(0.005)
        while not (await uderia.session(session)).data["rag_cases"]:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.005)
