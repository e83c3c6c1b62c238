"""Tokens and cost of a turn, session naming excluded, with a note where the sources disagree.

The order of the sources (docs/reference/seed.md, "Measurement") is: the turn, the final events,
token updates, the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.reading.profile_types.lenient import amount, count, mapping, text
from uderia_bench.reading.profile_types.wordings import FALLBACK_PRICE, NAMING_CALL_IDS, PRICED_LIKE_FALLBACK
from uderia_bench.trace import LlmCall, Tokens

_AT_ONCE_S = 0.001  # two events this close were sent together; an LLM call takes longer
_PRICE_ROUNDING = 1e-9  # costs are sums of floats; a real price differs in the sixth decimal


@dataclass(frozen=True, slots=True)
class Spent:
    """Input and output tokens with their cost, which may be unknown."""

    input: int
    output: int
    cost_usd: float | None = None

    def less(self, other: Spent) -> Spent:
        """Return the rest after ``other`` is taken out."""
        cost = None if self.cost_usd is None else max(0.0, self.cost_usd - (other.cost_usd or 0.0))
        return Spent(max(0, self.input - other.input), max(0, self.output - other.output), cost)


@dataclass(frozen=True, slots=True)
class Naming:
    """Tokens and cost of session naming, and its intervals as (start, end) in seconds from the first event."""

    spent: Spent
    intervals: tuple[tuple[float, float], ...]


def naming(exchange: Exchange) -> Naming:
    """Return the tokens, cost and times of session naming; all zero without naming.

    Source: docs/reference/protocol.md, "Session naming".
    """
    tokens_in = tokens_out = 0
    cost = 0.0
    completes = exchange.all("session_name_generation_complete")
    for event in completes:
        details = mapping(event.details)
        tokens_in += count(details.get("input_tokens")) or 0
        tokens_out += count(details.get("output_tokens")) or 0
        cost += amount(details.get("cost_usd")) or 0.0
    if not completes:  # the event was lost, but its token update came
        for event in exchange.all("token_update"):
            if text(event.body.get("call_id")) in NAMING_CALL_IDS:
                tokens_in += count(event.body.get("statement_input")) or 0
                tokens_out += count(event.body.get("statement_output")) or 0
                cost += amount(event.body.get("cost_usd")) or 0.0
    starts = [exchange.since_start(event.at) for event in exchange.all("session_name_generation_start")]
    ends = [exchange.since_start(event.at) for event in completes]
    pairs = zip(starts, ends, strict=False)
    intervals = tuple((a, b) for a, b in pairs if a is not None and b is not None and a <= b)
    return Naming(Spent(tokens_in, tokens_out, cost), _before_a_late_answer(exchange, intervals))


def _before_a_late_answer(exchange: Exchange, intervals: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Return a coordinator's naming where it really was: between its last token update and its answer.

    The server names the session of a coordinator before it sends the answer, but stamps both events
    of naming after it (docs/reference/measured.md, "Genie").
    """
    answers = exchange.all("final_answer")
    answered = exchange.since_start(answers[-1].at) if answers else None
    spent = [event for event in exchange.all("token_update") if (text(event.body.get("call_id")) or "").startswith("genie_")]
    spent = [event for event in spent if text(event.body.get("call_id")) not in NAMING_CALL_IDS]
    begun = exchange.since_start(spent[-1].at) if spent else None
    if answered is None or begun is None or begun > answered or len(intervals) != 1:
        return intervals
    start, end = intervals[0]
    return ((begun, answered),) if start >= answered and end - start < _AT_ONCE_S else intervals


def tokens(
    exchange: Exchange, named: Naming, calls: tuple[LlmCall, ...], notes: list[str], *, named_in_turn: bool = True
) -> Tokens:
    """Return the turn's totals, naming excluded; disagreements between sources go to ``notes``.

    ``named_in_turn`` is False for genie, whose turn does not include naming. The cost of a
    dual-model turn is the sum of its calls, because the server prices the turn at the base model
    (docs/reference/protocol.md, "Costs").
    """
    out = named.spent if named_in_turn else Spent(0, 0, 0.0)
    sources = _sources(exchange, out, named.spent, calls)
    if not sources:
        readable = bool(exchange.events or exchange.turn)
        return Tokens(
            naming_input=named.spent.input if readable else None,
            naming_output=named.spent.output if readable else None,
            naming_cost_usd=named.spent.cost_usd if readable else None,
        )
    first_name, spent = sources[0]
    for name, other in sources[1:]:
        if (other.input, other.output) != (spent.input, spent.output):
            notes.append(f"{first_name} says {spent.input}/{spent.output} tokens, {name} says {other.input}/{other.output}")
    cost = next((source.cost_usd for _, source in sources if source.cost_usd is not None), None)
    if exchange.session.get("is_dual_model_active") is True and calls:
        known = [call.cost_usd for call in calls if call.cost_usd is not None]
        cost = sum(known) if len(known) == len(calls) else cost
    return Tokens(
        input=spent.input,
        output=spent.output,
        naming_input=named.spent.input,
        naming_output=named.spent.output,
        cost_usd=cost,
        naming_cost_usd=named.spent.cost_usd,
    )


