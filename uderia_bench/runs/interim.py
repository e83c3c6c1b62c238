"""The interim looks of a run: which one it has reached, and the decision that ended the run early."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The interim look at which a run ended. ``looks`` are planned; the last is the end of the plan."""

    metric: str
    look: int
    looks: int

    @property
    def early(self) -> bool:
        """Whether the run ended before the end of its plan."""
        return self.look < self.looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The decision of an interim look to stop the run.

    ``p_values`` has one p per contrast, adjusted for the planned looks. ``saved`` counts the planned
    measured trials that were not asked.
    """

    at: Looked
    p_values: tuple[float, ...]
    saved: int

    @property
    def reason(self) -> str:
        """The decision as one sentence."""
        decided = f"{self.at.metric} is decided at look {self.at.look} of {self.at.looks}"
        return f"{decided} (p {max(self.p_values):.2g}, adjusted for the looks): {self.saved} trials are saved"
