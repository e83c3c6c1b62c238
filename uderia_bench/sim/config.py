"""Settings of one embedded server."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from uderia_bench.sim.agent.llms import LLMS
from uderia_bench.sim.agent.profiles import BY_TAG
from uderia_bench.sim.capacity import MEASURED_TASKS_PER_S
from uderia_bench.sim.quotas import Quotas
from uderia_bench.sim.trouble.effects import Effect
from uderia_bench.sim.trouble.faults import Fault

WRITE_DELAY_S = (0.05, 0.15)
LOGINS_PER_MINUTE = 5  # the real server's default, per address (docs/reference/protocol.md, "Login limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server.

    - ``speed`` divides every duration of the agent and of the server; timestamps are real time.
    - ``default_profile`` is the tag of the user's default profile, None for a user without one.
    - ``login_limit`` is the number of sign-ins a minute for each address, 0 for no limit.
    - ``learning`` stores successful plans and finds them again; without it every query is cold.
    - ``write_delay_s`` is the range of the time from the end of a turn until it names its stored plan.
    - ``tasks_per_s`` is the throughput at speed 1, 0 for no limit.
    - ``cold_start`` delays the first query after a start.
    - ``chance`` draws random difficulties (``draw.CHANCES``); without it only prompts and faults
      ask for them.
    - ``knowledge`` are the tags of profiles that retrieve knowledge before they answer.
    - ``unpriced`` are providers whose models have the fallback price.
    - ``quotas`` limit the user. The default has none; the real server has 1,000 calls an hour.
    - ``faults`` and ``effects`` are planted.
    """

    seed: int = 7
    speed: float = 1.0
    login_limit: int = LOGINS_PER_MINUTE
    default_profile: str | None = "OPTIM"
    learning: bool = True
    write_delay_s: tuple[float, float] = WRITE_DELAY_S
    tasks_per_s: float = MEASURED_TASKS_PER_S
    cold_start: bool = True
    chance: bool = True
    knowledge: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    quotas: Quotas = field(default_factory=Quotas)
    faults: tuple[Fault, ...] = ()
    effects: tuple[Effect, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.speed < inf:
            raise ValueError(f"speed must be above 0 and finite, not {self.speed}")
        if self.login_limit < 0:
            raise ValueError(f"login_limit must be 0 or more, not {self.login_limit}")
        if not 0 <= self.tasks_per_s < inf:
            raise ValueError(f"tasks_per_s must be 0 or more and finite, not {self.tasks_per_s}")
        low, high = self.write_delay_s
        if not 0 <= low <= high < inf:
            raise ValueError(f"write_delay_s must be two numbers from 0 upwards in order, not {list(self.write_delay_s)}")
        for tag in self.knowledge:
            if tag not in BY_TAG:
                raise ValueError(f"unknown profile tag {tag!r}; choose one of {', '.join(BY_TAG)}")
        known = [llm.provider for llm in LLMS]
        for provider in self.unpriced:
            if provider not in known:
                raise ValueError(f"unknown provider {provider!r}; choose one of {', '.join(known)}")
