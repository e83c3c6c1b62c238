"""Expectations about the agent's work: tools, retrieved documents, phases, time and tokens."""

from __future__ import annotations

from uderia_bench.documents.expectation import Sources
from uderia_bench.printable import count_of
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.metrics import latency, tokens
from uderia_bench.trace import ToolStatus


def _called(answer: Answer) -> dict[str, None]:
    """Return the tools that were called, successfully or not, in order of their first call."""
    return dict.fromkeys(call.name for call in answer.trace.tool_calls if call.status is not ToolStatus.SKIPPED)


def _tools_called(answer: Answer, value: tuple[str, ...]) -> Judged:
    names = _called(answer)
    return Judged(passed=set(value) <= names.keys(), found=quoted(", ".join(names) or "no tool"))


def _tools_not_called(answer: Answer, value: tuple[str, ...]) -> Judged:
    names = _called(answer)
    return Judged(passed=names.keys().isdisjoint(value), found=quoted(", ".join(names) or "no tool"))


def _sources(answer: Answer, value: Sources) -> Judged:
    found = answer.trace.sources
    if found is None:
        return Judged(passed=None, found="this trial searched no knowledge")
    known = frozenset[str]().union(*(source.called for source in found[: value.within]))
    missing = [name for name in value.documents if name.casefold() not in known]
    said = ", ".join(dict.fromkeys(source.name or source.document_id or "a document without a name" for source in found))
    return Judged(passed=not missing, found=quoted(said or "no document"))


def _phases_at_most(answer: Answer, value: int) -> Judged:
    if answer.trace.plan is None:
        return Judged(passed=None, found="this profile type plans no phases")
    count = len(answer.trace.phases)
    return Judged(passed=count <= value, found=count_of(count, "phase"))


def _max_s(answer: Answer, value: float) -> Judged:
    seconds = latency.latency_s(answer.trace)
    if seconds is None:
        return Judged(passed=None, found="the latency is not known")
    return Judged(passed=seconds <= value, found=f"{seconds:.3g} s")


def _max_tokens(answer: Answer, value: int) -> Judged:
    total = tokens.total_tokens(answer.trace)
    if total is None or (answer.trace.lower_bound and total <= value):
        return Judged(passed=None, found="the tokens are not known")
    return Judged(passed=total <= value, found=count_of(total, "token"))


KINDS: tuple[ExpectationKind, ...] = (
    ExpectationKind(name="tools_called", doc="The agent called each of these tools at least once.", judge=_tools_called),
    ExpectationKind(name="tools_not_called", doc="The agent called none of these tools.", judge=_tools_not_called),
    ExpectationKind(
        name="sources",
        doc="Retrieval found each of these documents, by title, file name or id. {documents, within: 3} looks at the best 3 "
        "chunks. Left out where the trial searched no knowledge.",
        judge=_sources,
    ),
    ExpectationKind(
        name="phases_at_most",
        doc="The agent executed at most this many phases. Left out for a profile type without phases.",
        judge=_phases_at_most,
    ),
    ExpectationKind(name="max_s", doc="latency_s is at most this many seconds.", judge=_max_s),
    ExpectationKind(
        name="max_tokens",
        doc="The turn used at most this many input and output tokens, session naming excluded.",
        judge=_max_tokens,
    ),
)
