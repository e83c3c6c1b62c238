"""Samples of the queries by seed, and shards. They are the same on every machine.

Both use a hash of seed, purpose and id, as the plan does. One query more or less in a corpus changes few others.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence

from uderia_bench.documents.corpus import Query

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
    chosen = {query.id for name, members in strata.items() for query in _ordered(members, seed, "sample")[: shares[name]]}
    return tuple(query for query in queries if query.id in chosen)


def balanced(queries: Sequence[Query], *, seed: int, purpose: str) -> list[Query]:
    """Return the queries in an order of which every first part has about the mix of complexity and tags of all.

    Each next query is of the class (complexity and tags together) that brings the shares of all labels
    nearest to those of the corpus; within a class the order is random. Labels begin with a random
    deficit, so a rare one does not always come late. Only the ``_LABELS`` most frequent tags count.
    """
    usual = Counter(tag for query in queries for tag in set(query.tags)).most_common(_LABELS)
    tags = sorted(tag for tag, _ in usual)
    classes: dict[tuple[str, ...], list[Query]] = {}
    for query in _ordered(queries, seed, purpose):
        labels = (f"is {query.complexity}", *(tag for tag in tags if tag in query.tags))
        classes.setdefault((*labels, "\0".join(labels)), []).append(query)
    sizes = Counter(label for labels, members in classes.items() for label in labels for _ in members)
    share = {label: size / len(queries) for label, size in sizes.items()}
    ahead = {label: int(_digest(seed, purpose, label)[:8], 16) / 2**32 - 0.5 for label in share}
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
    ordered = _ordered(queries, 0, "shard")
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


def _ordered(queries: Sequence[Query], seed: int, purpose: str) -> list[Query]:
    return sorted(queries, key=lambda query: _digest(seed, purpose, query.id))


def _digest(seed: int, purpose: str, name: str) -> str:
    return hashlib.sha256(f"{seed}\0{purpose}\0{name}".encode()).hexdigest()
