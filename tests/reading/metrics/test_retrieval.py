"""Retrieval metrics against ranks that are counted by hand, on written traces and on captured FOCUS runs."""

from __future__ import annotations

import json

import pytest
import traces

from uderia_bench.documents.expectation import Expectation
from uderia_bench.reading import expectations, metrics, profile_types
from uderia_bench.reading.expected import Expected
from uderia_bench.trace import Source
from uderia_bench.trial import Outcome

_NAMES = ("hit_at_1", "hit_at_3", "hit_at_5", "reciprocal_rank", "source_recall")
_KINDS = {kind.name: kind for kind in expectations.BUILT_IN}


def chunk(name, document_id=None):
    """Return a retrieved chunk."""
    return Source(name=name, document_id=document_id)


_LAB, _RULES, _POOL = chunk("Lab", "d1"), chunk("Rules", "d2"), chunk("Pool", "d3")
_TWIN = chunk("Lab", "d9")  # another document with the same title
_NAMELESS = chunk(None)


@pytest.mark.parametrize(
    ("found", "expected", "scores"),
    [
        ((_LAB, _RULES), ("lab",), (True, True, True, 1.0, 1.0)),
        ((_LAB, _LAB, _LAB, _RULES), ("rules",), (False, True, True, 1 / 2, 1.0)),  # three chunks of one document are one rank
        ((_LAB, _RULES, _POOL), ("d3", "rules"), (False, True, True, 1 / 2, 1.0)),  # the best of the expected ones counts
        ((_LAB, _RULES), ("pool", "d1"), (True, True, True, 1.0, 1 / 2)),
        ((_LAB, _TWIN, _RULES, _POOL), ("d3",), (False, False, True, 1 / 4, 1.0)),
        ((_NAMELESS, _NAMELESS, _LAB), ("lab",), (False, True, True, 1 / 3, 1.0)),
        ((chunk("a"), chunk("b"), chunk("c"), chunk("d"), chunk("e"), chunk("f")), ("f",), (False, False, False, 1 / 6, 1.0)),
        ((_LAB,), ("pool",), (False, False, False, 0.0, 0.0)),
        ((), ("pool",), (False, False, False, 0.0, 0.0)),
        (None, ("pool",), (None,) * 5),
        ((_LAB,), (), (None,) * 5),
    ],
)
def test_ranks_are_counted_by_document(found, expected, scores):
    """hit@1, hit@3, hit@5, reciprocal rank and recall of one trial."""
    observed = metrics.observe(traces.trace(sources=found, expected_sources=expected))
    assert tuple(observed[name] for name in _NAMES) == scores


def scored(trace, *expected):
    """Return the retrieval metrics of a trial whose query expects these sources."""
    asked = traces.trial()
    said = tuple(Expectation.model_validate(each, strict=False) for each in expected)
    judged, _ = Expected(of={(asked.query_id, 1): said}, kinds=_KINDS).judged(asked, trace, {})
    return tuple(metrics.observe(judged)[name] for name in _NAMES)


def test_the_corpus_says_what_is_expected():
    """Documents of several expectations and of groups count together, in any case and each once."""
    trace = traces.trace(sources=(_RULES, _LAB))
    assert scored(trace, {"sources": "LAB"}, {"any": [{"sources": ["lab", "Pool"]}, {"contains": "x"}]}) == (
        (False, True, True, 1 / 2, 1 / 2)
    )
    assert scored(trace, {"contains": "x"}) == (None,) * 5


def test_a_captured_hit_and_a_captured_miss(shared):
    """The captured FOCUS run found one chunk, of the Lab handbook; the other one found nothing and counts as 0."""

    def read(folder, session):
        bodies = (json.loads((shared / f"uderia/captures-2/{folder}/{name}.json").read_bytes()) for name in session)
        return profile_types.read(traces.record(*(body["body"] for body in bodies)))

    hit = read("focus-hit", ("task_final", "session_details"))
    miss = read("rag/rag-focused-miss", ("task_final", "session_details_later"))
    assert scored(hit, {"sources": "Lab handbook"}) == (True, True, True, 1.0, 1.0)
    assert scored(hit, {"sources": ["5267e7b5-2556-4480-ab80-74ea01712da3", "Maintenance"]}) == (True, True, True, 1.0, 0.5)
    assert scored(hit, {"sources": "Maintenance"}) == (False, False, False, 0.0, 0.0)
    assert miss.outcome is Outcome.FAILED
    assert scored(miss, {"sources": "Lab handbook"}) == (False, False, False, 0.0, 0.0)
    both = [scored(trace, {"sources": "Lab handbook"}) for trace in (hit, miss)]
    assert [sum(column) / 2 for column in zip(*both, strict=True)] == [0.5] * 5  # hit@k, MRR and recall over both runs