def need_calls(exchange: Exchange) -> bool:
    """Return whether the totals need the calls: the turn itself has no totals, or it used two models."""
    spent = _of_turn(exchange)
    return spent is None or not (spent.input or spent.output) or exchange.session.get("is_dual_model_active") is True


def _of_turn(exchange: Exchange) -> Spent | None:
    return _spent(exchange.turn, "turn_input_tokens", "turn_output_tokens", exchange.turn.get("turn_cost"))


def _sources(exchange: Exchange, out: Spent, named: Spent, calls: tuple[LlmCall, ...]) -> list[tuple[str, Spent]]:
    """Return the turn's tokens without naming from each source, in order of precedence."""
    found: list[tuple[str, Spent]] = []
    spent = _of_turn(exchange)
    by_calls = Spent(sum(call.input_tokens for call in calls), sum(call.output_tokens for call in calls))
    # A failed agent's turn says 0 (docs/reference/protocol.md, "Token updates").
    if spent is not None and (spent.input or spent.output or not by_calls.input):
        found.append(("the turn", spent.less(out)))
    found.extend(_final_events(exchange, out))
    updates = exchange.all("token_update")
    if updates:
        body = updates[-1].body
        spent = _spent(body, "turn_input", "turn_output") or _spent(body, "total_input", "total_output")
        if spent is not None:
            said_name = any(text(event.body.get("call_id")) in NAMING_CALL_IDS for event in updates)
            agrees = bool(found) and (spent.input, spent.output) == (found[0][1].input, found[0][1].output)
            found.append(("the last token update", spent.less(named) if said_name and not agrees else spent))
    result = exchange.result
    spent = _spent(result, "turn_input_tokens", "turn_output_tokens")
    if spent is not None:
        found.append(("the result", spent))
    if not found and calls:
        found.append(("the sum of the calls", by_calls))
    return found


def _final_events(exchange: Exchange, out: Spent) -> list[tuple[str, Spent]]:
    found: list[tuple[str, Spent]] = []
    for kind, keys in (
        ("conversation_agent_complete", ("input_tokens", "output_tokens")),
        ("genie_coordination_complete", ("input_tokens", "output_tokens")),
        ("execution_complete", ("total_input_tokens", "total_output_tokens")),
        ("execution_error", ("partial_input_tokens", "partial_output_tokens")),
        ("execution_cancelled", ("partial_input_tokens", "partial_output_tokens")),
    ):
        body = exchange.last(kind)
        spent = _spent(body, *keys, body.get("cost_usd"))
        if spent is None or (kind == "conversation_agent_complete" and "rag_llm_step" in exchange.by_kind):
            continue
        if kind == "execution_complete" and _includes_naming(exchange, body):
            spent = spent.less(out)
        found.append((kind, spent))
    return found


def _includes_naming(exchange: Exchange, body: dict[str, Any]) -> bool:
    """Return whether the totals of ``execution_complete`` include naming: it came after naming.

    A retrieval names last, unless it found nothing; a turn keeps the events in another order.

    Source: docs/reference/protocol.md, "Session naming".
    """
    if body.get("profile_type") == "rag_focused" and exchange.turn.get("no_knowledge_found") is not True:
        return False
    for event in reversed(exchange.events):
        if event.kind == "session_name_generation_complete":
            return False
        if event.kind == "execution_complete":
            break
    return "session_name_generation_complete" in exchange.by_kind


def _spent(values: dict[str, object], in_key: str, out_key: str, cost: object = None) -> Spent | None:
    tokens_in, tokens_out = count(values.get(in_key)), count(values.get(out_key))
    return None if tokens_in is None or tokens_out is None else Spent(tokens_in, tokens_out, amount(cost))


def priced_by_fallback(spent: Tokens, model: str | None) -> bool | None:
    """Return whether the turn's cost is exactly the server's default price for unknown models; None without a cost."""
    if spent.cost_usd is None or spent.input is None or spent.output is None or not (spent.input or spent.output):
        return None
    if any(name in (model or "") for name in PRICED_LIKE_FALLBACK):
        return False
    per_input, per_output = FALLBACK_PRICE
    return abs(spent.cost_usd - (spent.input * per_input + spent.output * per_output) / 1e6) < _PRICE_ROUNDING
