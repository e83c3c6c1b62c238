"""Faults by kind, rate and time: what a file plants into an otherwise ordinary server.

A file is a YAML list under ``faults``; each entry names a kind and a rate, and may name the profile or the provider it is for
and the seconds since the server's start between which it holds::

    faults:
      - {kind: plan_failure, rate: 0.2, profile: OPTIM}
      - {kind: slow, rate: 1.0, factor: 1.5, provider: Google, from: 30, until: 90}

Whether a trial is hit is drawn from (seed, the fault's place in the file, profile, prompt, nth time), as the rest of it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uderia_bench.sim.agent import stream
from uderia_bench.sim.profiles import BY_TAG, Profile

# Faults of the agent, by the difficulty a prompt could name instead (questions.py).
AGENT_KINDS = {
    "plan_failure": "garbage",
    "plan_retry": "bad_json",
    "tool_failure": "always_fail",
    "tool_error": "fail_once",
    "agent_failure": "agent_fails",
    "wrong_answer": "wrong",
}
SLOW = "slow"  # every LLM call takes ``factor`` times as long
STALL = "stall"  # the task never ends by itself
LOST = "lost"  # the task is forgotten when it ends; its turn is kept
SUBMIT_ERROR = "submit_error"  # the query is answered with a server error, and nothing runs
SUBMIT_LOST = "submit_lost"  # ... and the task runs all the same
POLL_ERROR = "poll_error"  # a read of the task is answered with a server error; its rate is of reads
KINDS = (*AGENT_KINDS, SLOW, STALL, LOST, SUBMIT_ERROR, SUBMIT_LOST, POLL_ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of the file. Times are seconds since the server's start, in real time."""

    kind: str
    rate: float
    profile: str | None = None
    provider: str | None = None
    from_s: float = 0.0
    until_s: float = float("inf")
    factor: float = 1.0

    def concerns(self, profile: Profile, seconds: float) -> bool:
        """Return whether the fault holds for this profile now."""
        mine = self.profile in (None, profile.tag) and self.provider in (None, profile.llm.provider)
        return mine and self.from_s <= seconds < self.until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What a trial was hit by: the kinds, and how much longer its LLM calls take."""

    kinds: frozenset[str] = frozenset()
    factor: float = 1.0

    def difficulties(self) -> dict[str, bool]:
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


def load(path: Path) -> tuple[Fault, ...]:
    """Read a fault file; raises ValueError naming the file, and what is wrong with which entry."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - most servers run without faults
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as problem:
        raise ValueError(f"{path}: {' '.join(str(problem).split())}") from problem
    if not isinstance(document, dict) or set(document) != {"faults"} or not isinstance(document["faults"], list):
        raise ValueError(f"{path}: wants one key, 'faults', with a list")
    return tuple(_fault(entry, f"{path}: faults[{place}]") for place, entry in enumerate(document["faults"]))


_NAMES: Mapping[str, str] = {"from": "from_s", "until": "until_s"}
_WANTED: Mapping[str, type | tuple[type, ...]] = {
    "kind": str,
    "rate": (int, float),
    "profile": str,
    "provider": str,
    "from": (int, float),
    "until": (int, float),
    "factor": (int, float),
}


def _fault(entry: Any, where: str) -> Fault:
    if not isinstance(entry, dict) or not {"kind", "rate"} <= set(entry):
        raise ValueError(f"{where}: wants at least 'kind' and 'rate'")
    for name, value in entry.items():
        if name not in _WANTED:
            raise ValueError(f"{where}: unknown key {name!r}; there are {', '.join(_WANTED)}")
        if not isinstance(value, _WANTED[name]) or isinstance(value, bool):
            raise ValueError(f"{where}: {name!r} cannot be {value!r}")  # noqa: TRY004 - a document is wrong, not a caller
    fields = {_NAMES.get(name, name): value for name, value in entry.items()}
    fault = Fault(**fields)
    if fault.kind not in KINDS:
        raise ValueError(f"{where}: unknown kind {fault.kind!r}; there are {', '.join(KINDS)}")
    if fault.profile is not None and fault.profile not in BY_TAG:
        raise ValueError(f"{where}: no profile has the tag {fault.profile!r}; there are {', '.join(BY_TAG)}")
    if not 0 <= fault.rate <= 1 or fault.factor <= 0:
        raise ValueError(f"{where}: the rate must be between 0 and 1, the factor above 0")
    return fault
