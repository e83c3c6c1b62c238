"""Build the trace of a turn from what all profile types have in common; a type adds its own steps and duration."""

from __future__ import annotations

from dataclasses import dataclass

from uderia_bench.reading.profile_types import accounts, clocks, context
from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.reading.profile_types.lenient import mapping, sequence, text
from uderia_bench.reading.profile_types.serving import served
from uderia_bench.reading.profile_types.wordings import EVENT_FAMILIES, EVENT_KINDS
from uderia_bench.trace import LlmCall, Source, Trace
from uderia_bench.trial import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A profile type's name, its execution path, and whether the server counts naming in the turn's tokens."""

    profile_type: str | None
    execution_path: str | None
    named_in_turn: bool = True


def assemble(
    exchange: Exchange,
    kind: Kind,
    calls: tuple[LlmCall, ...] = (),
    *,
    agent_s: float | None = None,
    notes: tuple[str, ...] = (),
) -> Trace:
    """Return the trace of a turn with everything that does not depend on the profile type.

    Add the rest with ``dataclasses.replace``.
    """
    who = served(exchange)
    named = accounts.naming(exchange)
    all_notes = [*exchange.notes, *notes]
    spent = accounts.tokens(exchange, named, calls, all_notes, named_in_turn=kind.named_in_turn)
    return Trace(
        outcome=Outcome.ANSWERED,
        outcome_detail=None,
        profile_type=kind.profile_type,
        execution_path=kind.execution_path,
        question=_question(exchange),
        complexity=exchange.record.trial.complexity,
        profile_tag=who.profile_tag,
        provider=who.provider,
        model=who.model,
        models_used=who.models_used,
        timing=clocks.timing(exchange, named, agent_s),
        tokens=spent,
        llm_calls=calls,
        context=context.modules(exchange),
        sources=_sources(exchange),
        answer=_answer(exchange),
        price_fallback=accounts.priced_by_fallback(spent, who.model),
        unclassified=sum(1 for event in exchange.events if not _known(event.kind)),
        notes=tuple(all_notes),
    )


def _question(exchange: Exchange) -> str | None:
    """Return the question. A planner's turn may hold it with documents before it, so the trial's own prompt comes first."""
    asked = exchange.record.trial.prompt or text(exchange.turn.get("user_query"))
    return asked or text(exchange.first("execution_start", "conversation_agent_start", "genie_coordination_start").get("query"))


def _answer(exchange: Exchange) -> str | None:
    """Return the answer as text. A genie's turn keeps 500 characters of it, so the result comes first.

    Source: docs/reference/protocol.md, "Turn fields".
    """
    turn = exchange.turn
    return (
        text(exchange.result.get("final_answer_text"))
        or text(turn.get("final_summary_text"))
        or text(turn.get("final_summary"))
        or text(turn.get("final_response"))
        or (text(exchange.result.get("final_answer")) if "final_answer_text" not in exchange.result else None)
    )


def _sources(exchange: Exchange) -> tuple[Source, ...] | None:
    """Return the retrieved chunks in order of rank, or None where the turn did not search.

    A search without a result has events that lack ``chunks``. Source: docs/reference/protocol.md, "Retrieval and genie events".
    """
    events = [event for kind in ("knowledge_retrieval_complete", "knowledge_retrieval") for event in exchange.all(kind)]
    if not events:
        return None
    listed = [sequence(place.get("chunks")) for event in events for place in (event.body, mapping(event.details))]
    chunks = map(mapping, next(filter(None, listed), ()))
    return tuple(
        Source(
            name=text(chunk.get("source")) or text(chunk.get("collection_name")),  # a planner's chunks name no document
            document_id=text(chunk.get("document_id")),
        )
        for chunk in chunks
    )


def _known(kind: str) -> bool:
    return kind in EVENT_KINDS or kind.startswith(EVENT_FAMILIES)
