"""Actions of people on a run in progress, as its ledger and its manifest store them, and as its report names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

_SENTENCES = {
    "stop": "stopped by {who} at {at}",
    "set": "{about} set by {who} at {at}: trials before and after this differ in it",
    "cancel": "trial {about} cancelled by {who} at {at}",
    "requeue": "trial {about} asked again by {who} at {at}: asking chosen trials again changes the success rate of their arm",
}
_ENDS = ("resume", "stop")  # of a pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action. ``what`` is pause, resume, stop, set, cancel or requeue; ``about`` is the setting or the trial."""

    at: datetime
    who: str
    what: str
    about: str = ""


def paused(actions: Sequence[Action]) -> bool:
    """Whether the last pause goes on: it ends when the run is resumed or stopped."""
    held = [action.what for action in actions if action.what in ("pause", *_ENDS)]
    return bool(held) and held[-1] == "pause"


def pauses(actions: Sequence[Action]) -> tuple[tuple[Action, datetime | None], ...]:
    """Return each pause with its end; None for one that goes on. A pause of a paused run is part of the first."""
    found = []
    for number, action in enumerate(actions):
        if action.what == "pause" and not paused(actions[:number]):
            found.append((action, next((each.at for each in actions[number:] if each.what in _ENDS), None)))
    return tuple(found)


def sentences(actions: Sequence[Action]) -> tuple[str, ...]:
    """Return the actions for people, a pause and its end as one."""
    said, ends = [], dict(pauses(actions))
    for action in actions:
        at = f"{action.at:%Y-%m-%d %H:%M:%S} UTC"
        if action in ends:
            end = ends[action]
            took = "" if end is None else f" {_duration((end - action.at).total_seconds())}"
            until = ", and not resumed" if end is None else f" to {end:%Y-%m-%d %H:%M:%S} UTC"
            said.append(f"paused{took} by {action.who}, from {at}{until}")
        elif action.what in _SENTENCES:
            said.append(_SENTENCES[action.what].format(who=action.who, at=at, about=action.about))
    return tuple(said)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
