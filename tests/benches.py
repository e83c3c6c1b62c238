"""A runner over a scripted server and a real ledger, and the plans to give it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import anyio
from experiments import built
from pydantic import SecretStr
from scripted import URL, Scripted

from uderia_bench.documents.experiment import Experiment
from uderia_bench.gateway import directory
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.runner.book import Book
from uderia_bench.runner.budget import Account
from uderia_bench.runner.control import Control
from uderia_bench.runner.gauge import Gauge
from uderia_bench.runner.runner import Runner
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Stage, Trial

ADMIN = Credentials(username="admin", password=SecretStr("x"))


def under(**said) -> Experiment:
    """Return an experiment with four trials in flight, and with the keys that a test names."""
    said = {"timeout": 60.0, "session_profile": "arm", "seed": 1, "arms": ("IDEAT", "OPTIM")} | said
    said["load"] = {"concurrency": 4} | said["load"] if "sweep" not in said.setdefault("load", {}) else said["load"]
    return built(**said)


def planned(n: int, *, arms=("IDEAT", "OPTIM"), window_of=lambda _block, _arm: 0) -> tuple[Trial, ...]:
    """Return n blocks over the arms; ``window_of(block, arm)`` numbers the windows."""
    trials = [
        Trial(
            trial_id=f"q{block}-{arm}-r1",
            seq=0,
            block=block,
            window=window_of(block, arm),
            stage=Stage.MEASURED,
            query_id=f"q{block}",
            prompt=f"question {block}",
            complexity=None,
            tags=(),
            arm=arm,
            repeat=1,
        )
        for block in range(n)
        for arm in arms
    ]
    ordered = sorted(trials, key=lambda trial: trial.window)
    return tuple(replace(trial, seq=seq) for seq, trial in enumerate(ordered))


def talk(turns: int, *, arm="OPTIM", first=0) -> tuple[Trial, ...]:
    """Return one conversation, its turns following on ``first``."""
    (one,) = planned(1, arms=(arm,))
    return tuple(
        replace(one, trial_id=f"talk-{arm}-t{turn}", query_id="talk", seq=first + turn, turn=turn, prompt=f"turn {turn}")
        for turn in range(1, turns + 1)
    )


class AtOnce:
    """Commits on the event loop: a clock that jumps would not wait for a thread."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def write(self, entry) -> None:
        """Commit."""
        self.ledger.write([entry])

    async def keep(self) -> None:
        """Have no trouble."""
        await anyio.sleep_forever()


class Bench:
    """A runner over a scripted server and a real ledger.

    ``places`` are the names of the servers of arms, where these are not their addresses. With ``commanded`` the
    run takes commands.
    """

    def __init__(
        self,
        tmp_path,
        server: Scripted,
        trials,
        experiment: Experiment | None = None,
        *,
        places: Mapping[str, str] | None = None,
        commanded: bool = False,
    ) -> None:
        self.server, self.trials, self.experiment = server, trials, experiment or under()
        self.places, self.commanded = places or {}, commanded
        self.control: Control | None = None
        self.path = tmp_path / "ledger.sqlite"
        self.seen, self.stop, self.outages = [], Stop(), []
        self.watch = lambda record, _: self.seen.append(record)
        self.utc, self.hooks = lambda: datetime.now(UTC), None
        self.skips = lambda _: False
        self.gauge = Gauge(beat_s=math.inf)  # a clock that jumps would only jump from beat to beat

    async def run(self, *, resume: bool = False, during=None) -> None:
        """Run what is unsettled, with something happening meanwhile."""
        async with connect(URL, ADMIN, transport=self.server.transport()) as uderia:
            profiles = directory.read(await uderia.profiles(), await uderia.llm_configurations())
            arms = {arm: directory.resolve(arm, profiles, server=self.places.get(arm, URL)) for arm in ("IDEAT", "OPTIM")}
            ledger = Ledger.open(self.path, writing=True) if resume else Ledger.create(self.path, self.trials, arms)
            with ledger:
                left, book = ledger.unsettled(), Book(ledger, AtOnce(ledger))
                if self.commanded:
                    plan = {trial.trial_id: trial for trial in ledger.plan()}
                    self.control = Control(directory=self.path.parent, stop=self.stop, book=book, plan=plan, utc=self.utc)
                runner = Runner(
                    servers=dict.fromkeys([URL, *self.places.values()], uderia),
                    arms=arms,
                    experiment=self.experiment,
                    book=book,
                    watch=self.watch,
                    stop=self.stop,
                    spent=Account.carried(ledger.account(), trials=len(self.trials) - len(left)),
                    utc=self.utc,
                    gauge=self.gauge,
                    outages=self.outages,
                    hooks=self.hooks,
                    skips=self.skips,
                    control=self.control,
                )
                async with anyio.create_task_group() as group:
                    if during is not None:
                        group.start_soon(during)
                    await runner.run(left)
                    group.cancel_scope.cancel()

    async def ask(self, what: str, about: str = "") -> str | None:
        """Give a command to the run; return why it refuses it."""
        assert self.control is not None, "the run takes commands"
        reply = await self.control.answer(json.dumps({"do": what, "about": about, "who": "ann"}).encode())
        return reply.get("error")

    def records(self):
        """Return the settled records by trial id."""
        with Ledger.open(self.path) as ledger:
            return {record.trial.trial_id: record for record in ledger.records()}
