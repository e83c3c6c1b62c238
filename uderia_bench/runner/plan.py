"""An experiment and its queries in, the ordered trials out. Pure and deterministic: one seed, one plan, on every machine.

Why short windows: the server switches process-wide state per profile, so with isolation ``arm`` the arms of one server take
turns. Turns must be short, or drift of the provider passes for an effect: an A/A test run as two blocks rejects 58.6 % of the
time, interleaved 4.0 % (docs/explanation/statistics.md, "Unit and design"). Turns must not be too
short, since at the end of each the slots wait for the slowest trial. So the measured blocks are cut
into chunks, each chunk is asked once by every arm, and the order of arms is random but balanced: in
every run of as many chunks as there are arms, each arm stands once in each place. Where an arm ends
one chunk and begins the next, the two turns are one window.

A sweep asks the corpus at every level of the load, ascending, each level a stretch of its own: its windows, its chunks cut for
its concurrency, the arms taking turns inside it. ``repeat`` counts on from level to level, so that a query, an arm and a repeat
still name one trial. Warm-ups are asked at the lowest level.

How to read ``window``: numbers rise with ``seq`` on every server, and only trials of *one server* wait for each other: a
trial may be sent when all trials of earlier windows on its server have ended. Arms on different servers never exclude each
other; their trials are interleaved, so that the order of sending keeps a block together. Warm-ups have windows of their own,
before all others.

Why hashes and not a random generator: sorting by a hash of (seed, purpose, name) is a shuffle that no library version
changes, and one query more or less leaves the order of the others as it was.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice, zip_longest
from typing import TypeVar

from uderia_bench.documents.corpus import Query
from uderia_bench.documents.experiment import Experiment
from uderia_bench.errors import UsageError
from uderia_bench.trial import Stage, Trial

CHUNKS_WANTED = 16
"""Turns of every arm to aim for. Simulated A/A tests of 24 queries and 5 repeats, under drifts (random walk, or correlated over
a quarter of the run) that two blocks reject at 48 to 64 %: 15 turns reject at 5 to 7 %, 8 at 6 to 15 %, 4 at 10 to 35 %."""

FEWEST_PER_SLOT = 1
"""A turn shorter than one trial a slot would never reach the load that was asked for."""

MOST_PER_SLOT = 4
"""Simulated: slots idle 25 % of the time at 4 trials a slot (concurrency 8, log-latency sd 0.8), 13 % at 8; beyond 4 a longer
turn buys little and drifts more."""

MAX_TRIALS = 1_000_000
"""More is a mistyped number: at two trials a second, what one server was seen to sustain, this takes six days."""

_ID_WORD = 40  # characters of a query's or an arm's name that a trial id repeats: ids become file names

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One query and repetition, to be asked on all arms."""

    number: int
    stage: Stage
    query: Query
    repeat: int
    level: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmShare:
    """What of a plan falls to one arm; ``windows`` are its turns on the server, warm-up included."""

    arm: str
    measured: int
    warmups: int
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A plan in numbers, for ``--dry-run`` and the manifest; ``levels`` are those of a sweep."""

    trials: int
    queries: int
    blocks: int
    windows: int
    arms: tuple[ArmShare, ...]
    levels: tuple[float, ...] = ()


def build(experiment: Experiment, queries: Iterable[Query]) -> tuple[Trial, ...]:
    """Plan every trial, in the order of sending: warm-ups, then each query on each arm, ``repeats`` times at every level.

    A conversation of several turns is a trial a turn, one after the other. Raises ``UsageError`` for what cannot be planned: no
    query, more than ``MAX_TRIALS``.
    """
    asked = tuple(queries)
    _refuse_what_cannot_be_planned(experiment, asked)
    numbers, repeats = count(), count(1)
    warmups = _warmup_blocks(experiment, asked, numbers)
    measured = (_measured_blocks(experiment, asked, level, numbers, repeats) for level in experiment.load.levels)
    lay = _in_turns if experiment.load.isolation == "arm" else _side_by_side
    placed = lay(experiment, (warmups, *measured))
    turns = ((window, block, arm, turn) for window, block, arm in placed for turn in range(1, len(block.query.turns) + 1))
    return tuple(_trial(seq, *turn) for seq, turn in enumerate(turns))


def describe(plan: Sequence[Trial]) -> Outline:
    """Count a plan."""
    stages = Counter((trial.arm, trial.stage) for trial in plan)
    windows = {(trial.arm, trial.window) for trial in plan}
    turns = Counter(arm for arm, _ in windows)
    return Outline(
        trials=len(plan),
        queries=len({trial.query_id for trial in plan}),
        blocks=len({trial.block for trial in plan if trial.stage is Stage.MEASURED}),
        windows=len({window for _, window in windows}),
        arms=tuple(
            ArmShare(arm=arm, measured=stages[arm, Stage.MEASURED], warmups=stages[arm, Stage.WARMUP], windows=turns[arm])
            for arm in sorted(turns)
        ),
        levels=tuple(sorted({trial.level for trial in plan if trial.level is not None})),
    )


def _refuse_what_cannot_be_planned(experiment: Experiment, queries: tuple[Query, ...]) -> None:
    if not queries:
        raise UsageError("there is no query to ask")
    turns = sum(len(query.turns) for query in queries)
    levels = len(experiment.load.levels)
    size = len(experiment.arms) * (experiment.warmup + levels * experiment.repeats * turns)
    if size > MAX_TRIALS:
        raise UsageError(f"{size:,} trials are more than {MAX_TRIALS:,}; lower repeats, or filter the queries")


def _warmup_blocks(experiment: Experiment, queries: tuple[Query, ...], numbers: Iterator[int]) -> list[_Block]:
    drawn = _shuffled(queries, _query_id, experiment.seed, "warmup")
    lowest = experiment.load.levels[0]
    return [
        _Block(
            number=next(numbers),
            stage=Stage.WARMUP,
            query=drawn[place % len(drawn)],
            repeat=place // len(drawn) + 1,
            level=lowest,
        )
        for place in range(experiment.warmup)
    ]


def _measured_blocks(
    experiment: Experiment, queries: tuple[Query, ...], level: float | None, numbers: Iterator[int], repeats: Iterator[int]
) -> list[_Block]:
    """Order repetition after repetition, each shuffled, with more than a third of the corpus between two repeats of a query.

    Neighbouring repeats would share the provider's mood and the server's caches, and count as less than two.
    """
    third = len(queries) // 3
    recent: set[str] = set()
    blocks: list[_Block] = []
    for repeat in islice(repeats, experiment.repeats):
        shuffled = _shuffled(queries, _query_id, experiment.seed, "repeat", str(repeat))
        head = [query for query in shuffled if query.id not in recent][:third]
        ahead = {query.id for query in head}
        order = [*head, *(query for query in shuffled if query.id not in ahead)]
        recent = {query.id for query in order[len(order) - third :]}
        blocks.extend(
            _Block(number=next(numbers), stage=Stage.MEASURED, query=query, repeat=repeat, level=level) for query in order
        )
    return blocks


_Placed = tuple[int, _Block, str]  # window, block, arm


def _side_by_side(experiment: Experiment, stretches: Iterable[list[_Block]]) -> Iterator[_Placed]:
    """Lay the trials of a block next to each other, arms in random order; each stretch is one window."""
    names = [arm.name for arm in experiment.arms]
    for window, blocks in enumerate(filter(None, stretches)):
        for block in blocks:
            for arm in _shuffled(names, str, experiment.seed, "arms", str(block.number)):
                yield window, block, arm


def _in_turns(experiment: Experiment, stretches: Iterable[list[_Block]]) -> Iterator[_Placed]:
    """Lay chunk after chunk, in each the arms of a server one after the other."""
    lanes: dict[str, list[str]] = {}
    for name in (arm.name for arm in experiment.arms):
        lanes.setdefault(experiment.server_of(name), []).append(name)
    windows = count()
    for blocks in filter(None, stretches):
        open_windows: dict[str, tuple[str, int]] = {}  # server to the arm whose turn it is, and its window
        slots = experiment.load.at(blocks[0].level).concurrency
        for number, chunk in enumerate(_chunks(blocks, slots)):
            laid: list[list[_Placed]] = []
            for server, arms in lanes.items():
                lane: list[_Placed] = []
                for arm in _balanced(arms, number, experiment.seed):
                    if open_windows.get(server, ("", 0))[0] != arm:
                        open_windows[server] = (arm, next(windows))
                    lane.extend((open_windows[server][1], block, arm) for block in chunk)
                laid.append(lane)
            yield from (placed for abreast in zip_longest(*laid) for placed in abreast if placed is not None)


def _chunks(blocks: list[_Block], concurrency: int) -> Iterator[list[_Block]]:
    wanted = math.ceil(len(blocks) / CHUNKS_WANTED)
    size = min(max(wanted, FEWEST_PER_SLOT * concurrency), MOST_PER_SLOT * concurrency)
    return (blocks[start : start + size] for start in range(0, len(blocks), size))


def _balanced(arms: list[str], number: int, seed: int) -> list[str]:
    """Order the arms for one chunk: a rotation of a random order, every rotation once in each run of ``len(arms)`` chunks."""
    run, position = divmod(number, len(arms))
    base = _shuffled(arms, str, seed, "turn", str(run))
    shift = _shuffled(range(len(arms)), str, seed, "rotation", str(run))[position]
    return base[shift:] + base[:shift]


def _shuffled(items: Iterable[_Item], name: Callable[[_Item], str], seed: int, *purpose: str) -> list[_Item]:
    return sorted(items, key=lambda item: _digest(str(seed), *purpose, name(item)))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _query_id(query: Query) -> str:
    return query.id


def _trial(seq: int, window: int, block: _Block, arm: str, turn: int) -> Trial:
    query = block.query
    trial_id = _trial_id(query.id, arm, block.stage, block.repeat)
    return Trial(
        trial_id=trial_id if len(query.turns) == 1 else f"{trial_id}-t{turn}",
        seq=seq,
        block=block.number,
        window=window,
        stage=block.stage,
        query_id=query.id,
        prompt=query.turns[turn - 1],
        complexity=query.complexity,
        tags=query.tags,
        arm=arm,
        repeat=block.repeat,
        turn=turn,
        level=block.level,
        group=query.group,
    )


def _trial_id(query_id: str, arm: str, stage: Stage, repeat: int) -> str:
    """Name a trial by what it is and not by where it stands: readable, safe as a file name, the same whatever else is planned.

    Letters beyond ASCII, case and length are lost on the way, so a hash of the full names keeps ids apart.
    """
    words = (re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_ID_WORD] for name in (query_id, arm))
    kind = "r" if stage is Stage.MEASURED else "w"
    return "-".join(filter(None, chain(words, (f"{kind}{repeat}", _digest(query_id, arm)[:8]))))
