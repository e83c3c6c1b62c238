"""Evidence of an issue: the steps of the trace that show it, with their values in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from uderia_bench.trace import LlmCall, Phase, StepKind, ToolCall, Trace

_MODULES_SHOWN = 5  # of a prompt, the largest first
_LONGEST = 160  # characters of one quotation; the ledger has the full text


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One step with its values; without a step, the turn as a whole. ``index`` counts from 1, as in ``steps/*.parquet``."""

    said: str
    step: StepKind | None = None
    index: int | None = None

    def __str__(self) -> str:
        return self.said if self.step is None else f"{self.step} {self.index}: {self.said}"


def of_turn(said: str) -> Evidence:
    """Return evidence about the turn as a whole."""
    return Evidence(said=said)


def of_llm_call(index: int, call: LlmCall) -> Evidence:
    """Return an LLM call with its tokens."""
    said = f"{quoted(call.label)} ({call.call_class}), {call.input_tokens:,} + {call.output_tokens:,} tokens"
    return Evidence(said=said, step=StepKind.LLM_CALL, index=index)


def of_tool_call(index: int, call: ToolCall, remark: str = "") -> Evidence:
    """Return a tool call with its arguments and its result."""
    tried = f", attempt {call.attempt}" if call.attempt > 1 else ""
    because = f": {quoted(call.error)}" if call.error else ""
    said = f"{call.name} {quoted(call.arguments)}{tried}, {call.status}{because}{remark and f'; {remark}'}"
    return Evidence(said=said, step=StepKind.TOOL_CALL, index=index)


def of_phase(index: int, phase: Phase) -> Evidence:
    """Return an executed phase with its tools and path."""
    said = f"{quoted(phase.goal)} ({', '.join(phase.tools) or 'no tool planned'}), {phase.path}"
    return Evidence(said=said, step=StepKind.PHASE, index=index)


def of_context(trace: Trace) -> tuple[Evidence, ...]:
    """Return what filled the turn's prompts: one entry per prompt, the largest modules first."""
    assemblies = dict.fromkeys(module.assembly for module in trace.context)
    return tuple(of_turn(f"{quoted(assembly)}: {_largest(assembly, trace)} tokens") for assembly in assemblies)


def _largest(assembly: str, trace: Trace) -> str:
    modules = sorted((module for module in trace.context if module.assembly == assembly), key=lambda module: -module.tokens)
    return ", ".join(f"{quoted(module.label)} {module.tokens:,}" for module in modules[:_MODULES_SHOWN])


def numbered_calls(trace: Trace) -> Iterable[tuple[int, LlmCall]]:
    """Yield the LLM calls with their index."""
    return enumerate(trace.llm_calls, start=1)


def numbered_tools(trace: Trace) -> Iterable[tuple[int, ToolCall]]:
    """Yield the tool calls with their index."""
    return enumerate(trace.tool_calls, start=1)


def quoted(text: str) -> str:
    """Return the server's text on one line, cut to the length of a quotation."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
