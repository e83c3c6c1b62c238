"""Profile types: read a trial's raw record into its trace, by the profile type that its events show.

Each module reads one profile type. The rules for the outcome are the same for all of them. ``read``
never raises, whatever a server sent: a trial that cannot be understood has an outcome and a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from uderia_bench.reading.profile_types.assemble import Kind, assemble
from uderia_bench.reading.profile_types.exchange import Exchange, decode
from uderia_bench.reading.profile_types.experts import with_experts
from uderia_bench.reading.profile_types.genie import GENIE
from uderia_bench.reading.profile_types.llm_only import LLM_ONLY
from uderia_bench.reading.profile_types.outcome import outcome_of
from uderia_bench.reading.profile_types.profile_type import ProfileType
from uderia_bench.reading.profile_types.rag_focused import RAG_FOCUSED
from uderia_bench.reading.profile_types.tool_enabled import TOOL_ENABLED
from uderia_bench.trace import Trace
from uderia_bench.trial import TrialRecord

__all__ = ["BUILT_IN", "Exchange", "Kind", "ProfileType", "assemble", "read", "totals"]

# The first type that recognises the events reads them. The events of a coordinator or a retriever may include those of an
# agent or a planner, so these two come first.
BUILT_IN: tuple[ProfileType, ...] = (GENIE, RAG_FOCUSED, TOOL_ENABLED, LLM_ONLY)
_UNKNOWN = ProfileType(
    name="unknown",
    doc="A turn that no profile type recognises: only what is common to all types is read.",
    recognises=lambda _: True,
    read=partial(assemble, kind=Kind(profile_type=None, execution_path=None)),
)


def read(record: TrialRecord, types: tuple[ProfileType, ...] = BUILT_IN) -> Trace:
    """Return the trace of a trial, with its outcome and the reason for it; the bodies are decoded once."""
    return _read(record, lambda each: _type_of(each, types).read(each))


def totals(record: TrialRecord) -> Trace:
    """Return a trial's trace without the steps of its type; outcome, times, tokens and answer are the same as in ``read``.

    This takes half the time of ``read``, for use while other trials are being timed.
    """

    def read_one(each: Exchange) -> Trace:
        found = _type_of(each, BUILT_IN)
        return (found.totals or found.read)(each)

    return _read(record, read_one)


def _read(record: TrialRecord, read_one: Callable[[Exchange], Trace]) -> Trace:
    exchange = decode(record)
    trace = with_experts(exchange, read_one(exchange), read_one)
    outcome, detail = outcome_of(exchange, trace)
    return replace(trace, outcome=outcome, outcome_detail=detail)


def _type_of(exchange: Exchange, types: tuple[ProfileType, ...]) -> ProfileType:
    return next((kind for kind in types if kind.recognises(exchange)), _UNKNOWN)
