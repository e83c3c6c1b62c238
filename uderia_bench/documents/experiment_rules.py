"""Mistakes of an experiment that no key shows alone, such as two arms of one name or a contrast of an unknown arm.

Each rule reads the raw values, so that its mistakes are reported together with those of the model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from typing import Any

from uderia_bench.documents import changes, memory
from uderia_bench.documents.corpus import Corpus
from uderia_bench.documents.experiment_parts import SIM, Filter
from uderia_bench.documents.yaml.checking import Complaint, echo, entries, suggestion
from uderia_bench.documents.yaml.document import Steps


def _faults_are_there(data: Any) -> Iterator[Complaint]:
    sim = data.get(SIM) if isinstance(data, dict) else None
    path = sim.get("faults") if isinstance(sim, dict) else None
    there = os.path.isfile  # Path.is_file raises where no path can be so long
    if isinstance(path, str) and path.strip() and not there(path):
        yield (SIM, "faults"), f"no such file: {path}"


def _arms_are_unique(data: Any) -> Iterator[Complaint]:
    first: dict[str, int] = {}
    for index, arm in entries(data, "arms"):
        name = arm.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield ("arms", index, "name"), f"{echo(name)} is taken by arms.{first[name]}"


def _servers_are_pools(data: Any) -> Iterator[Complaint]:
    """Find servers that are named twice or not asked, and arms that share some of their servers: no block could stay on one."""
    pool = _addresses(data) if isinstance(data, dict) else ()
    if pool and data.get("server") not in (None, *pool):
        yield ("server",), "is not one of servers; remove one of the two"
    asked: dict[int, tuple[str, ...]] = {}
    for index, arm in entries(data, "arms"):
        own = _addresses(arm)
        if own and arm.get("server") is not None:
            yield ("arms", index, "server"), "says the same as servers; remove one of them"
        alone = arm.get("server") or data.get("server")
        asked[index] = own or (pool if pool and arm.get("server") is None else (alone,) if isinstance(alone, str) else ())
        yield from _twice(("arms", index, "servers"), own)
        for other in range(index):
            if (shared := set(asked[index]) & set(asked.get(other, ()))) and set(asked[index]) != set(asked[other]):
                name = data["arms"][other].get("name")
                words = f"shares {min(shared)} with {echo(name)}, and not all servers: give both the same, or no common one"
                yield ("arms", index, "servers" if own else "server"), words
                break
    yield from _twice(("servers",), pool)
    for index, server in enumerate(pool):
        if server not in chain.from_iterable(asked.values()):
            yield ("servers", index), "no arm is asked here; remove it"


def _addresses(data: dict[str, Any]) -> tuple[str, ...]:
    said = data.get("servers")
    return tuple(each.rstrip("/") for each in said if isinstance(each, str)) if isinstance(said, tuple) else ()


def _twice(steps: Steps, servers: tuple[str, ...]) -> Iterator[Complaint]:
    for index, server in enumerate(servers):
        if server in servers[:index]:
            yield (*steps, index), "is given twice"


def _contrasts_name_arms(data: Any) -> Iterator[Complaint]:
    names = [arm["name"] for _, arm in entries(data, "arms") if isinstance(arm.get("name"), str)]
    seen = set[tuple[str, str]]()
    for index, contrast in entries(data, "contrasts"):
        sides = [(side, contrast.get(side)) for side in ("baseline", "candidate")]
        for side, name in sides:
            if isinstance(name, str) and name not in names:
                yield ("contrasts", index, side), f"no arm is named {echo(name)}{suggestion(name, names)}"
        baseline, candidate = (name for _, name in sides)
        if not isinstance(baseline, str) or not isinstance(candidate, str):
            continue
        if baseline == candidate:
            yield ("contrasts", index), f"compares {baseline} with itself"
        elif (baseline, candidate) in seen:
            yield ("contrasts", index), f"is given twice: {baseline} against {candidate}"
        seen.add((baseline, candidate))


def _races_have_arms(data: Any) -> Iterator[Complaint]:
    """Find a race of fewer than three arms, in a sweep, or without a metric to race on."""
    race = data.get("race") if isinstance(data, dict) else None
    if not race:
        return
    if len(tuple(entries(data, "arms"))) < 3:
        yield ("race",), "needs three arms or more; two arms are compared by stop"
    if (race is True or (isinstance(race, dict) and race.get("metric") is None)) and data.get("margins") == {}:
        yield ("race",), "has no metric: name one, as in race: latency_s"
    if isinstance(load := data.get("load"), dict) and load.get("sweep") is not None:
        yield ("race",), "cannot be combined with load.sweep: an arm would miss levels"


def _sweep_stands_alone(data: Any) -> Iterator[Complaint]:
    """Find keys that conflict with a sweep of concurrency. A manifest, which has all defaults, is not checked."""
    load = data.get("load") if isinstance(data, dict) else None
    if not isinstance(load, dict) or load.get("sweep") is None:
        return
    if data.get("stop") is not None:
        yield ("stop",), "cannot be combined with load.sweep: a run that ends early would skip levels"
    if load.get("arrivals", "closed") != "closed":
        return
    if "concurrency" in load:
        yield ("load", "concurrency"), "is what load.sweep changes; remove one of them"
    for index, arm in entries(data, "arms"):
        if arm.get("concurrency") is not None:
            yield (
                ("arms", index, "concurrency"),
                "would keep the arm below the levels of load.sweep; remove one of them",
            )


def _pairs_have_two_arms(data: Any) -> Iterator[Complaint]:
    judge = data.get("judge") if isinstance(data, dict) else None
    alone = isinstance(judge, dict) and judge.get("mode") == "pairwise" and len(list(entries(data, "arms"))) == 1
    if alone:
        yield ("judge", "mode"), "compares the answers of two arms, and there is one; use mode: score"


RULES = (
    changes.need_permission,
    memory.can_be_managed,
    _pairs_have_two_arms,
    _arms_are_unique,
    _contrasts_name_arms,
    _servers_are_pools,
    _faults_are_there,
    _races_have_arms,
    _sweep_stands_alone,
)


def filter_finds_nothing(only: Filter, corpora: tuple[Corpus, ...]) -> Iterator[Complaint]:
    """Find unknown tags, and a filter that excludes every query."""
    queries = [query for each in corpora for query in each.queries]
    known = sorted({tag for query in queries for tag in query.tags})
    unknown = [(index, tag) for index, tag in enumerate(only.tags) if tag not in known]
    for index, tag in unknown:
        yield ("filter", "tags", index), f"no query is tagged {echo(tag)}{suggestion(tag, known)}"
    if not unknown and not any(only.keeps(query) for query in queries):
        yield ("filter",), "leaves no query to ask"
