"""The trace of one turn of the agent, in the same form for every profile type: plan, phases, LLM calls and tool calls.

A profile type (``reading/profile_types``) makes a trace from the raw record; metrics and detectors
read it. A time in seconds (``*_s``) is on the server's clock, from the task's first event, unless
its doc says otherwise. A number is finite, and None means missing; a 0 was counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from uderia_bench.trial import Outcome


class CallClass(StrEnum):
    """Purpose of an LLM call."""

    STRATEGIC = "strategic"
    TACTICAL = "tactical"
    REPORT = "report"
    CORRECTION = "correction"
    OTHER = "other"  # argument refinement, LLM tools, an agent's own steps


class PhasePath(StrEnum):
    """Path of a phase to its tool call."""

    FAST = "fast"  # no tactical call
    TACTICAL = "tactical"
    DISPATCHED = "dispatched"  # several tools, called one after the other without a tactical call
    ORCHESTRATED = "orchestrated"  # date ranges and columns that the server expanded
    SKIPPED = "skipped"
    UNKNOWN = "unknown"  # it ended before it called a tool


class StepKind(StrEnum):
    """Kind of a step. Steps of one kind are counted from 1 in the order of the trace."""

    PHASE = "phase"
    LLM_CALL = "llm_call"
    TOOL_CALL = "tool_call"


class SignalKind(StrEnum):
    """Kind of deviation from the plan that the server reports."""

    REWRITE = "rewrite"  # it changed the plan
    HYDRATION = "hydration"  # it put an earlier turn's results into the plan
    DISTILLATION = "distillation"  # it summarised results or documents
    CORRECTION = "correction"  # it asked an LLM to correct a failed tool call
    FORMAT_REPAIR = "format_repair"  # it could not parse the text of an LLM
    RECURSION_GUARD = "recursion_guard"  # it stopped a repetition


class ToolStatus(StrEnum):
    """Result of a tool call. A result without a status is a success, as on the server."""

    SUCCESS = "success"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPhase:
    """A phase of the strategic plan, after the server's rewrites."""

    number: int
    goal: str
    tools: tuple[str, ...]
    arguments: str = "{}"  # canonical JSON
    looped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase as executed. ``path`` is what happened; ``fastpath_logged`` is whether the server announced a fast path."""

    number: int
    goal: str
    tools: tuple[str, ...]
    path: PhasePath
    fastpath_logged: bool
    status: str  # completed, skipped, or aborted if it has no end
    looped: bool = False
    parallel: bool = False
    start_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmCall:
    """One call to a language model that the server logs, session naming excluded.

    ``cached_tokens`` are the input tokens that the provider took from its cache, 0 where unknown.
    """

    call_class: CallClass
    label: str  # the server's wording
    input_tokens: int
    output_tokens: int
    call_id: str | None = None
    phase: int | None = None
    model: str | None = None
    cost_usd: float | None = None
    cached_tokens: int = 0
    start_s: float | None = None
    duration_s: float | None = None
    depth: int = 0

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool. ``system`` tools are Uderia's own ``TDA_*`` and not data tools.

    ``llm_chosen`` is whether a tactical, correction or agent step of the LLM chose this call; else
    the plan or the dispatcher did. ``attempt`` counts from 1: a retry of a failed call is the next
    attempt. ``iteration`` is the reason why a call repeats by design: ``loop``, ``day``, ``range``
    or ``column``.
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
    """One deviation from the plan, in the server's words; ``phase`` is the number of the phase it belongs to."""

    kind: SignalKind
    said: str
    phase: int | None = None
    at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextModule:
    """Share of one module of the server's context window in a prompt, in tokens as the server estimates them.

    ``assembly`` is the server's name for the prompt: the turn's window, or the window of one
    planning step.
    """

    assembly: str
    label: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A chunk of a document that retrieval found. ``name`` is the document's title, else its file name."""

    name: str | None
    document_id: str | None

    @property
    def called(self) -> frozenset[str]:
        """The words by which a corpus may name the document, in lower case."""
        return frozenset(name.casefold() for name in (self.name, self.document_id) if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A profile that a coordinator (genie) consulted.

    ``never_started``: it failed before it had a session, so it spent nothing.
    """

    profile_tag: str
    session_id: str | None
    status: ToolStatus
    never_started: bool = False
    start_s: float | None = None
    duration_s: float | None = None
    error: str | None = None

    @property
    def call(self) -> ToolCall:
        """The consultation as a tool call of the coordinator, with the name that the server gives it."""
        own = {name: getattr(self, name) for name in ("status", "error", "start_s", "duration_s")}
        return ToolCall(name=f"invoke_{self.profile_tag}", arguments="null", system=False, llm_chosen=True, **own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of one trial, in seconds.

    From the client's clock: ``queue_s`` is the wait from when the trial was due until its query was
    sent. ``submit_s`` is the round trip of the query's POST request, and ``stall_s`` the part of it
    in which the client's event loop was blocked. ``seen_lo_s`` and ``seen_hi_s`` are the last poll
    before the end and the first after it, from the send.

    From the server's timestamps, after the first event: ``answer_s``, ``terminal_s`` (the terminal
    status), ``naming_s`` (session naming in total), ``naming_before_answer_s`` (its part before the
    answer) and ``agent_s`` (the duration the agent reports, naming excluded). ``step_s`` is a step of
    the server's clock during the trial, for which these times are corrected; None without one.
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
    step_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Totals of the turn as the server counts them; input, output and cost exclude session naming."""

    input: int | None = None
    output: int | None = None
    naming_input: int | None = None
    naming_output: int | None = None
    cost_usd: float | None = None
    naming_cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One turn of the agent. ``profile_type`` and ``execution_path`` come from its events."""

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
    plan: tuple[PlannedPhase, ...] | None = None  # None: this type makes no plan; (): it failed to make one
    phases: tuple[Phase, ...] = ()
    llm_calls: tuple[LlmCall, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    children: tuple[Child, ...] = ()
    signals: tuple[Signal, ...] = ()
    context: tuple[ContextModule, ...] = ()
    sources: tuple[Source, ...] | None = None  # found chunks, the best first; None where no knowledge was searched
    plan_rewrites: int = 0
    corrections: int = 0
    format_repairs: int = 0
    rag_used: bool | None = None
    rag_exact: bool | None = None  # the plan that was found first answered the same question; None where none was found
    rag_case: str | None = None  # id of that plan
    hydrated: bool | None = None
    distillations: int = 0
    orchestrations: int = 0
    answer: str | None = None
    price_fallback: bool | None = None
    list_cost_usd: float | None = None  # tokens at a price list; None without one
    expected_sources: tuple[str, ...] = ()  # documents that the corpus expects, by title, file name or id
    checks_passed_ratio: float | None = None  # weight of the passed expectations / of all; None without any
    preference: float | None = None  # 1 where a judge prefers this answer to the other arm's, 0 where the other, .5 for a tie
    lower_bound: bool = False  # tokens, cost, calls and tools lack those of a consulted profile
    foreign_tools: bool = False  # the planning prompt had, or probably had, the tools of another profile
    unclassified: int = 0  # unknown events and log messages
    notes: tuple[str, ...] = ()  # disagreements between sources, and faults that the reader worked around

    @property
    def tools(self) -> tuple[ToolCall, ...]:
        """The tool calls, then the consulted profiles as calls."""
        return (*self.tool_calls, *(child.call for child in self.children))
