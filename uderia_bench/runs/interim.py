"""The interim looks of a run: the rule they follow, which one the run reached, and the decision that ended it early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uderia_bench.documents.experiment import Experiment
from uderia_bench.printable import count_of
from uderia_bench.stats.looks import OBRIEN_FLEMING, POCOCK, WANG_TSIATIS, equal_shares

_SHAPES = {"obrien-fleming": OBRIEN_FLEMING, "wang-tsiatis": WANG_TSIATIS, "pocock": POCOCK}
_OLD_SHAPE = OBRIEN_FLEMING  # the only boundary of earlier versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The interim look that a run reached, and the rule declared for all of them.

    ``metrics`` are those that must be decided. ``shares`` are the shares of the information at the
    planned looks, ascending to 1 at the end of the plan. Each look compares the measured blocks
    numbered below its entry of ``before``, which is empty for a run of an earlier version. ``shape`` is
    that of the boundary (``stats.sequential``). A look stops for a ``difference`` beyond the margin, for
    ``equivalence``, or for either. In a race on the metric ``race``, ``dropped`` has the arms that are out
    and the look that dropped each. ``keep`` is the number of candidates that a screening race keeps.
    """

    metrics: tuple[str, ...]
    look: int
    shares: tuple[float, ...]
    shape: float = _OLD_SHAPE
    difference: bool = True
    equivalence: bool = False
    before: tuple[int, ...] = ()
    race: str | None = None
    dropped: tuple[tuple[str, int], ...] = ()
    keep: int | None = None

    @property
    def looks(self) -> int:
        """The number of planned looks; the last is the end of the plan."""
        return len(self.shares)

    @property
    def early(self) -> bool:
        """Whether the run ended before the end of its plan."""
        return self.look < self.looks

    @property
    def compared(self) -> int | None:
        """The number below which this look compares measured blocks; None where an earlier version did not say."""
        return self.before[self.look - 1] if self.before else None

    def at(self, look: int) -> Looked:
        """Return another look of the same plan."""
        return replace(self, look=look)

    def of(self, *arms: str) -> Looked:
        """Return the last look that has new trials of all these arms: an arm that was dropped is asked no more."""
        last = min((look for arm, look in self.dropped if arm in arms), default=self.look)
        return self.at(min(last, self.look))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The decision of an interim look to stop the run.

    ``verdicts`` has one sentence per contrast and metric. ``saved`` counts the planned measured trials that
    were not asked.
    """

    at: Looked
    verdicts: tuple[str, ...]
    saved: int

    @property
    def reason(self) -> str:
        """The decision as one sentence."""
        saved = count_of(self.saved, "trial is", "trials are")
        return f"decided at look {self.at.look} of {self.at.looks} ({', '.join(self.verdicts)}): {saved} saved"


def planned(experiment: Experiment, looks: Sequence[tuple[int, float]]) -> Looked | None:
    """Return the last of the planned looks, given (end of its blocks, share) of each; None where the experiment plans none."""
    stop = experiment.looks
    if stop is None:
        return None
    return Looked(
        metrics=stop.names(experiment.margins),
        look=len(looks) or stop.looks,
        shares=tuple(share for _, share in looks) or equal_shares(stop.looks),
        before=tuple(before for before, _ in looks),
        shape=_SHAPES[stop.boundary],
        difference="difference" in stop.goals,
        equivalence="equivalence" in stop.goals,
        race=experiment.race_metric,
        keep=experiment.race_keeps,
    )


def of_today(said: Any) -> Any:
    """Return a decision as manifests have it now; those of earlier versions name one metric and equal looks."""
    at = said.get("at") if isinstance(said, Mapping) else None
    if not isinstance(at, Mapping) or "metric" not in at or not isinstance(at.get("looks"), int):
        return said
    now = {**at, "metrics": (at["metric"],), "shares": equal_shares(at["looks"])}
    return {"verdicts": (f"{at['metric']} differs",), **said, "at": now}
