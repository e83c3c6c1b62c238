"""The parts of a corpus that are compared by themselves: by complexity, and cold against warm where the planner remembers."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from uderia_bench.analysis.trials import Mask, Trials

ALL = "all"
SIMPLE = "complexity=simple"
COMPLEX = "complexity=complex"
COMPLEXITIES = ("simple", "complex", "edge")  # contract.md, Documents


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stratum:
    """A named selection of trials."""

    name: str
    where: Mask


def strata(trials: Trials, *, baseline: str, candidate: str) -> tuple[Stratum, ...]:
    """Return everything, then each complexity that occurs, then cold and warm where the use of RAG varies inside an arm."""
    found = [Stratum(name=ALL, where=trials.asked)]
    if "complexity" in trials.frame.columns:
        column = trials.frame["complexity"].cast(pl.String)
        selections = ((name, trials.mask(column == name)) for name in COMPLEXITIES)
        found.extend(Stratum(name=f"complexity={name}", where=where) for name, where in selections if where.any())
    return (*found, *_by_warmth(trials, (baseline, candidate)))


def _by_warmth(trials: Trials, arms: tuple[str, str]) -> tuple[Stratum, ...]:
    """Split by ``rag_used``. An arm on which it never varies stands whole on both sides: it has nothing to be warm about."""
    if "rag_used" not in trials.frame.columns:
        return ()
    used = trials.column("rag_used") == 1
    cold, warm = trials.asked & ~used, trials.asked & used
    varies = False
    for name in arms:
        index = trials.arm(name)
        answered = trials.answered[:, index]
        if (used[:, index] & answered).any() and (~used[:, index] & answered).any():
            varies = True
        else:
            cold[:, index] = warm[:, index] = trials.asked[:, index]
    return (Stratum(name="rag=cold", where=cold), Stratum(name="rag=warm", where=warm)) if varies else ()
