"""What the server process holds: users, sessions, tasks, kept plans, and the LLM every profile shares without wanting to.

``current`` is the process-wide LLM of the real server (protocol.md §11): creating a session and submitting a query switch it,
whoever does so, and an OPTIM report is written by whichever it is at that moment. That is how overlapping arms contaminate.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from uderia_bench.sim import faults
from uderia_bench.sim.accounts import Accounts
from uderia_bench.sim.agent import Draw
from uderia_bench.sim.cases import Cases
from uderia_bench.sim.clock import Clock
from uderia_bench.sim.config import Settings
from uderia_bench.sim.faults import Hit
from uderia_bench.sim.llms import Llm
from uderia_bench.sim.profiles import BY_TAG, OPTIM, Profile
from uderia_bench.sim.sessions import Session
from uderia_bench.sim.tasks import Task
from uderia_bench.sim.truth import Ledger


class State:
    """Everything one server process knows."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock(settings.speed)
        self.accounts = Accounts(self.clock, login_limit=settings.login_limit)
        self.default: Profile | None = BY_TAG[settings.default_profile] if settings.default_profile else None
        self.current: Llm = (self.default or OPTIM).llm
        self.sessions: dict[str, Session] = {}
        self.tasks: dict[str, Task] = {}
        self.cases = Cases()
        self.turns: list[dict[str, Any]] = []  # consumption rows, oldest first
        self.truth: list[Ledger] = []  # tasks that ended, in that order
        self._started = self.clock.seconds
        self._asked: Counter[tuple[str, str]] = Counter()

    def draw(self, profile: Profile, prompt: str) -> tuple[Draw, Hit]:
        """Return the luck of the next trial of this profile with this prompt, and the faults that hit it."""
        asked_before = self._asked[profile.id, prompt]
        self._asked[profile.id, prompt] += 1
        hit = self.faults(profile, prompt, asked_before)
        luck = Draw(
            seed=self.settings.seed,
            profile_id=profile.id,
            profile_type=profile.profile_type,
            prompt=prompt,
            asked_before=asked_before,
            planted=hit.difficulties(),
        )
        return luck, hit

    def faults(self, profile: Profile, *about: object) -> Hit:
        """Return the planted faults that hit this trial or this request."""
        seconds = self.clock.seconds - self._started
        return faults.draw(self.settings.faults, seed=self.settings.seed, profile=profile, seconds=seconds, about=about)

    def switch(self, profile: Profile) -> None:
        """Make the profile's LLM the one everybody shares."""
        self.current = profile.llm


def new_id() -> str:
    """Return a fresh id in the server's form."""
    return str(uuid.uuid4())
