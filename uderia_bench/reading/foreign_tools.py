"""Find trials whose planning prompt had the tools of another profile in it.

When trials overlap on a server, the prompt of a planner can get the tool descriptions of another
profile. Model, provider and context snapshot then look right. The only sign is a planning prompt
that is much larger than those of other trials of the same query and memory state
(docs/reference/measured.md, "Foreign tool context").

A trial is suspect where its first planning call is above a gap that is wide against the differences
below it, and where a minority of trials is above. The reference is the same query with the same
memory state; a query with too few trials is compared with all queries of its arm that have few. A
suspect trial that overlapped with a trial of another profile is surely misrouted. Any other is left
out of comparisons, with a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import TypeAlias

from uderia_bench.trace import CallClass, Trace
from uderia_bench.trial import Outcome, TrialRecord

FEWEST = 3  # trials of one query and memory state that can be compared with each other
FEWEST_POOLED = 8  # trials of several queries that can be compared with each other
LARGEST_SHARE = 0.4  # of compared trials that may be suspect: foreign tools are the exception
LEAST_TOKENS = 300  # a tool's description has about as many
LEAST_SHARE = 0.04  # of the prompt: smaller differences come from wordings
UNKNOWN_MEMORY_SHARE = 0.1  # of the prompt: what stored cases may add where no trial without them shows how much
MEMORY_MARGIN = 1.25  # times what stored cases add on average: one case may be the usual, and three the most
POOLED_GAP, OWN_GAP, WARM_GAP = 3.0, 2.0, 1.0
"""Width of the gap, in widths of what is below it: for several queries, for one, and for one with stored cases.

