"""Rules for arms that differ in the server's memory of earlier plans (docs/how-to/what-memory-is-worth.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from uderia_bench.documents.yaml.checking import Complaint, entries

Memory: TypeAlias = Literal["off", "frozen", "placebo", "learning", "as-is"]
AS_IS = "as-is"
COPIED = ("frozen", "placebo")
"""States in which an arm reads a copy of a collection."""


def can_be_managed(data: Any) -> Iterator[Complaint]:
    """Find arms whose memory cannot be brought into the state that they name."""
    managed = []
    for index, arm in entries(data, "arms"):
        memory = arm.get("memory", AS_IS)
        if memory != AS_IS:
            managed.append((index, arm, memory))
        if arm.get("cases") is not None and memory not in COPIED:
            yield ("arms", index, "cases"), "needs memory: frozen or placebo, which read a copy of these cases"
    if not managed:
        return
    index, _, memory = managed[0]
    if data.get("manage_server") is not True:
        yield ("arms", index, "memory"), f"{memory} changes the server: add manage_server: true to the experiment to allow it"
    for where in ((), *(("arms", place) for place, _, _ in managed)):
        asked = data if not where else data["arms"][where[1]]
        if isinstance(pool := asked.get("servers"), list | tuple) and len(pool) > 1:
            yield (*where, "servers"), "cannot be a pool where an arm has memory: every server has its memory"
    load = data.get("load") if isinstance(data.get("load"), dict) else {}
    if load.get("isolation", "arm") != "arm":
        yield ("load", "isolation"), "must be arm where an arm has memory: arms that overlap would share one memory"
    yield from _learning(data, load, [(index, arm) for index, arm, memory in managed if memory == "learning"])


def _learning(data: Any, load: dict[str, Any], arms: list[tuple[int, dict[str, Any]]]) -> Iterator[Complaint]:
    """Find what would make the memory of a learning arm depend on chance, or mix the memories of two arms."""
    if not arms:
        return
    if load.get("concurrency", 8) != 1 or load.get("arrivals", "closed") != "closed" or load.get("sweep") is not None:
        words = "must be 1 where an arm has memory: learning: a trial finds the plans of all trials that have ended before it"
        yield ("load", "concurrency"), words
    first: dict[Any, int] = {}
    for index, arm in arms:
        server = arm.get("server", data.get("server"))
        if first.setdefault(server, index) != index:
            yield ("arms", index, "memory"), f"a server's user has one memory, which is that of arms.{first[server]}"


_HOME = "the user's first planner collection"
_CHANGES = {
    "off": f"{{profile}} finds plans only in {_HOME}, which is off",
    "frozen": f"{{profile}} finds plans only in a copy of {{cases}}, which the run makes and deletes; {_HOME} is off",
    "placebo": f"{{profile}} finds exchanged plans in a copy of {{cases}}, which the run makes and deletes; {_HOME} is off",
    "learning": f"{{profile}} finds plans only in {_HOME}, which must be empty and is emptied at the end",
}


def changes(memory: str, *, profile: str, cases: str | None) -> str | None:
    """Say what an arm's memory changes on its server during the arm's windows; None for ``as-is``."""
    copied = _HOME if cases is None else f"collection {cases}"
    return _CHANGES[memory].format(profile=profile, cases=copied) if memory in _CHANGES else None
