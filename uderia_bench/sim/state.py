"""State of the server process: user, sessions, tasks, stored plans, and the process-wide LLM.

Creating a session and submitting a query switch the process-wide LLM ``current``. It writes the
report of every OPTIM trial that is in flight, so overlapping arms contaminate each other
(docs/reference/protocol.md, "Concurrency and limits").
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from uderia_bench.sim.accounts import Accounts
from uderia_bench.sim.agent.draw import Draw, stream
from uderia_bench.sim.agent.llms import Llm
from uderia_bench.sim.agent.profiles import BY_TAG, OPTIM, Profile
from uderia_bench.sim.capacity import Loop
from uderia_bench.sim.clock import Clock
from uderia_bench.sim.config import Settings
from uderia_bench.sim.memory.collections import Collections
from uderia_bench.sim.memory.writer import Writer
from uderia_bench.sim.notifications import Notifications
from uderia_bench.sim.profile_book import ProfileBook
from uderia_bench.sim.quotas import Meter
from uderia_bench.sim.sessions import Session
from uderia_bench.sim.switches import Switches
from uderia_bench.sim.tasks import Task
from uderia_bench.sim.trouble import effects, faults
from uderia_bench.sim.trouble.faults import Hit
from uderia_bench.sim.truth import Ledger

# Delay of the first query after a server start (docs/reference/measured.md, "Time").
COLD_S = (2.0, 3.5)
_SHUTTING_DOWN_S = 0.02  # how often a shutdown cancels what has arrived


class State:
    """The state of one server process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock(settings.speed)
        self.accounts = Accounts(self.clock, login_limit=settings.login_limit)
        self.current: Llm = self._first_llm()
        self.sessions: dict[str, Session] = {}
        self.tasks: dict[str, Task] = {}
        self.collections = Collections(self.clock.stamp())
        self.writer = Writer(self.clock)
        self.switches = Switches()
        self.loop = Loop(self.clock, settings.tasks_per_s)
        self.meter = Meter(clock=self.clock, quotas=settings.quotas)
        self.notifications = Notifications(self.clock)
        self.turns: list[dict[str, Any]] = []  # consumption rows, oldest first
        self.truth: list[Ledger] = []  # finished tasks, in the order of their ends
        self.calls: Counter[str] = Counter()  # requests by call (wire_faults.py)
        self.planted: Counter[str] = Counter()  # planted faults of the network, of submits and of reads
        self.leave: Callable[[float], None] = lambda _: None  # stops listening for some seconds; set by serving.py
        self._started = self.clock.seconds
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._tags: dict[str, str] = {}  # tags of the profiles that were asked, by id
        self._books: dict[str, ProfileBook] = {}
        self._cold = settings.cold_start

    def _first_llm(self) -> Llm:
        tag = self.settings.default_profile
        return (BY_TAG[tag] if tag else OPTIM).llm

    def book(self, user_uuid: str | None) -> ProfileBook:
        """Return the profiles of a user, those of the administrator for None."""
        user = self.accounts.users[0] if user_uuid is None else self.accounts.user(user_uuid)
        if user.uuid not in self._books:
            self._books[user.uuid] = ProfileBook(
                owner=user.username,
                default_tag=self.settings.default_profile,
                own_collection=self.collections.default(user, self.clock.stamp()).id,
                knowledge=self.settings.knowledge,
                seed=self.settings.seed,
            )
        return self._books[user.uuid]

    def draw(self, profile: Profile, prompt: str, *, within: str = "") -> tuple[Draw, Hit]:
        """Return the draw of the next trial of this profile and prompt, and the faults that hit it.

        ``within`` is the tag of a coordinator that asks. Its questions are counted separately, so
        that they do not change the draws of other trials.
        """
        self._tags[profile.id] = profile.tag
        nth = self._asked[within, profile.id, prompt]
        self._asked[within, profile.id, prompt] += 1
        asked_before = f"{within}/{nth}" if within else nth
        hit = self.faults(profile, prompt, asked_before)
        luck = Draw(
            seed=self.settings.seed,
            profile_id=profile.id,
            profile_type=profile.profile_type,
            prompt=prompt,
            asked_before=asked_before,
            planted=hit.difficulties(),
            chance=self.settings.chance,
            factors=effects.factors(self.settings.effects, profile, self.clock.seconds - self._started),
        )
        return luck, hit

    def asked(self) -> list[dict[str, Any]]:
        """List how often each profile was asked each prompt, including trials that failed."""
        return [
            {"profile_tag": self._tags[profile_id], "prompt": prompt, "times": times}
            for (within, profile_id, prompt), times in self._asked.items()
            if not within
        ]

    @property
    def seconds(self) -> float:
        """Real seconds since the start."""
        return self.clock.seconds - self._started

    def faults(self, profile: Profile, *about: object) -> Hit:
        """Return the planted faults of a trial or a request."""
        return faults.draw(self.settings.faults, seed=self.settings.seed, profile=profile, seconds=self.seconds, about=about)

    def warm_up(self) -> float:
        """Return the extra seconds of the first query after a start, 0 for later queries."""
        if not self._cold:
            return 0.0
        self._cold = False
        low, high = COLD_S
        return low + (high - low) * stream(self.settings.seed, "cold").random()

    def toggle_default_collection(self) -> None:
        """Switch the administrator's default collection off or on, as a stranger can."""
        collection = self.collections.default(self.accounts.users[0], self.clock.stamp())
        collection.enabled = not collection.enabled

    async def shut_down(self, seconds: float) -> None:
        """Cancel for some seconds what is in flight and what still arrives, as the real server does after SIGTERM."""
        until = self.seconds + seconds
        while self.seconds < until:
            for task in self.tasks.values():
                task.cancel(self.clock.stamp())
            await asyncio.sleep(_SHUTTING_DOWN_S)

    def restart(self) -> None:
        """Forget the tasks, as a restart does. Sessions, tokens, turns and stored plans stay."""
        for task in self.tasks.values():
            task.abandon()
        self.tasks = {}
        self.writer.restart()
        self.switches.restart()
        self.current = self._first_llm()
        self._cold = self.settings.cold_start

    def switch(self, profile: Profile) -> None:
        """Make the profile's LLM the process-wide LLM."""
        self.current = profile.llm


def new_id() -> str:
    """Return a new id in the server's format."""
    return str(uuid.uuid4())
