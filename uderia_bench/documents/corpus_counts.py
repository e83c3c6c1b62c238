"""Numbers of queries in corpora by theme, complexity and expectation, for the documentation.

A theme is a file: the queries of a corpus without those it includes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from uderia_bench.documents.corpus import COMPLEXITIES, Corpus, Query
from uderia_bench.printable import count_of

ANSWER_DECIDES = "answer-decides"
"""Tag of the queries for which only the answer counts, and never time or tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counts of one corpus. ``trials`` counts each turn of a conversation.

    ``answer_decides`` counts the queries with the tag ``ANSWER_DECIDES``.
    """

    name: str
    queries: int
    complexity: dict[str, int]
    expecting: int
    expectations: dict[str, int]
    trials: int
    answer_decides: int


def count(name: str, queries: Sequence[Query]) -> Counts:
    """Count queries; the same prompt twice is counted twice."""
    return Counts(
        name=name,
        queries=len(queries),
        complexity=dict(Counter(query.complexity or "unlabelled" for query in queries)),
        expecting=sum(bool(query.expect) for query in queries),
        expectations=dict(Counter(expectation.kind for query in queries for expectation in query.expect)),
        trials=sum(len(query.turns) for query in queries),
        answer_decides=sum(ANSWER_DECIDES in query.tags for query in queries),
    )


def table(corpora: Sequence[Corpus]) -> tuple[Counts, ...]:
    """Return one row per corpus, in the order given, and one for all.

    A query of several corpora (by ``include``) is counted in the smallest of them, which defines it.
    """
    home: dict[str, str] = {}
    for corpus in sorted(corpora, key=lambda each: len(each.queries)):
        for query in corpus.queries:
            home.setdefault(query.id, corpus.name)
    rows = [
        count(corpus.name, own)
        for corpus in corpora
        if (own := [query for query in corpus.queries if home[query.id] == corpus.name])
    ]
    together = {query.id: query for corpus in corpora for query in corpus.queries}
    return (*rows, count("all", tuple(together.values())))


def to_markdown(rows: Sequence[Counts]) -> str:
    """Return two tables: queries by theme and complexity, expectations by kind."""
    lines = [
        "| theme | queries | " + " | ".join(COMPLEXITIES) + " | expect | answer decides | turns |",
        "|---|" + "---:|" * (len(COMPLEXITIES) + 4),
    ]
    for row in rows:
        kinds = " | ".join(str(row.complexity.get(kind, 0)) for kind in COMPLEXITIES)
        lines.append(f"| {row.name} | {row.queries} | {kinds} | {row.expecting} | {row.answer_decides} | {row.trials} |")
    kinds_said = sorted(rows[-1].expectations.items(), key=lambda item: (-item[1], item[0]))
    lines += ["", "| expectation | number |", "|---|---:|"]
    lines += [f"| `{kind}` | {number} |" for kind, number in kinds_said]
    total = rows[-1]
    every = f"{total.expecting} of {count_of(total.queries, 'query')}"
    lines += ["", f"With an expectation or a rubric (`llm_judge`): {every}."]
    return "\n".join(lines)
