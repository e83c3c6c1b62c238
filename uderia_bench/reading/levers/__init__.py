"""Levers: the registry of changes of a profile, and the function that proposes those worth a try.

``uderia-bench try`` tests what they propose. A lever answers kinds of issue by the names of their
detectors, so a plug-in may add levers for built-in detectors and for its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from uderia_bench.errors import UsageError
from uderia_bench.reading.levers import profile, texts
from uderia_bench.reading.levers.lever import Candidate, Lever, Setting

__all__ = ["BUILT_IN", "Candidate", "Lever", "Setting", "propose"]

BUILT_IN: tuple[Lever, ...] = (*profile.LEVERS, *texts.LEVERS)


def propose(setting: Setting, levers: Sequence[Lever] = BUILT_IN, *, named: Collection[str] = ()) -> tuple[Candidate, ...]:
    """Return the changes to try: those of the ``named`` levers, or of the levers that answer an issue which was found.

    A lever that answers more of the issues comes first. Raises ``UsageError`` for an unknown name.
    """
    if unknown := sorted(set(named) - {lever.name for lever in levers}):
        known = ", ".join(lever.name for lever in levers)
        raise UsageError(f"no lever is named {unknown[0]!r}: the levers are {known}")
    chosen = [lever for lever in levers if (lever.name in named if named else _answers(lever, setting) or not lever.answers)]
    chosen.sort(key=lambda lever: -_answers(lever, setting))
    return tuple(candidate for lever in chosen for candidate in lever.propose(setting))


def _answers(lever: Lever, setting: Setting) -> int:
    """Return how many of the issues that were found a lever answers."""
    return len(setting.issues.intersection(lever.answers))
