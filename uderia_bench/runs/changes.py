"""Changes of a server's state, as the ledger of a run stores them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class ChangeState(StrEnum):
    """How far a change has come. A planned one may or may not have reached the server."""

    PLANNED = "planned"
    APPLIED = "applied"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one server.

    ``server`` is its name in the experiment. ``kind`` names what is changed and how it is undone
    (``runner.managed.KINDS``). ``about`` is the id of what is changed, empty where the server chooses
    it. ``before`` and ``after`` are JSON values. ``arm`` is the arm that needs the change, if one does.
    """

    server: str
    kind: str
    about: str
    before: Any
    after: Any
    arm: str | None = None

    def __str__(self) -> str:
        about = f" {self.about}" if self.about else ""
        return f"{self.kind}{about} on {self.server}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A change in the journal, numbered in order. ``made`` is the id that the server chose, None where it chose none."""

    number: int
    change: Change
    state: ChangeState
    made: str | None = None

    @property
    def about(self) -> str:
        """The id of what is changed; empty where the server has not said it yet."""
        return self.change.about or self.made or ""

    @property
    def described(self) -> str:
        """What is changed where, with the id that the server chose."""
        return str(replace(self.change, about=self.about))
