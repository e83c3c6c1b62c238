"""A metric, a detector and a profile type from another distribution; nothing is registered by importing this."""

from __future__ import annotations

from uderia_bench.plugins import (
    Assumption,
    Detector,
    Direction,
    Evidence,
    Exchange,
    Finding,
    Kind,
    Metric,
    ProfileType,
    Severity,
    Thresholds,
    Trace,
    assemble,
)

_LONG = 200  # words: too long to read in a terminal


def _words(trace: Trace) -> int | None:
    return None if trace.answer is None else len(trace.answer.split())


def _long(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    words = _words(trace) or 0
    return (Finding(evidence=(Evidence(said=f"{words} words"),)),) if words > _LONG else ()


def _is_echo(exchange: Exchange) -> bool:
    return "echo_complete" in exchange.by_kind


def _read_echo(exchange: Exchange) -> Trace:
    return assemble(exchange, Kind(profile_type="echo", execution_path="echo"))


ANSWER_WORDS = Metric(
    name="answer_words",
    family="answer",
    doc="Words in the answer's text.",
    unit="1",
    kind=int,
    direction=Direction.NEUTRAL,
    assumption=Assumption.AMOUNT,
    read=_words,
)
LONG_ANSWER = Detector(
    name="long_answer",
    doc="The answer is too long to read in a terminal.",
    severity=Severity.INFO,
    recommendation="Ask for a shorter answer.",
    find=_long,
)
ECHO = ProfileType(name="echo", doc="A profile that repeats the question.", recognises=_is_echo, read=_read_echo)
