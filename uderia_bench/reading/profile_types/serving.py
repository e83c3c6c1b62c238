"""Profile, provider and models that served a trial, and whether they are the ones that were asked for.

Overlapping arms contaminate each other (docs/reference/measured.md, "Overlapping arms contaminate
each other"), and a foreign model shows only in the session. So ``models_used`` and every list of
``dual_model_usage`` count. The session's ``profile_tag``, ``provider`` and ``model`` change at any
time (docs/reference/protocol.md, "Session fields") and are not used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.reading.profile_types.lenient import mapping, text, texts

_STARTS = ("execution_start", "conversation_agent_start", "genie_coordination_start")
_DUAL_ROLES = ("strategic", "tactical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Profile, provider and models of a trial, None where unknown. ``models_used`` are ``"Provider/model"``."""

    profile_tag: str | None
    provider: str | None
    model: str | None
    models_used: tuple[str, ...]

    @property
    def own_model(self) -> str | None:
        """The turn's own model as ``"Provider/model"``."""
        return f"{self.provider}/{self.model}" if self.provider and self.model else None


NO_SWITCH = "the server could not switch to profile"
"""Start of the reason of a trial that another profile served because the server could not load the right one."""
LONGEST_REASON = 300  # characters of the server's own message


def served(exchange: Exchange) -> Served:
    """Return what served a trial: from the turn, else from the events."""
    turn = exchange.turn
    start = exchange.first(*_STARTS)
    step = exchange.first("conversation_llm_step", "rag_llm_step")
    announced = exchange.first("user_message_profile_tag")
    return Served(
        profile_tag=text(turn.get("profile_tag")) or text(start.get("profile_tag")) or text(announced.get("profile_tag")),
        provider=text(turn.get("provider")) or text(start.get("provider")) or text(step.get("provider")),
        model=text(turn.get("model")) or text(start.get("model")) or text(step.get("model")),
        models_used=_models_used(exchange),
    )


def misrouting(exchange: Exchange) -> str | None:
    """Return in words why a trial was not served by what was asked for, or None."""
    expected = exchange.record.expected
    who = served(exchange)
    failed = exchange.last("profile_override_failed")
    if failed:
        message = failed.get("error_message")
        words = text(message) or (json.dumps(message, ensure_ascii=False) if message else "")
        said = " ".join(words.split())[:LONGEST_REASON]
        tag = text(failed.get("override_profile_tag")) or expected.profile_tag or "?"
        return f"{NO_SWITCH} {tag}" + (f": {said}" if said else "")
    if expected.profile_tag and who.profile_tag and not same_tag(expected.profile_tag, who.profile_tag):
        return f"profile {who.profile_tag} served it, {expected.profile_tag} was asked for"
    return _wrong_profile_id(exchange, who) or _foreign_model(exchange, who)


def same_tag(one: str, other: str) -> bool:
    """Return whether two profile tags are the same, with or without @, in any case (docs/reference/seed.md, "Old formats")."""
    return one.lstrip("@").upper() == other.lstrip("@").upper()


def _wrong_profile_id(exchange: Exchange, who: Served) -> str | None:
    """Compare the requested profile id with the executed one; an unknown id leaves no trace.

    Source: docs/reference/measured.md, "Surprises", number 2.
    """
    asked = exchange.record.expected.profile_id or text(exchange.task.get("profile_id_override"))
    executed = text(exchange.session.get("last_executed_profile_id"))
    if asked and executed and asked != executed:
        return f"profile {executed} served it, {asked} was asked for"
    silent = executed is None and bool(exchange.turn) and "user_message_profile_tag" not in exchange.by_kind
    if asked and silent and exchange.task.get("events"):
        return f"the server does not know profile {asked} and ran {who.profile_tag or 'another one'}"
    return None


def _foreign_model(exchange: Exchange, who: Served) -> str | None:
    allowed = set(exchange.record.expected.models)
    if not allowed:
        if who.own_model is None:
            return None
        allowed = {who.own_model, *_dual_models(exchange)}
    taking_part = (who.own_model, *who.models_used) if who.own_model else who.models_used
    foreign = [model for model in dict.fromkeys(taking_part) if model not in allowed]
    if foreign:
        return f"{', '.join(foreign)} took part, only {', '.join(sorted(allowed))} should have"
    return None


def _models_used(exchange: Exchange) -> tuple[str, ...]:
    session = exchange.session
    found = list(texts(session.get("models_used")))
    for models in mapping(session.get("dual_model_usage")).values():
        found.extend(texts(models))
    if not session:
        found.extend(texts(exchange.last("session_model_update").get("models_used")))
    return tuple(dict.fromkeys(found))


def _dual_models(exchange: Exchange) -> tuple[str, ...]:
    session = exchange.session
    if session.get("is_dual_model_active") is not True:
        return ()
    pairs = [(text(session.get(f"{role}_provider")), text(session.get(f"{role}_model"))) for role in _DUAL_ROLES]
    return tuple(f"{provider}/{model}" for provider, model in pairs if provider and model)
