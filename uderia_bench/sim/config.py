"""What can be set about one embedded server. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from uderia_bench.sim.faults import Fault

LOGINS_PER_MINUTE = 5  # the real server's default, per address (protocol.md §1.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one server.

    ``speed`` divides every wait of the agent; stamps stay real time. ``default_profile`` is the tag of the user's default
    profile, None for a user without one. ``login_limit`` is sign-ins per minute and address, 0 for no limit. ``learning``:
    successful plans are kept and found again, as the real server does; without it every query is cold. ``faults`` are planted.
    """

    seed: int = 7
    speed: float = 1.0
    login_limit: int = LOGINS_PER_MINUTE
    default_profile: str | None = "OPTIM"
    learning: bool = True
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"speed must be above 0, not {self.speed}")
        if self.login_limit < 0:
            raise ValueError(f"login limit must not be negative, and is {self.login_limit}")