What stored cases add is bounded by what they add on average, so their variation needs no wider gap.
"""

_REASON = "the planning prompt had "

_Group: TypeAlias = tuple[str, str, int]
"""Server, arm and turn: planning prompts inside a group have the same tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The first planning call of a trial: its prompt in tokens, and the circumstances that explain its size.

    ``warm``: stored cases were in the prompt. ``context`` is the size of the prompt's parts by the
    server's own snapshot, None without one. ``began`` and ``ended`` are when the trial ran.
    """

    trial_id: str
    server: str
    arm: str
    profile_id: str
    query_id: str
    turn: int
    warm: bool
    tokens: int
    context: int | None = None
    began: datetime | None = None
    ended: datetime | None = None

    @property
    def group(self) -> _Group:
        """The trials whose planning prompts have the same tools."""
        return self.server, self.arm, self.turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When a trial of a profile ran on a server."""

    server: str
    profile_id: str
    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Why a trial is suspect, and whether it surely was misrouted."""

    reason: str
    sure: bool


def plan_of(record: TrialRecord, trace: Trace) -> Plan | None:
    """Return the first planning call of a trial; None for a profile type that makes no plan."""
    first = next((call for call in trace.llm_calls if call.call_class is CallClass.STRATEGIC and call.depth == 0), None)
    if trace.plan is None or first is None:
        return None
    sizes = [module.tokens for module in trace.context]
    return Plan(
        trial_id=record.trial.trial_id,
        server=record.expected.server,
        arm=record.trial.arm,
        profile_id=record.expected.profile_id,
        query_id=record.trial.query_id,
        turn=record.trial.turn,
        warm=trace.rag_used is True,
        tokens=first.input_tokens,
        context=sum(sizes) if sizes else None,
        began=record.sent_at,
        ended=record.done_at,
    )


def span_of(record: TrialRecord) -> Span | None:
    """Return when a trial ran; None where that is not known."""
    if record.sent_at is None or record.done_at is None:
        return None
    expected = record.expected
    return Span(server=expected.server, profile_id=expected.profile_id, began=record.sent_at, ended=record.done_at)


def suspects(plans: Iterable[Plan], spans: Sequence[Span] = ()) -> dict[str, Suspicion]:
    """Return the suspect trials by their id. ``spans`` are all trials of the run."""
    found: dict[str, Suspicion] = {}
    for members in _by(plans, lambda plan: plan.group):
        cold, warm = ([plan.tokens for plan in members if plan.warm is state] for state in (False, True))
        added = MEMORY_MARGIN * abs(median(warm) - median(cold)) if cold and warm else None
        for state in _by(members, lambda plan: plan.warm):
            pooled: list[Plan] = []
            for query in _by(state, lambda plan: plan.query_id):
                if len(query) >= FEWEST:
                    found |= _above(query, added, spans, gap_to_range=WARM_GAP if query[0].warm else OWN_GAP)
                else:
                    pooled += query
            if len(pooled) >= FEWEST_POOLED:
                found |= _above(pooled, added, spans, gap_to_range=POOLED_GAP)
    return found


def marked(trace: Trace, suspicion: Suspicion | None) -> Trace:
    """Return a trace with what is suspected of it: a misrouted outcome where that is sure, else a mark and a note."""
    if suspicion is None:
        return trace
    trace = replace(trace, foreign_tools=True, notes=(*trace.notes, suspicion.reason))
    if not suspicion.sure:
        return trace
    return replace(trace, outcome=Outcome.MISROUTED, outcome_detail=suspicion.reason)


def noted(outcome: str, notes: Sequence[str]) -> Suspicion | None:
    """Return the suspicion that the notes of a derived trial have."""
    reason = next((note for note in notes if note.startswith(_REASON)), None)
    return None if reason is None else Suspicion(reason=reason, sure=outcome == Outcome.MISROUTED)


def _above(members: list[Plan], added: float | None, spans: Sequence[Span], *, gap_to_range: float) -> dict[str, Suspicion]:
    """Return the members above the first wide gap, where that gap has no other explanation.

    Foreign tools of two profiles leave two gaps, and the second may be the wider one.
    """
    ordered = sorted(members, key=lambda plan: plan.tokens)
    sizes = [plan.tokens for plan in ordered]
    fewest_below = len(ordered) - int(len(ordered) * LARGEST_SHARE)

    def is_wide(place: int) -> bool:
        usual = median(sizes[:place])
        least = max(LEAST_TOKENS, LEAST_SHARE * usual)
        if members[0].warm:
            least = max(least, UNKNOWN_MEMORY_SHARE * usual if added is None else added)
        gap, spread = sizes[place] - sizes[place - 1], sizes[place - 1] - sizes[0]
        return sizes[place] - usual >= least and gap > 0 and gap >= gap_to_range * spread

    place = next(filter(is_wide, range(max(fewest_below, 2), len(ordered))), None)
    if place is None:
        return {}
    below, above = ordered[:place], ordered[place:]
    usual = median(sizes[:place])
    contexts = [plan.context for plan in below if plan.context is not None]
    explained = median(contexts) if contexts else None
    return {
        plan.trial_id: _suspicion(plan, usual, spans)
        for plan in above
        if explained is None or plan.context is None or plan.context - explained < (plan.tokens - usual) / 2
    }


def _suspicion(plan: Plan, usual: float, spans: Sequence[Span]) -> Suspicion:
    sure = any(_overlaps(plan, span) for span in spans)
    what = "another profile's tools were in it" if sure else "another profile's tools were probably in it"
    reason = f"{_REASON}{plan.tokens - usual:,.0f} tokens more than the usual {usual:,.0f}: {what}"
    return Suspicion(reason=reason, sure=sure)


def _overlaps(plan: Plan, span: Span) -> bool:
    if span.server != plan.server or span.profile_id == plan.profile_id or plan.began is None or plan.ended is None:
        return False
    return span.began < plan.ended and plan.began < span.ended


def _by(plans: Iterable[Plan], key: Callable[[Plan], object]) -> list[list[Plan]]:
    found: dict[object, list[Plan]] = {}
    for plan in plans:
        found.setdefault(key(plan), []).append(plan)
    return list(found.values())
