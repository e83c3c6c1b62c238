"""Settings declared before the data are seen: margins, correction, confidence, seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from uderia_bench.analysis.nights import Nights
from uderia_bench.errors import UsageError
from uderia_bench.runs.interim import Looked

Correction = Literal["holm", "bh", "none"]

EXPLORATORY_RATE = 0.10  # docs/explanation/statistics.md, "Multiplicity"
DEFAULT_CONFIDENCE = 0.95
_WIDEST_MARGIN = 10.0  # tenfold: more is a share written as per cent


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The declarations of one analysis; a wrong one raises UsageError.

    A margin of 0.10 is [1/1.1, 1.1] for a ratio, ten points for a rate, and a tenth of the smaller mean for an amount.
    ``looked`` is the interim look at which the run ended. ``nights`` has the variation between nights
    by (candidate, metric) where two runs are compared, and is None within one run. ``confounded`` has
    the reason of each contrast (baseline, candidate) that its plan could not balance.
    """

    margins: Mapping[str, float]
    correction: Correction
    confidence: float
    seed: int
    looked: Looked | None = None
    nights: Mapping[tuple[str, str], Nights] | None = None
    confounded: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.correction not in get_args(Correction):
            raise UsageError(f"correction {self.correction!r} must be one of {', '.join(get_args(Correction))}")
        if not 0.5 < self.confidence < 1:
            raise UsageError(f"confidence {self.confidence!r} must lie between 0.5 and 1, as in 0.95")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed!r} must not be negative")
        for name, margin in self.margins.items():
            if not 0 < margin < _WIDEST_MARGIN:
                raise UsageError(f"margin {margin!r} of {name!r} must be a positive share, as in 0.10 for 10 %")

    @property
    def alpha(self) -> float:
        """The chance of a false alarm that the primary family may have."""
        return 1 - self.confidence
