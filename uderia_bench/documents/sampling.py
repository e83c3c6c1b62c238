"""Samples of the queries by seed, and shards. They are the same on every machine.

All use a hash of seed, purpose and id, as the plan does. One query more or less in a corpus changes few others.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from uderia_bench.documents.corpus import Query

_CLASS_TOKENS = {"simple": 10_000.0, "complex": 20_000.0, "edge": 8_000.0}
"""Tokens of a trial by class, for queries without an earlier run."""

_LABELS = 8  # tags: more would put nearly every query into a separate class


def sample(queries: Sequence[Query], n: int, *, seed: int, by_complexity: bool = False) -> tuple[Query, ...]:
    """Return ``n`` queries in the order of the files, each stratum in proportion to its size.

    With ``by_complexity``, queries of one complexity are a stratum, and those without a label another.
    Shares are rounded by largest remainder, so they add up to ``n``. No stratum is empty if ``n`` is at least the
    number of strata. Returns all queries if there are at most ``n``.
    """
    if n >= len(queries):
        return tuple(queries)
    strata: dict[str, list[Query]] = {}
    for query in queries:
        strata.setdefault((query.complexity or "") if by_complexity else "", []).append(query)
    shares = _shares({name: len(members) for name, members in strata.items()}, n)
    chosen = {query.id for name, members in strata.items() for query in shuffled(members, seed, "sample")[: shares[name]]}
    return tuple(query for query in queries if query.id in chosen)


def by_cost(queries: Sequence[Query], n: int, *, seed: int, tokens: Mapping[str, float], traffic: bool) -> tuple[Query, ...]:
    """Return ``n`` queries in the order of the files, cheap ones more often, each with what it counts for.

    A query is drawn with a probability proportional to one over the square root of its expected
    ``tokens``, which gives the most precise mean of a given bill (Neyman, *J. R. Stat. Soc.* 97, 1934).
    With ``traffic`` it is also proportional to the query's weight. ``counts`` is one over the
    probability, so that a mean weighted by it (Hájek's) is that of all queries. The draw is systematic
    over the classes of complexity, so each class has its expected number.
    """
    if n >= len(queries):
        return tuple(replace(query, counts=1.0) for query in queries)
    sizes = {query.id: (query.weight if traffic else 1.0) / math.sqrt(tokens[query.id]) for query in queries}
    probability = _probabilities(sizes, n)
    threshold = int(digest(seed, "sample by cost", "")[:13], 16) / 16**13
    ordered = sorted(shuffled(queries, seed, "sample"), key=lambda query: query.complexity or "")
    sums = accumulate((probability[query.id] for query in ordered), initial=threshold)
    drawn = {query.id for query, (before, after) in zip(ordered, pairwise(sums), strict=True) if int(after) > int(before)}
    return tuple(replace(query, counts=1 / probability[query.id]) for query in queries if query.id in drawn)


def _probabilities(sizes: Mapping[str, float], n: int) -> dict[str, float]:
    """Return probabilities of a draw that are proportional to ``sizes``, add up to ``n``, and are at most 1."""
    certain = set[str]()
    while True:
        scale = (n - len(certain)) / sum(size for name, size in sizes.items() if name not in certain)
        more = {name for name, size in sizes.items() if name not in certain and size * scale >= 1}
        if not more:
            return {name: 1.0 if name in certain else size * scale for name, size in sizes.items()}
        certain |= more


def expected_tokens(queries: Sequence[Query], known: Mapping[str, float]) -> dict[str, float]:
    """Return the expected tokens of each query: ``known`` from earlier runs, else by its class and length.

    Guesses are scaled to the known queries. Without any, only their proportions have a meaning.
    """
    guesses = {query.id: _guessed_tokens(query) for query in queries}
    both = [name for name in guesses if known.get(name, 0) > 0]
    scale = sum(known[name] for name in both) / sum(guesses[name] for name in both) if both else 1.0
    return {name: known[name] if name in both else guess * scale for name, guess in guesses.items()}


def _guessed_tokens(query: Query) -> float:
    """Guess the tokens of a query: a later turn of a conversation also reads the turns before it."""
    turns = len(query.turns)
    length = sum(map(len, query.turns)) / turns
    return _CLASS_TOKENS.get(query.complexity or "", _CLASS_TOKENS["simple"]) * (1 + length / 400) * turns * (turns + 1) / 2


def balanced(queries: Sequence[Query], *, seed: int, purpose: str) -> list[Query]:
    """Return the queries in an order of which every first part has about the mix of complexity and tags of all.

    Each next query is of the class (complexity and tags together) that brings the shares of all labels
    nearest to those of the corpus; within a class the order is random. Labels begin with a random
    deficit, so a rare one does not always come late. Only the ``_LABELS`` most frequent tags count.
    """
    counts = Counter(tag for query in queries for tag in set(query.tags))
    tags = sorted(sorted(counts, key=lambda tag: (-counts[tag], tag))[:_LABELS])  # a set has another order in every process
    classes: dict[tuple[str, ...], list[Query]] = {}
    for query in shuffled(queries, seed, purpose):
        labels = (f"is {query.complexity}", *(tag for tag in tags if tag in query.tags))
        classes.setdefault((*labels, "\0".join(labels)), []).append(query)
    sizes = Counter(label for labels, members in classes.items() for label in labels for _ in members)
    share = {label: size / len(queries) for label, size in sizes.items()}
    ahead = {label: int(digest(seed, purpose, label)[:8], 16) / 2**32 - 0.5 for label in share}
    order: list[Query] = []
    waiting = {labels: members[::-1] for labels, members in sorted(classes.items())}
    while waiting:
        place = len(order) + 1
        labels = min(waiting, key=lambda each: sum(2 * (ahead[label] - place * share[label]) + 1 for label in each))
        order.append(waiting[labels].pop())
        for label in labels:
            ahead[label] += 1
        if not waiting[labels]:
            del waiting[labels]
    return order


def shard(queries: Sequence[Query], index: int, of: int) -> tuple[Query, ...]:
    """Return the ``index``-th of ``of`` shards, from 1: disjoint, together all queries, equal in size up to one query."""
    ordered = shuffled(queries, 0, "shard")
    mine = {query.id for query in ordered[index - 1 :: of]}
    return tuple(query for query in queries if query.id in mine)


def _shares(sizes: dict[str, int], n: int) -> dict[str, int]:
    """Divide ``n`` in proportion to the sizes, at least one each where that is possible."""
    total = sum(sizes.values())
    exact = {name: n * size / total for name, size in sizes.items()}
    least = 1 if n >= len(sizes) else 0
    shares = {name: max(math.floor(share), least) for name, share in exact.items()}
    while (left := n - sum(shares.values())) != 0:
        step = 1 if left > 0 else -1
        open_to_it = sorted(name for name, share in shares.items() if least <= share + step <= sizes[name])
        name = max(open_to_it, key=lambda each: step * (exact[each] - shares[each]))
        shares[name] += step
    return shares


def shuffled(queries: Sequence[Query], seed: int, purpose: str) -> list[Query]:
    """Return the queries in the order of a hash of seed, purpose and id."""
    return sorted(queries, key=lambda query: digest(seed, purpose, query.id))


def digest(seed: int, purpose: str, name: str) -> str:
    """Return a hash to sort names by: no version of a library changes the order, and another name does not change it."""
    return hashlib.sha256(f"{seed}\0{purpose}\0{name}".encode()).hexdigest()
