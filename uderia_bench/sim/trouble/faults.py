"""Faults by kind, rate and time: what a file plants into an otherwise ordinary server.

In the file (scenario.py) each names a kind and a rate, and may name the profile or the provider it is for and the seconds since
the server's start between which it holds::

    faults:
      - {kind: plan_failure, rate: 0.2, profile: OPTIM}
      - {kind: slow, rate: 1.0, factor: 1.5, provider: Google, from: 30, until: 90}

Whether a trial is hit is drawn from (seed, the fault's place in the file, profile, prompt, nth time), as the rest of it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uderia_bench.sim.agent.draw import stream
from uderia_bench.sim.agent.profiles import BY_TAG, Profile

# Faults of the agent, by the difficulty a prompt could name instead (questions.py).
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
STALL = "stall"  # the task never ends by itself
LOST = "lost"  # the task is forgotten when it ends; its turn is kept
SUBMIT_ERROR = "submit_error"  # the query is answered with a server error, and nothing runs
SUBMIT_LOST = "submit_lost"  # ... and the task runs all the same
POLL_ERROR = "poll_error"  # a read of the task is answered with a server error; its rate is of reads
STUCK = "stuck"  # a cancelled task stays ``cancelling``
QUOTA = "quota"  # the task ends over the hourly limit, whatever was asked this hour
# Faults of the wire, and of the server as a whole: drawn for each request (wire_faults.py).
WIRE_KINDS = (
    *("http_429", "http_429_header", "http_429_body", "http_500", "http_502", "http_503", "html", "missing"),
    *("reset", "reset_after", "cut_off", "stalled_body", "malformed", "huge", "token_expiry", "restart", "away"),
)
CALLS = ("login", "session", "query", "task", "cancel", "details")
KINDS = (*AGENT_KINDS, SLOW, STALL, LOST, SUBMIT_ERROR, SUBMIT_LOST, POLL_ERROR, STUCK, QUOTA, *WIRE_KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of the file. Times are seconds since the server's start, in real time."""

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
            raise ValueError(f"unknown kind {self.kind!r}; there are {', '.join(KINDS)}")
        if self.profile is not None and self.profile not in BY_TAG:
            raise ValueError(f"no profile has the tag {self.profile!r}; there are {', '.join(BY_TAG)}")
        if self.call is not None and (self.call not in CALLS or self.kind not in WIRE_KINDS):
            raise ValueError(f"a call is one of {', '.join(CALLS)}, for {', '.join(WIRE_KINDS)}; it is {self.call!r}")
        if not 0 <= self.rate <= 1 or self.factor <= 0:
            raise ValueError("the rate must be between 0 and 1, the factor above 0")

    def concerns(self, profile: Profile, seconds: float) -> bool:
        """Return whether the fault holds for this profile now."""
        mine = self.profile in (None, profile.tag) and self.provider in (None, profile.llm.provider)
        return mine and self.kind not in WIRE_KINDS and self.holds(seconds)

    def holds(self, seconds: float) -> bool:
        """Return whether it is the fault's time."""
        return self.from_s <= seconds < self.until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What a trial was hit by: the kinds, and how much longer its LLM calls take."""

    kinds: frozenset[str] = frozenset()
    factor: float = 1.0

    def difficulties(self) -> dict[str, Any]:
        """Return the agent's part, as a prompt that names them would have it."""
        return {AGENT_KINDS[kind]: True for kind in self.kinds if kind in AGENT_KINDS}


def draw(faults: tuple[Fault, ...], *, seed: int, profile: Profile, seconds: float, about: tuple[object, ...]) -> Hit:
    """Draw what hits ``about``: a trial (prompt, nth time) or one read of a task."""
    hits = [
        fault
        for place, fault in enumerate(faults)
        if fault.concerns(profile, seconds) and stream(seed, "fault", place, profile.id, *about).random() < fault.rate
    ]
    factor = 1.0
    for fault in hits:
        factor *= fault.factor
    return Hit(kinds=frozenset(fault.kind for fault in hits), factor=factor)
