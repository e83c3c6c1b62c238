"""Parts of a test that are declared before its first trial: the changes, the two halves of the queries, and the metric."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from uderia_bench.commands.ask import ask
from uderia_bench.documents.corpus import Complexity, Query
from uderia_bench.documents.expectation import Expectation
from uderia_bench.errors import UsageError
from uderia_bench.gateway import managing
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.printable import count_of
from uderia_bench.reading.levers import Setting
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run
from uderia_bench.trial import Stage, Trial

FEWEST = 12
"""Queries of a test, at least: a verdict needs six, and each half has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """The queries that screen and those that confirm."""

    screen: tuple[Query, ...]
    confirm: tuple[Query, ...]


def queries_of(run: Run) -> tuple[Query, ...]:
    """Return the queries that a run measured, with their expectations, in the order of its plan."""
    turns: dict[str, dict[int, Trial]] = {}
    with Ledger.open(run.directory.ledger) as ledger:
        for trial in ledger.plan():
            if trial.stage is Stage.MEASURED:
                turns.setdefault(trial.query_id, {}).setdefault(trial.turn, trial)
    return tuple(_query(run, [by_turn[number] for number in sorted(by_turn)]) for by_turn in turns.values())


def _query(run: Run, turns: Sequence[Trial]) -> Query:
    first = turns[0]
    expected = run.manifest.corpus.expect.get(first.query_id, ())
    return Query(
        id=first.query_id,
        prompt=first.prompt,
        turns=tuple(turn.prompt for turn in turns),
        complexity=cast("Complexity | None", first.complexity),  # a plan has it as text
        tags=first.tags,
        expect=tuple(Expectation.model_validate(each, strict=False) for each in expected),
        group=first.group,
        counts=first.weight,
    )


def halves(queries: Sequence[Query], seed: int) -> Halves:
    """Divide queries at random into halves with about the same mix of complexity and tags; a group stays together."""
    if len(queries) < FEWEST:
        raise UsageError(
            f"the run has {count_of(len(queries), 'query')}, and 'try' needs {FEWEST}: half to screen and half to confirm"
        )
    units: dict[str, list[Query]] = {}
    for query in queries:
        units.setdefault(query.group or f"\0{query.id}", []).append(query)

    def class_and_chance(unit: str) -> tuple[str, tuple[str, ...], str]:
        first = units[unit][0]
        return first.complexity or "", tuple(sorted(first.tags)), hashlib.sha256(f"{seed}\0{unit}".encode()).hexdigest()

    parts: tuple[list[str], list[str]] = ([], [])
    for unit in sorted(units, key=class_and_chance):
        smaller = parts[0] if len(parts[0]) <= len(parts[1]) else parts[1]
        smaller += [query.id for query in units[unit]]
    screen, confirm = (tuple(query for query in queries if query.id in set(part)) for part in parts)
    if min(len(screen), len(confirm)) < FEWEST // 2:
        raise UsageError("the groups of the run's queries are too large to divide into two halves")
    return Halves(screen=screen, confirm=confirm)


def arm_of(run: Run, name: str | None) -> str:
    """Return the arm whose profile is to be changed; raises ``UsageError`` where the name does not say."""
    known = [arm.name for arm in run.experiment.arms]
    if name is None and len(known) > 1:
        raise UsageError(f"run {run.run_id} has the arms {', '.join(known)}: name one with --arm")
    if name is not None and name not in known:
        raise UsageError(f"--arm {name}: run {run.run_id} has the arms {', '.join(known)}")
    return name or known[0]


def goal_of(run: Run, arm: str, name: str | None) -> str:
    """Return the metric to improve: the named one, else cost where the server knows the price of every trial, else tokens."""
    if name is not None:
        return name
    trials = run.trials().filter((pl.col("arm") == arm) & (pl.col("outcome") == "answered"))
    priced = "cost_usd" in trials.columns and trials.height > 0 and not trials["cost_usd"].null_count()
    fallback = "price_fallback" in trials.columns and bool(trials["price_fallback"].fill_null(value=False).any())
    return "cost_usd" if priced and not fallback else "total_tokens"


def setting_of(run: Run, arm: str, queries: Sequence[Query], texts: Mapping[str, str], around: Surroundings) -> Setting:
    """Return what levers look at: the profile now, what its server has, and what these queries showed."""
    server, profile_id = run.experiment.servers_of(arm)[0], run.manifest.arms[arm].profile_id
    ids = [query.id for query in queries]
    mine = (pl.col("arm") == arm) & pl.col("query_id").is_in(ids) & (pl.col("stage") == Stage.MEASURED.value)
    issues, steps = run.derived("issues"), run.derived("steps")
    called = pl.col("kind").eq("tool_call") & pl.col("class").eq("data")

    async def read(uderia: Uderia) -> Setting:
        profile = await managing.profile(uderia, profile_id)
        if profile is None:
            raise UsageError(f"{server} no longer has the profile of {arm} ({profile_id})")
        return Setting(
            profile=profile,
            llm_configurations=tuple(await uderia.llm_configurations()),
            context_windows=_objects(await managing.listed(uderia, "/api/v1/context-window-types", "context_window_types")),
            collections=tuple(await managing.collections(uderia)),
            prompts=_prompts(await managing.listed(uderia, "/api/v1/system-prompts/available", "categories")),
            called=() if steps is None else tuple(sorted(set(steps.filter(mine & called)["name"].drop_nulls()))),
            issues=frozenset() if issues is None else frozenset(issues.filter(mine)["kind"]),
            texts=texts,
        )

    return ask(server, around, read)


def _objects(listed: Any) -> tuple[Mapping[str, Any], ...]:
    return tuple(one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()


def _prompts(categories: Any) -> dict[str, tuple[str, ...]]:
    """Return the names of the prompts for each place, the default first."""
    found: dict[str, tuple[str, ...]] = {}
    for category, places in (categories or {}).items() if isinstance(categories, dict | None) else ():
        for place, choices in places.items() if isinstance(places, dict) else ():
            listed = sorted(_objects(choices), key=lambda choice: not choice.get("is_default"))
            found[f"{category}/{place}"] = tuple(str(choice.get("name")) for choice in listed)
    return found
