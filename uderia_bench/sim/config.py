"""What can be set about one embedded server. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

from uderia_bench.sim.agent.llms import LLMS
from uderia_bench.sim.agent.profiles import BY_TAG
from uderia_bench.sim.capacity import MEASURED_TASKS_PER_S
from uderia_bench.sim.quotas import Quotas
from uderia_bench.sim.trouble.effects import Effect
from uderia_bench.sim.trouble.faults import Fault

LOGINS_PER_MINUTE = 5  # the real server's default, per address (docs/reference/protocol.md, "Login limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server.

    ``speed`` divides every wait of the agent and all work of the server; stamps stay real time. ``default_profile`` is the tag
    of the user's default profile, None for a user without one. ``login_limit`` is sign-ins per minute and address, 0 for no
    limit. ``learning``: successful plans are kept and found again, as the real server does; without it every query is cold.
    ``tasks_per_s`` is what the server sustains at speed 1, 0 for no limit. ``cold_start``: the first query after a start is
    late. ``chance``: trouble happens unasked, as often as agent.py says; without it only what prompts and faults ask for.
    ``knowledge`` are the tags of profiles that look up knowledge before they answer. ``unpriced`` are providers whose models
    the server prices by its fallback, without a word. ``quotas`` limit the user; none by default, where the real server has
    1,000 calls an hour. ``faults`` and ``effects`` are planted.
    """

    seed: int = 7
    speed: float = 1.0
    login_limit: int = LOGINS_PER_MINUTE
    default_profile: str | None = "OPTIM"
    learning: bool = True
    tasks_per_s: float = MEASURED_TASKS_PER_S
    cold_start: bool = True
    chance: bool = True
    knowledge: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    quotas: Quotas = field(default_factory=Quotas)
    faults: tuple[Fault, ...] = ()
    effects: tuple[Effect, ...] = ()

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"speed must be above 0, not {self.speed}")
        if self.login_limit < 0:
            raise ValueError(f"login limit must not be negative, and is {self.login_limit}")
        if self.tasks_per_s < 0:
            raise ValueError(f"tasks_per_s must not be negative, and is {self.tasks_per_s}")
        for tag in self.knowledge:
            if tag not in BY_TAG:
                raise ValueError(f"no profile has the tag {tag!r}; there are {', '.join(BY_TAG)}")
        known = [llm.provider for llm in LLMS]
        for provider in self.unpriced:
            if provider not in known:
                raise ValueError(f"no provider is called {provider!r}; there are {', '.join(known)}")
