"""Retrieval metrics: the rank of the documents that the corpus expects (``expect: {sources: [...]}``).

Documents are ranked by their best chunk, so several chunks of one document are one rank. A search
without a result scores 0, although the trial counts as failed. A trial that searched no knowledge, or whose
query expects no source, has no value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from uderia_bench.reading.metrics.metric import Direction, Metric, rated
from uderia_bench.trace import Trace

_share = partial(rated, family="retrieval", direction=Direction.HIGHER, needs_answer=False)


def ranks(trace: Trace) -> tuple[int | None, ...] | None:
    """Return the rank (from 1) of each expected document, None for one that was not found.

    The result is None where the trial has nothing to rank. A chunk with neither name nor id is a
    separate document.
    """
    if trace.sources is None or not trace.expected_sources:
        return None
    documents: list[frozenset[str]] = []
    for source in trace.sources:
        own = source.document_id.casefold() if source.document_id else None
        if not any(own in known if own else known & source.called for known in documents):
            documents.append(source.called)
    rank_of = {name: rank for rank, names in reversed([*enumerate(documents, 1)]) for name in names}
    return tuple(rank_of.get(name) for name in trace.expected_sources)


def _of_ranks(score: Callable[[list[int], int], float]) -> Callable[[Trace], float | None]:
    """Return a reader that scores the ranks found out of a number of expected documents."""

    def read(trace: Trace) -> float | None:
        found = ranks(trace)
        return None if found is None else score([rank for rank in found if rank is not None], len(found))

    return read


def _hit_at(k: int) -> Metric:
    documents = "document" if k == 1 else f"{k} documents"
    return _share(
        name=f"hit_at_{k}",
        doc=f"Retrieval found an expected document among its best {documents}. The mean over trials is hit@{k}.",
        kind=bool,
        read=lambda trace: None if (found := ranks(trace)) is None else any(rank is not None and rank <= k for rank in found),
    )


METRICS: tuple[Metric, ...] = (
    *map(_hit_at, (1, 3, 5)),
    _share(
        name="reciprocal_rank",
        doc="Reciprocal of the rank of the best expected document, 0 where none was found. The mean over trials is MRR.",
        read=_of_ranks(lambda found, _: 1 / min(found) if found else 0.0),
    ),
    _share(
        name="source_recall",
        doc="Expected documents that retrieval found / all expected documents.",
        read=_of_ranks(lambda found, expected: len(found) / expected),
    ),
)
