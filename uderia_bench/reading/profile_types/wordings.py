"""Meaning of the server's own wordings: tables of patterns, each with its source.

All wordings of the server are here and in no other module. A source ``p`` is a heading of
docs/reference/protocol.md, ``o`` of docs/reference/measured.md, ``s`` of docs/reference/seed.md
(older servers). The reader counts a message or event kind without a row as unclassified.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from uderia_bench.trace import CallClass


class Meaning(StrEnum):
    """Meaning of a log message of the planner."""

    KNOWN = "known"  # known, but not counted
    LLM_CALL = "llm_call"
    PLAN = "plan"
    REWRITE = "rewrite"
    HYDRATION = "hydration"
    PHASE_START = "phase_start"
    PHASE_END = "phase_end"
    PARALLEL = "parallel"
    FAST_PATH = "fast_path"
    DISPATCH = "dispatch"
    COLUMNS = "columns"  # a column iteration: one entry stands for many calls
    DISTILLATION = "distillation"
    CORRECTION = "correction"  # one attempt at self-correction
    FORMAT_REPAIR = "format_repair"
    RECURSION_GUARD = "recursion_guard"
    UNRECOVERABLE = "unrecoverable"


@dataclass(frozen=True, slots=True)
class Wording:
    """One row: a message (its start, if ``prefix``), the text that its details must contain, and its meaning."""

    message: str
    meaning: Meaning
    source: str
    says: str = ""  # lower case; searched in the details' summary, or in the details where they are a string
    call_class: CallClass | None = None
    prefix: bool = False
    stream_only: bool = False  # never in a trace (docs/reference/protocol.md, "Log messages")


# The first matching row applies, so the rows of one message go from the specific to the general.
MESSAGES: tuple[Wording, ...] = (
    Wording("Calling LLM for Planning", Meaning.LLM_CALL, "p Log messages, PL:2949", call_class=CallClass.STRATEGIC),
    Wording("Calling LLM for Tactical Action", Meaning.LLM_CALL, "p Log messages, PE:1504", call_class=CallClass.TACTICAL),
    Wording("Calling LLM for Tactical Selection", Meaning.LLM_CALL, "s Old formats", call_class=CallClass.TACTICAL),
    Wording("Calling LLM for Argument Refinement", Meaning.LLM_CALL, "p Log messages, PE:2024", call_class=CallClass.OTHER),
    Wording("Calling LLM for Argument Enrichment", Meaning.LLM_CALL, "p Log messages, EX:2530", call_class=CallClass.OTHER),
    Wording("Calling LLM for Self-Correction", Meaning.LLM_CALL, "p Log messages, PE:63", call_class=CallClass.CORRECTION),
    Wording("Attempting LLM-based Recovery", Meaning.LLM_CALL, "p Log messages, PE:2844", call_class=CallClass.CORRECTION),
    Wording("Calling LLM for TDA_FinalReport", Meaning.LLM_CALL, "p Log messages, PE:2176", call_class=CallClass.REPORT),
    Wording(
        "Calling LLM for TDA_ComplexPromptReport", Meaning.LLM_CALL, "p Log messages, PE:2176", call_class=CallClass.REPORT
    ),
    Wording("Calling LLM for TDA_", Meaning.LLM_CALL, "p Log messages, PE:2176", call_class=CallClass.OTHER, prefix=True),
    Wording("Analyzing Plan Efficiency", Meaning.LLM_CALL, "p Log messages, PL:1528", call_class=CallClass.OTHER),
    Wording("Optimizing SQL Plan", Meaning.LLM_CALL, "p Log messages, PL:1948", call_class=CallClass.OTHER),
    Wording("Synthesizing Knowledge Answer", Meaning.LLM_CALL, "p Log messages, PL:1797", call_class=CallClass.OTHER),
    Wording(
        "Chart Mapping Resolution (LLM)", Meaning.LLM_CALL, "p Log messages, chart/handler.py:946", call_class=CallClass.OTHER
    ),
    Wording("Calculating date range.", Meaning.LLM_CALL, "p Orchestrators, OR:296", call_class=CallClass.OTHER),
    Wording("Calling LLM", Meaning.LLM_CALL, "p Log messages, EX:1086", call_class=CallClass.OTHER),
    Wording("Strategic Meta-Plan Generated", Meaning.PLAN, "p Log messages, PL:2488"),
    Wording("Plan Rewrite", Meaning.REWRITE, "p Log messages, PL:2427"),
    Wording("Re-planning for Efficiency", Meaning.KNOWN, "p Log messages, OE:835"),
    Wording("Plan Optimization", Meaning.HYDRATION, "p Log messages, PL:245", says="plan hydration:"),
    Wording("Plan Optimization", Meaning.HYDRATION, "p Log messages, PL:922", says="chart data reuse:"),
    Wording("Plan Optimization", Meaning.FAST_PATH, "p Fast paths, PE:584, PE:1326; s Old formats", says="fastpath"),
    Wording("Plan Optimization", Meaning.FAST_PATH, "p Fast paths, PE:1175", says="component fast-path"),
    Wording("Plan Optimization", Meaning.KNOWN, "p Log messages, PL:427-525, EX:2850-2968"),
    Wording("System Correction", Meaning.FORMAT_REPAIR, "p Log messages, PL:2990", says="was not valid json", stream_only=True),
    Wording(
        "System Correction", Meaning.FORMAT_REPAIR, "p Log messages, PE:2517", says="llm omitted tool_name", stream_only=True
    ),
    Wording(
        "System Correction", Meaning.FORMAT_REPAIR, "p Log messages, PE:2517", says="llm omitted prompt_name", stream_only=True
    ),
    Wording("System Correction", Meaning.RECURSION_GUARD, "p Log messages, EX:2981", says="circular prompt execution blocked"),
    Wording("System Correction", Meaning.KNOWN, "p Log messages, PL:1031-3081"),
    Wording("System Auto-Correction", Meaning.FORMAT_REPAIR, "p Log messages, PE:2294"),
    Wording("System Self-Correction", Meaning.CORRECTION, "p Log messages, PE:2354", says="attempting self-correction"),
    Wording("System Self-Correction", Meaning.KNOWN, "p Log messages, PE:102-119"),
    Wording("System Self-Correction Failed", Meaning.KNOWN, "p Log messages, PE:2415"),
    Wording("Persistent Failure", Meaning.KNOWN, "p Log messages, PE:2422"),
    Wording(
        "System Error", Meaning.RECURSION_GUARD, "p Log messages, PE:1533", says="repetitive action detected", stream_only=True
    ),
    Wording("System Error", Meaning.KNOWN, "p Log messages"),
    Wording("Recovery Plan Generated", Meaning.KNOWN, "p Log messages, PE:2931"),
    Wording("Starting Plan Phase ", Meaning.PHASE_START, "p Log messages, PE:436", prefix=True),
    Wording("Ending Plan Phase ", Meaning.PHASE_END, "p Log messages, PE:737", prefix=True),
    Wording("Parallel Execution: phases ", Meaning.PARALLEL, "p Log messages, EX:2743", prefix=True),
    Wording("Phase ", Meaning.KNOWN, "p Log messages, EX:2778", prefix=True),
    Wording("Scope-Aware Dispatcher Active", Meaning.DISPATCH, "p Log messages, PE:977"),
    Wording("Scope-Aware Dispatcher Action", Meaning.COLUMNS, "p Log messages, PE:633", says="column iteration"),
    Wording("Scope-Aware Dispatcher Action", Meaning.KNOWN, "p Log messages, PE:1003"),
    Wording("Context Optimization", Meaning.DISTILLATION, "p Context optimization"),
    Wording("Unrecoverable Error", Meaning.UNRECOVERABLE, "p Log messages, OE:872"),
    Wording("Context Window Assembly", Meaning.KNOWN, "p Log messages, EX:2155"),
    Wording("Context Assembly ", Meaning.KNOWN, "p Planner events", prefix=True),
    Wording("Security Warning", Meaning.KNOWN, "p Log messages, EX:2075"),
    Wording("Loading Workflow Prompt", Meaning.KNOWN, "p Log messages, PL:2505"),
    Wording("Conversational Response Identified", Meaning.KNOWN, "p Log messages, PL:3023"),
    Wording("Processing Loop Item ", Meaning.KNOWN, "p Log messages, PE:610", prefix=True),
    Wording("Skipping Empty Loop", Meaning.KNOWN, "p Log messages, PE:452"),
    Wording("Skipping Incompatible Column", Meaning.KNOWN, "p Log messages, PE:552"),
    Wording("Column Expansion Aborted", Meaning.KNOWN, "p Log messages, PE:563"),
    Wording("Loop Item Failed", Meaning.KNOWN, "p Log messages, PE:721"),
    Wording("Multi-Tool Phase", Meaning.KNOWN, "p Trace entries, PE:1033", prefix=True),
    Wording("Hallucinated Loop", Meaning.KNOWN, "p Trace entries, PE:1880", prefix=True),
    Wording("System Notification", Meaning.KNOWN, "p Log messages, PE:2158"),
    Wording("Prompt Execution Granted", Meaning.KNOWN, "p Log messages, EX:2990"),
    Wording("System Orchestration", Meaning.KNOWN, "p Log messages, OR:238", prefix=True),
    Wording("Execution Stopped", Meaning.KNOWN, "p Log messages, OE:889"),
    Wording("Replaying ", Meaning.KNOWN, "p Log messages, OE:686", prefix=True),
    Wording("Tool Execution Intent", Meaning.KNOWN, "p Planner events"),
    Wording("Tool Execution Result", Meaning.KNOWN, "p Planner events"),
    Wording("Knowledge Retriev", Meaning.KNOWN, "p Planner events, PL:2658", prefix=True),
    Wording("Knowledge Graph", Meaning.KNOWN, "p Planner events", prefix=True),
)

_EXACT: dict[str, tuple[Wording, ...]] = {}
for _row in MESSAGES:
    if not _row.prefix:
        _EXACT[_row.message] = (*_EXACT.get(_row.message, ()), _row)
_PREFIXES = tuple(row for row in MESSAGES if row.prefix)


def look_up(message: str, said: str | None) -> Wording | None:
    """Return the row for a log message and its details, or None."""
    rows = _EXACT.get(message)
    if rows is None:
        return next((row for row in _PREFIXES if message.startswith(row.message)), None)
    lowered = (said or "").lower()
    return next((row for row in rows if row.says in lowered), None)


# Kinds of event (docs/reference/protocol.md, "Task events", and recordings), and families of kinds by their prefix.
EVENT_KINDS = frozenset(
    {
        "auto_correction", "cancelled", "component_llm_resolution", "component_render",
        "context_optimization", "context_state_update", "context_window_snapshot", "error",
        "execution_cancelled", "execution_complete", "execution_error", "execution_start", "final_answer",
        "kg_enrichment", "llm_execution", "llm_execution_complete", "optimization", "phase_end",
        "phase_start", "plan_generated", "plan_optimization", "plan_rewrite_diff", "profile_override_failed",
        "rag_llm_step", "rag_retrieval", "session_model_update", "skills_applied", "status_indicator_update",
        "system_correction", "system_message", "token_update", "tool_error", "tool_intent", "tool_result",
        "user_message_profile_tag", "workaround",
    }
)  # fmt: skip
EVENT_FAMILIES = ("conversation_", "genie_", "session_name_", "knowledge_", "extension_")

NAMING_CALL_IDS = frozenset({"session_name_generation", "genie_session_name"})  # p Token updates
EXTENSION_CALL_ID = "extensions"  # p Events of every turn: paid for, but not a step of the agent

# Answers that are apologies (docs/reference/protocol.md, "Failures a client must handle"), with their meaning.
APOLOGIES: tuple[tuple[str, str], ...] = (
    ("I could not complete the request. Reason:", "a tool failed and no retry succeeded"),  # 13, OE:868
    ("The agent has completed its work, but", "the agent wrote no report"),  # 15, EX:3144
    ("I encountered an error while processing your request:", "the agent failed"),  # 12, CA:914
    ("Error during coordination:", "the coordination failed"),  # 18, GC
)
# Start of a child's text without an answer (docs/reference/protocol.md, "Failures a client must handle", 18).
CHILD_FAILURES = ("Error from @", "Timeout waiting for @")
# Errors that report a limit of the user (docs/reference/protocol.md, "Quotas").
LIMITS = ("Rate limit exceeded:", "Token quota exceeded:")
# Comments of a date range's consolidated entry, which repeats the calls before it
# (docs/reference/protocol.md, "Orchestrators").
CONSOLIDATED = ("Consolidated results for", "Range query:")

# The server's price for a model it does not know, in USD per million input and output tokens (core/cost_manager.py:307-332,
# and docs/reference/measured.md, "Labelled trials"). A few models really have this price.
FALLBACK_PRICE = (0.10, 0.40)
PRICED_LIKE_FALLBACK = ("gemini-2.0-flash", "gemini-2.5-flash-lite", "gpt-4.1-nano")
