"""Plans the ordered trials of an experiment. Pure: one seed gives one plan on every machine.

The server switches process-wide state per profile, so with isolation ``arm`` the arms of one server
take turns. The measured blocks are cut into chunks, and every arm asks each chunk once. Three things
could look like a difference between the arms, and the plan balances each:

- *Drift of the provider.* Turns are short: an A/A test as two long turns rejects 58.6 % of the time,
  interleaved 4.0 % (docs/explanation/statistics.md, "Unit and design"). Every arm has at least
  ``LEAST_TURNS`` turns. Where queries are few, a turn therefore has fewer trials than slots.
- *The memory of the server.* An arm that asks a query after another arm may find its plan or its
  cached prompt. The order of the arms alternates from chunk to chunk: each arm asks first equally
  often, and so does each arm of every pair. It also alternates from repeat to repeat of a query.
- *The provider's state at one moment.* Repeats of a query are kept apart.

Every query is asked once on all arms before any is asked again, and the first part of every repeat is a
sample of the corpus that is balanced over complexity and tags. So a run that stops early has asked as
many different queries as it could.

A pool of servers deals the blocks into as many shares. All arms ask a block on the same server, so that
they are compared within it. Each class of queries is spread over the servers, and the repeats of a query
go to one server after the other. The servers work at the same time: while one asks the first arm of a
chunk, the next begins with another one, so that a moment at which all of them are slow hits all arms.

Two turns of one arm that meet, at the end of one chunk and the start of the next, share one window.
``outline.unbalanced`` names the contrasts that a plan cannot balance.

A sweep asks the corpus at every level of the load, ascending. Each level has separate windows and
chunks, and a chunk there has a trial per slot at least, since the level must be reached. ``repeat``
continues from level to level, so that query, arm and repeat name one trial. Warm-ups are asked first,
at the lowest level, in separate windows.

With planned interim looks (``stop:``), every look has a chunk boundary at which all windows end, so
that it compares blocks which every arm has finished.

How to read ``window``: numbers rise with ``seq`` on every server, and a trial may be sent when all
trials of earlier windows on its server have ended. Arms on different servers do not wait for each
other; their trials are interleaved, so that a block stays together.

Why hashes and not a random generator: sorting by a hash of (seed, purpose, name) is a shuffle that no
library version changes, and one query more or less leaves the order of the others unchanged.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, groupby, islice, pairwise, product, zip_longest

from uderia_bench.documents import sampling
from uderia_bench.documents.corpus import Query
from uderia_bench.documents.experiment import Experiment
from uderia_bench.errors import UsageError
from uderia_bench.runner.turns import LEAST_BLOCKS, LEAST_TURNS, balanced_chunks, cycle_of, orders_of
from uderia_bench.stats.sequential import information
from uderia_bench.trial import Stage, Trial

MOST_PER_SLOT = 4
"""Trials a slot in one chunk, at most. Simulated: slots idle 25 % of the time at 4 trials a slot
(concurrency 8, log-latency sd 0.8), 13 % at 8. Longer chunks gain little and drift more."""

MAX_TRIALS = 1_000_000
"""More is a mistyped number: at two trials per second, which one server sustains, this takes six days."""

_ID_WORD = 40  # characters of a query's or an arm's name that a trial id repeats: ids become file names


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One query and repetition, to be asked on all arms. ``order`` rotates the order of the arms, ``share`` the servers."""

    stage: Stage
    query: Query
    repeat: int
    level: float | None
    order: int
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Blocks of one share that all arms ask in the same order, one arm after the other."""

    blocks: tuple[_Block, ...]
    order: int
    share: int


def build(experiment: Experiment, queries: Iterable[Query]) -> tuple[Trial, ...]:
    """Plan every trial, in the order of sending: warm-ups, then each query on each arm, ``repeats`` times at every level.

    A conversation is one trial per turn, one after the other. Raises ``UsageError`` without queries, or
    for more than ``MAX_TRIALS``.
    """
    asked = tuple(queries)
    _refuse_what_cannot_be_planned(experiment, asked)
    repeats = count(1)
    stretches = [
        _warmup_blocks(experiment, asked),
        *(_measured_blocks(experiment, asked, level, repeats, cycle_of(experiment)) for level in experiment.load.levels),
    ]
    placed = _lay(experiment, filter(None, stretches))
    turns = ((place, turn) for place in placed for turn in range(1, len(place[2].query.turns) + 1))
    return tuple(_trial(seq, *place, turn) for seq, (place, turn) in enumerate(turns))


def looks(experiment: Experiment, queries: int) -> tuple[tuple[int, float], ...]:
    """Return where the blocks of each interim look end and their share of the information; () without looks.

    A look compares the measured blocks numbered below its end. Looks are planned after equal parts of
    the blocks. A look before the smallest balanced design is left out, because it could have no verdict.
    """
    if experiment.looks is None:
        return ()
    ends = _look_blocks(experiment, queries)
    warmups = experiment.warmup * experiment.shares
    return tuple((warmups + end, information(end, queries) / information(ends[-1], queries)) for end in ends)


def _look_blocks(experiment: Experiment, queries: int) -> tuple[int, ...]:
    """Return how many measured blocks each look compares, the end of the plan included."""
    total = queries * experiment.repeats
    if experiment.looks is None:
        return (total,)
    planned = [-(-total * look // experiment.looks.looks) for look in range(1, experiment.looks.looks)]
    least = max(LEAST_BLOCKS, balanced_chunks(experiment) if experiment.load.isolation == "arm" else 0)
    kept = dict.fromkeys(_at_a_pass(blocks, queries) for blocks in planned)
    return (*(blocks for blocks in kept if least <= blocks < total), total)


def _at_a_pass(blocks: int, queries: int) -> int:
    """Return the end of a repeat that is close to ``blocks``, else ``blocks``: a few blocks between them would be a window."""
    nearest = round(blocks / queries) * queries
    return nearest if nearest and abs(blocks - nearest) < LEAST_TURNS else blocks


def _refuse_what_cannot_be_planned(experiment: Experiment, queries: tuple[Query, ...]) -> None:
    if not queries:
        raise UsageError("there is no query to ask")
    turns = sum(len(query.turns) for query in queries)
    levels = len(experiment.load.levels)
    size = len(experiment.arms) * (experiment.warmup * experiment.shares + levels * experiment.repeats * turns)
    if size > MAX_TRIALS:
        raise UsageError(f"{size:,} trials are more than {MAX_TRIALS:,}; lower repeats, or filter the queries")


def _warmup_blocks(experiment: Experiment, queries: tuple[Query, ...]) -> list[_Block]:
    drawn = sampling.shuffled(queries, experiment.seed, "warmup")
    lowest, shares = experiment.load.levels[0], experiment.shares
    return [
        _Block(
            stage=Stage.WARMUP,
            query=drawn[place % len(drawn)],
            repeat=place // len(drawn) + 1,
            level=lowest,
            order=0,
            share=place % shares,
        )
        for place in range(experiment.warmup * shares)
    ]


def _measured_blocks(
    experiment: Experiment, queries: tuple[Query, ...], level: float | None, repeats: Iterator[int], cycle: int
) -> list[_Block]:
    """Order repetition after repetition, with about half of the corpus between two repeats of a query.

    Close repeats would share the provider's state and the server's caches, and count as less than two. The
    halves of the corpus stay the same, and every repeat shuffles each of them. The first part of every
    repeat is a balanced sample of the corpus, so that an interim look represents all of it. Neighbours
    differ in the order of the arms.
    """
    first = sampling.balanced(queries, seed=experiment.seed, purpose="first")
    place = {query.id: number for number, query in enumerate(first)}
    dealt = _dealt(first, cycle)
    middle = -(-len(first) // 2)
    blocks: list[_Block] = []
    for repeat in islice(repeats, experiment.repeats):
        asked = first
        if repeat > 1:
            halves = (_shuffle(half, place, repeat, experiment.seed, cycle) for half in (first[:middle], first[middle:]))
            asked = [query for half in halves for query in half]
        blocks.extend(
            _Block(
                stage=Stage.MEASURED,
                query=query,
                repeat=repeat,
                level=level,
                order=place[query.id] + repeat,
                share=(dealt[query.id] + repeat) % experiment.shares,
            )
            for query in asked
        )
    return blocks


def _dealt(queries: Sequence[Query], cycle: int) -> dict[str, int]:
    """Return a number for each query; dealing queries out by it spreads each class over the orders of the arms."""
    classes = {query.id: (place % cycle, query.complexity or "", query.tags) for place, query in enumerate(queries)}
    found: dict[str, int] = {}
    for _, members in groupby(sorted(queries, key=lambda query: classes[query.id]), key=lambda query: classes[query.id][0]):
        found.update((query.id, number) for number, query in enumerate(members))
    return found


def _shuffle(queries: Sequence[Query], place: dict[str, int], repeat: int, seed: int, cycle: int) -> Iterator[Query]:
    """Shuffle the queries for a repeat in which those with one order of the arms take turns with the others."""
    orders = [[query for query in queries if (place[query.id] + repeat) % cycle == order] for order in range(cycle)]
    shuffled = (sampling.balanced(members, seed=seed, purpose=f"repeat {repeat}") for members in orders)
    return (query for abreast in zip_longest(*shuffled) for query in abreast if query is not None)


_Placed = tuple[int, int, _Block, str, str]  # window, number of the block, block, arm, server


def _lay(experiment: Experiment, stretches: Iterable[list[_Block]]) -> Iterator[_Placed]:
    """Place every block on every arm: chunk after chunk, and in each the arms of a server one after the other."""
    turns, orders = experiment.load.isolation == "arm", orders_of(experiment)
    pool_of = {arm: pool for pool, arms in experiment.pools.items() for arm in arms}
    windows, numbers = count(), count()
    for blocks in stretches:
        open_windows: dict[str, tuple[str, int]] = {}  # server to the arm whose turn it is, and its window
        for looks, abreast in _parts(experiment, blocks):
            if looks:
                open_windows.clear()
            numbered = [(chunk, [(next(numbers), block) for block in chunk.blocks]) for chunk in abreast]
            laid: dict[str, list[_Placed]] = {}
            for (chunk, members), cycle in product(numbered, orders):
                for arm in cycle[chunk.order % len(cycle)]:
                    server = pool_of[arm][chunk.share % len(pool_of[arm])]
                    lane, turn_of = (server, arm) if turns else ("", "")
                    if lane not in open_windows or open_windows[lane][0] != turn_of:
                        open_windows[lane] = (turn_of, next(windows))
                    placed = ((open_windows[lane][1], number, block, arm, server) for number, block in members)
                    laid.setdefault(lane, []).extend(placed)
            yield from (placed for row in zip_longest(*laid.values()) for placed in row if placed is not None)


def _parts(experiment: Experiment, blocks: list[_Block]) -> Iterator[tuple[bool, list[_Chunk]]]:
    """Cut a stretch into chunks whose orders of the arms follow each other, each about equally often.

    Yields the chunks that the servers ask at the same time, one of each share, and whether an interim
    look comes before them. No chunk holds two repeats of a query, except in a sweep, and none holds both
    sides of a look. In each part between these ends, a block goes to the next chunk of its order. Successive
    repeats of a query are on different servers, so a part of a pool has as many repeats as there are shares.
    """
    if blocks[0].stage is Stage.WARMUP or blocks[0].level is not None:
        yield from ((False, abreast) for abreast in _abreast(experiment, blocks, least=balanced_chunks(experiment)))
        return
    looks = _look_blocks(experiment, len(blocks) // experiment.repeats)
    passes = range(0, len(blocks), len(blocks) // experiment.repeats * experiment.shares)
    for start, end in pairwise(sorted({*passes, *looks})):
        least = math.ceil(balanced_chunks(experiment) * (end - start) / looks[0]) if end <= looks[0] else 0
        for number, abreast in enumerate(_abreast(experiment, blocks[start:end], least=least)):
            yield number == 0 and start in looks, abreast


def _abreast(experiment: Experiment, blocks: list[_Block], *, least: int) -> list[list[_Chunk]]:
    """Cut blocks into ``least`` chunks or more, dealt out to the shares; return the first of every share, then the second."""
    shares = experiment.shares
    dealt = ([block for block in blocks if block.share == share] for share in range(shares))
    cut = (_part(experiment, members, least=-(-least // shares)) for members in dealt if members)
    return [[chunk for chunk in row if chunk is not None] for row in zip_longest(*cut)]


def _part(experiment: Experiment, blocks: list[_Block], *, least: int) -> list[_Chunk]:
    """Cut blocks of one share into ``least`` chunks or more, by whole cycles of the orders of the arms.

    Each share begins with another order.
    """
    if experiment.load.isolation != "arm":
        return [_Chunk(blocks=(block,), order=block.order, share=block.share) for block in blocks]
    cycle, share = cycle_of(experiment), blocks[0].share
    orders = [[block for block in blocks if block.order % cycle == order] for order in range(cycle)]
    rounds = _rounds(experiment, blocks, least=least, cycle=cycle)
    chunks = [
        _Chunk(
            blocks=tuple(members[-(-len(members) * part // rounds) : -(-len(members) * (part + 1) // rounds)]),
            order=order,
            share=share,
        )
        for part in range(rounds)
        for order, members in ((order % cycle, orders[order % cycle]) for order in range(share, share + cycle))
    ]
    return [chunk for chunk in chunks if chunk.blocks]


def _rounds(experiment: Experiment, blocks: list[_Block], *, least: int, cycle: int) -> int:
    """Return how many times the chunks of a part go through the cycle of orders."""
    if blocks[0].stage is Stage.WARMUP:
        return 1
    slots = experiment.load.at(blocks[0].level).concurrency
    wanted = max(least, math.ceil(len(blocks) / (MOST_PER_SLOT * slots)))
    if blocks[0].level is not None:  # of a sweep: the level must be reached
        wanted = min(wanted, len(blocks) // slots)
    return max(math.ceil(min(wanted, len(blocks)) / cycle), 1)


def _trial(seq: int, window: int, number: int, block: _Block, arm: str, server: str, turn: int) -> Trial:
    query = block.query
    trial_id = _trial_id(query.id, arm, block.stage, block.repeat)
    return Trial(
        trial_id=trial_id if len(query.turns) == 1 else f"{trial_id}-t{turn}",
        seq=seq,
        block=number,
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
        weight=query.counts,
        server=server,
    )


def _trial_id(query_id: str, arm: str, stage: Stage, repeat: int) -> str:
    """Return a readable id that is safe as a file name and does not depend on the rest of the plan.

    It loses letters beyond ASCII, case and length of the names, so a hash of the full names keeps ids apart.
    """
    words = (re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_ID_WORD] for name in (query_id, arm))
    kind = "r" if stage is Stage.MEASURED else "w"
    digest = hashlib.sha256(f"{query_id}\0{arm}".encode()).hexdigest()
    return "-".join(filter(None, chain(words, (f"{kind}{repeat}", digest[:8]))))
