"""Planted faults by kind, rate and time.

In a scenario file (scenario.py) a fault has a kind and a rate. It can be limited to a profile, a
provider, and the seconds since the server's start::

    faults:
      - {kind: plan_failure, rate: 0.2, profile: OPTIM}
      - {kind: slow, rate: 1.0, factor: 1.5, provider: Google, from: 30, until: 90}

Whether a fault hits a trial is drawn from (seed, position in the file, profile, prompt, number of
earlier trials).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uderia_bench.sim.agent.draw import stream
from uderia_bench.sim.agent.profiles import BY_TAG, Profile

# Faults of the agent, and the difficulty of a prompt that has the same effect (questions.py).
AGENT_KINDS = {
    "plan_failure": "garbage",
    "plan_retry": "bad_json",
    "tool_failure": "always_fail",
    "tool_error": "fail_once",
    "agent_failure": "agent_fails",
    "wrong_answer": "wrong",
    "refused": "refused",
}
SLOW = "slow"  # every LLM call takes ``factor`` times as long
STALL = "stall"  # the task does not end until it is cancelled
LOST = "lost"  # the task is forgotten when it ends; its turn is saved
SUBMIT_ERROR = "submit_error"  # a server error answers the query, and no task runs
SUBMIT_LOST = "submit_lost"  # a server error answers the query, and its task runs
POLL_ERROR = "poll_error"  # a server error answers a read of the task; the rate is per read
STUCK = "stuck"  # a cancelled task stays ``cancelling``
NO_WRITE_BACK = "no_write_back"  # the plan of the turn is never stored
QUOTA = "quota"  # the task ends with the error of the hourly limit
# Faults of the network and of the whole server, drawn for each request (wire_faults.py).
WIRE_KINDS = (
    *("http_429", "http_429_header", "http_429_body", "http_500", "http_502", "http_503", "html", "missing"),
    *("reset", "reset_after", "cut_off", "stalled_body", "malformed", "huge", "token_expiry", "restart", "toggle", "away"),
)
CALLS = ("login", "session", "query", "task", "cancel", "details")
KINDS = (*AGENT_KINDS, SLOW, STALL, LOST, SUBMIT_ERROR, SUBMIT_LOST, POLL_ERROR, STUCK, NO_WRITE_BACK, QUOTA, *WIRE_KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of the file. Times are real seconds since the server's start."""

    kind: str
    rate: float
    profile: str | None = None
    provider: str | None = None
    call: str | None = None
    from_s: float = 0.0
    until_s: float = float("inf")
    factor: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; choose one of {', '.join(KINDS)}")
        if self.profile is not None and self.profile not in BY_TAG:
            raise ValueError(f"unknown profile tag {self.profile!r}; choose one of {', '.join(BY_TAG)}")
        if self.call is not None and (self.call not in CALLS or self.kind not in WIRE_KINDS):
            raise ValueError(
                f"'call' cannot be {self.call!r}: choose one of {', '.join(CALLS)}, for a fault of kind {', '.join(WIRE_KINDS)}"
            )
        if not 0 <= self.rate <= 1 or self.factor <= 0:
            raise ValueError("rate must be from 0 to 1, and factor must be above 0")

    def concerns(self, profile: Profile, seconds: float) -> bool:
        """Return whether the fault applies to this profile at this time."""
        mine = self.profile in (None, profile.tag) and self.provider in (None, profile.llm.provider)
        return mine and self.kind not in WIRE_KINDS and self.holds(seconds)

    def holds(self, seconds: float) -> bool:
        """Return whether the fault applies at this time."""
        return self.from_s <= seconds < self.until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """The faults of a trial: their kinds, and the factor on its LLM durations."""

    kinds: frozenset[str] = frozenset()
    factor: float = 1.0

    def difficulties(self) -> dict[str, Any]:
        """Return the difficulties that a prompt would name for the agent's faults."""
        return {AGENT_KINDS[kind]: True for kind in self.kinds if kind in AGENT_KINDS}


def draw(faults: tuple[Fault, ...], *, seed: int, profile: Profile, seconds: float, about: tuple[object, ...]) -> Hit:
    """Draw the faults of ``about``: a trial or one read of a task."""
    hits = [
        fault
        for place, fault in enumerate(faults)
        if fault.concerns(profile, seconds) and stream(seed, "fault", place, profile.id, *about).random() < fault.rate
    ]
    factor = 1.0
    for fault in hits:
        factor *= fault.factor
    return Hit(kinds=frozenset(fault.kind for fault in hits), factor=factor)
