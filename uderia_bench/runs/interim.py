"""How far the declared interim looks of a run came, as its manifest keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How far a run with declared looks came: at which of ``looks`` it stopped; the last is the end of the plan."""

    metric: str
    look: int
    looks: int

    @property
    def early(self) -> bool:
        """Whether trials were saved."""
        return self.look < self.looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A look that stops the run: every contrast's p there, and how many planned measured trials are saved."""

    at: Looked
    p_values: tuple[float, ...]
    saved: int

    @property
    def reason(self) -> str:
        """Say it to people."""
        p = max(self.p_values)
        return (
            f"{self.at.metric} has decided at look {self.at.look} of {self.at.looks} (p {p:.2g}): {self.saved} trials are saved"
        )
