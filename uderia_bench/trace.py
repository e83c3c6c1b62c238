"""What one turn of the agent did, in our words, whatever the profile type: plan, phases, LLM calls, tool calls. Values only.

A trace is made from a raw record by a profile type (``profile_types``) and read by metrics and detectors. Nothing here knows
the server's JSON. A time in seconds (``*_s``) is relative to the task's first event on the server's own clock, unless it says
otherwise. None is the only missing: an int of 0 was counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from uderia_bench.trial import Outcome


class CallClass(StrEnum):
    """What an LLM call was made for."""

    STRATEGIC = "strategic"
    TACTICAL = "tactical"
    REPORT = "report"
    CORRECTION = "correction"
    OTHER = "other"  # argument refinement, LLM tools, an agent's own steps


class PhasePath(StrEnum):
    """How a phase came to its tool call."""

    FAST = "fast"  # no tactical call
    TACTICAL = "tactical"
    DISPATCHED = "dispatched"  # several tools, each run in turn without a tactical call
    ORCHESTRATED = "orchestrated"  # date ranges and columns, expanded by the server
    SKIPPED = "skipped"
    UNKNOWN = "unknown"  # it ended before it came to a tool


class StepKind(StrEnum):
    """What a step is; steps of one kind are counted from 1 in the order of the trace."""

    PHASE = "phase"
    LLM_CALL = "llm_call"
    TOOL_CALL = "tool_call"


class SignalKind(StrEnum):
    """What the server itself said went otherwise than planned."""

    REWRITE = "rewrite"  # it changed the plan
    HYDRATION = "hydration"  # it put an earlier turn's results into the plan
    DISTILLATION = "distillation"  # it summarised results or documents
    CORRECTION = "correction"  # it asked an LLM to correct a failed tool call
    FORMAT_REPAIR = "format_repair"  # what an LLM wrote could not be read as it was
    RECURSION_GUARD = "recursion_guard"  # it stopped a repetition


class ToolStatus(StrEnum):
    """How one tool call ended; a result without a status counts as success, as the server counts it."""

    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPhase:
    """A phase of the strategic plan as it stood after the server's rewrites."""

    number: int
    goal: str
    tools: tuple[str, ...]
    arguments: str = "{}"  # canonical JSON
    looped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase as executed. ``fastpath_logged``: the server announced it; the path is what really happened."""

    number: int
    goal: str
    tools: tuple[str, ...]
    path: PhasePath
    fastpath_logged: bool
    status: str  # completed, skipped, or aborted where it never ended
    looped: bool = False
    parallel: bool = False
    start_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmCall:
    """One call to a language model that the server accounts for. Session naming is not among them."""

    call_class: CallClass
    label: str  # the server's wording
    input_tokens: int
    output_tokens: int
    call_id: str | None = None
    phase: int | None = None
    model: str | None = None
    cost_usd: float | None = None
    start_s: float | None = None
    duration_s: float | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool. ``system``: Uderia's own ``TDA_*``, not a data tool.

    ``llm_chosen``: a tactical, correction or agent step of the LLM chose this very call; False where plan or dispatcher did.
    ``attempt`` counts the tries of one call from 1. ``iteration`` says why a call legitimately repeats: ``loop``, ``day``,
    ``range`` or ``column``.
    """

    name: str
    arguments: str  # canonical JSON
    system: bool
    status: ToolStatus
    llm_chosen: bool
    phase: int | None = None
    attempt: int = 1
    iteration: str | None = None
    error: str | None = None
    start_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing the server said of its own work, in its words; ``phase`` is the phase's number where it fell into one."""

    kind: SignalKind
    said: str
    phase: int | None = None
    at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextModule:
    """What one module of the server's context window put into a prompt, in tokens as the server estimates them.

    ``assembly`` is the server's name for the prompt: the turn's window, or that of one planning step.
    """

    assembly: str
    label: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A profile that a coordinator (genie) consulted. Its own tokens and cost stand in its own session, not in this turn."""

    profile_tag: str
    session_id: str | None
    status: ToolStatus
    start_s: float | None = None
    duration_s: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The clocks of one trial, in seconds.

    ``queue_s``, ``submit_s``, ``stall_s`` and ``seen_*`` are the client's: the wait from when the trial was due until its query
    was sent, the query POST's round trip, the part of it in which our own event loop stood still, and the end as polling
    bracketed it (from the send). The others are the server's, from the first event: the answer, the terminal status, session
    naming in total, the part of naming that comes before the answer, and what the agent itself reported (naming out).
    """

    queue_s: float | None = None
    submit_s: float | None = None
    stall_s: float | None = None
    seen_lo_s: float | None = None
    seen_hi_s: float | None = None
    answer_s: float | None = None
    terminal_s: float | None = None
    naming_s: float | None = None
    naming_before_answer_s: float = 0.0
    agent_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Totals of the turn as the server accounts for them, session naming taken out of input, output and cost."""

    input: int | None = None
    output: int | None = None
    naming_input: int | None = None
    naming_output: int | None = None
    cost_usd: float | None = None
    naming_cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One turn, read. ``profile_type`` and ``execution_path`` are detected from the events, not believed from the profile."""

    outcome: Outcome
    outcome_detail: str | None
    profile_type: str | None
    execution_path: str | None
    question: str | None = None
    complexity: str | None = None  # the corpus's label; None without one
    profile_tag: str | None = None
    provider: str | None = None
    model: str | None = None
    models_used: tuple[str, ...] = ()
    timing: Timing = field(default_factory=Timing)
    tokens: Tokens = field(default_factory=Tokens)
    plan: tuple[PlannedPhase, ...] | None = None  # None: this type plans no phases; (): it should have and did not
    phases: tuple[Phase, ...] = ()
    llm_calls: tuple[LlmCall, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    children: tuple[Child, ...] = ()
    signals: tuple[Signal, ...] = ()
    context: tuple[ContextModule, ...] = ()
    plan_rewrites: int = 0
    corrections: int = 0
    format_repairs: int = 0
    recursion_guards: int = 0  # the server itself stopped a repetition
    rag_used: bool | None = None
    hydrated: bool | None = None
    distillations: int = 0
    orchestrations: int = 0
    answer: str | None = None
    price_fallback: bool | None = None
    list_cost_usd: float | None = None  # tokens at a price table; None without one
    checks_passed_ratio: float | None = None  # of what the corpus expects of the answer; None where it expects nothing
    unclassified: int = 0  # events and log messages that no pattern knows
    notes: tuple[str, ...] = ()  # disagreements between sources, and what was tolerated
