"""One trial as text for a terminal: plan, phases, token ledger, tools, signals, issues, timeline.

Text from the server has its control characters written out, and long text is cut. JSON has all of
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from uderia_bench.printable import count_of
from uderia_bench.reading.detectors.evidence import of_context, quoted
from uderia_bench.reading.metrics.latency import answer_wall_s, latency_s, task_s
from uderia_bench.reading.metrics.tokens import naming_tokens, total_tokens, unattributed_tokens
from uderia_bench.report.formats.layout import lay_out, wrapped
from uderia_bench.report.table import Column, Table, left
from uderia_bench.report.trial import timeline
from uderia_bench.report.trial.inspected import Inspected, served
from uderia_bench.trace import LlmCall, Signal, Trace

ROWS = 100  # of one table, for loops over a thousand items
_MISSING = "-"


def to_text(inspected: Inspected, width: int) -> str:
    """Return the trial in at most ``width`` columns."""
    trace = inspected.trace
    parts: list[tuple[str, list[str]]] = [
        ("", _head(inspected, width)),
        (f"Plan ({count_of(len(trace.plan or ()), 'phase')})", _laid_out(plan(trace), width)),
        (f"Phases ({len(trace.phases)} started)", _laid_out(phases(trace), width)),
        ("Token ledger", [*_laid_out(ledger(trace), width), *_adds_up(trace, width)]),
        ("Context", _listed((evidence.said for evidence in of_context(trace)), width)),
        ("Tools", [*_laid_out(tools(trace), width), *_said_by_tools(trace, width)]),
        ("Messages of the server about its work", _listed((_signal(signal) for signal in trace.signals), width)),
        ("Issues", list(_issues(inspected, width))),
        ("Timeline", timeline.draw(trace, width)),
        ("Notes", _listed(_notes(trace), width)),
    ]
    return "\n\n".join("\n".join([title, *lines] if title else lines) for title, lines in parts if lines) + "\n"


def _head(inspected: Inspected, width: int) -> list[str]:
    rows = [(name, said) for name, said in head(inspected) if said]
    wide = max(len(name) for name, _ in head(inspected)) + 2
    return [line for name, said in rows for line in wrapped(said, width, first=f"{name:<{wide}}", rest=" " * wide)]


def head(inspected: Inspected) -> tuple[tuple[str, str | None], ...]:
    """Return (name, text) of what the trial was and how it ended, None for a text it does not have."""
    trial, trace = inspected.record.trial, inspected.trace
    who = served(inspected)
    model = " ".join(text for text in (who["provider"], who["model"]) if text)
    others = [name for name in trace.models_used if name != f"{trace.provider}/{trace.model}"]
    return (
        ("trial", f"{trial.trial_id}: query {trial.query_id}, arm {trial.arm}, repeat {trial.repeat}, {trial.stage}")
        if inspected.planned
        else ("trial", None),
        ("question", quoted(trace.question or "") or None),
        ("outcome", f"{trace.outcome}{f': {trace.outcome_detail}' if trace.outcome_detail else ''}"),
        (
            "served by",
            ", ".join(text for text in (who["profile_tag"], who["profile_type"], who["execution_path"], model) if text),
        ),
        ("also took part", ", ".join(others)),
        ("answer", quoted(trace.answer or "") or None),
        ("time", _time(trace)),
        ("tokens", _tokens(trace)),
        ("memory", "the server used a stored plan of an earlier trial (warm)" if trace.rag_used else None),
    )


def _time(trace: Trace) -> str:
    """Return the times.

    A turn read from files has no client times, so the times of the server take their place.
    """
    timing = trace.timing
    answer, task = answer_wall_s(trace), task_s(trace)
    parts = (
        ("latency", latency_s(trace)),
        ("answer", timing.answer_s if answer is None else answer),
        ("task", timing.terminal_s if task is None else task),
        ("agent", timing.agent_s),
        ("submit", timing.submit_s),
        ("naming", timing.naming_s),
    )
    return ", ".join(f"{name} {_seconds(value)}" for name, value in parts if value is not None)


def _tokens(trace: Trace) -> str | None:
    total = total_tokens(trace)
    if total is None:
        return None
    cost = "" if trace.tokens.cost_usd is None else f", {trace.tokens.cost_usd:.6f} USD"
    fallback = " (the server's default price, it does not know the model)" if trace.price_fallback else ""
    return f"{trace.tokens.input:,} in + {trace.tokens.output:,} out = {total:,}{cost}{fallback}"


def plan(trace: Trace) -> Table:
    """Return the plan."""
    rows = [
        (str(phase.number), quoted(phase.goal), ", ".join(phase.tools) or _MISSING, _arguments(phase.arguments, phase.looped))
        for phase in trace.plan or ()
    ]
    return _table(("#", left("goal", wraps=True), left("tools", wraps=True), left("arguments", wraps=True)), rows)


def _arguments(canonical: str, looped: bool) -> str:  # noqa: FBT001 - the two facts of one cell
    shown = _MISSING if canonical == "{}" else quoted(canonical)
    return f"loop: {shown}" if looped else shown


def phases(trace: Trace) -> Table:
    """Return the phases as executed."""
    calls, tools = (Counter(call.phase for call in of_kind) for of_kind in (trace.llm_calls, trace.tool_calls))
    rows = [
        (
            str(phase.number),
            quoted(phase.goal),
            f"{phase.path}{' looped' if phase.looped else ''}{' parallel' if phase.parallel else ''}",
            "yes" if phase.fastpath_logged else "no",
            phase.status,
            str(calls[phase.number]),
            str(tools[phase.number]),
            _seconds(phase.start_s),
            _seconds(phase.duration_s),
        )
        for phase in trace.phases
    ]
    words = (left("goal", wraps=True), left("path", wraps=True), left("announced"), left("status", wraps=True))
    return _table(("#", *words, "LLM", "tools", "start", "took"), rows)


def ledger(trace: Trace) -> Table:
    """Return the LLM calls with their tokens."""
    rows = [_entry(index, call) for index, call in enumerate(trace.llm_calls, start=1)]
    columns = ("#", left("call", wraps=True), left("class"), "phase", "in", "out", "USD", "start", "took")
    return _table(columns, rows)


def _entry(index: int, call: LlmCall) -> tuple[str, ...]:
    nested = f" (depth {call.depth})" if call.depth else ""
    return (
        str(index),
        quoted(call.label) + nested,
        call.call_class.value,
        _MISSING if call.phase is None else str(call.phase),
        f"{call.input_tokens:,}",
        f"{call.output_tokens:,}",
        _MISSING if call.cost_usd is None else f"{call.cost_usd:.6f}",
        _seconds(call.start_s),
        _seconds(call.duration_s),
    )


def _adds_up(trace: Trace, width: int) -> list[str]:
    if trace.profile_type is None and not trace.llm_calls:
        return []  # nothing came back that could have a ledger
    total, rest, named = total_tokens(trace), unattributed_tokens(trace), naming_tokens(trace)
    logged = sum(call.tokens for call in trace.llm_calls)
    said = [f"{count_of(len(trace.llm_calls), 'call')}, {logged:,} tokens."]
    if total is None or rest is None:
        said.append("The server reports no total for this turn.")
    elif rest == 0:
        said.append(f"The server's total for the turn is the same: {total:,}.")
    else:
        difference = f"{abs(rest):,} {'more than' if rest > 0 else 'fewer than'} the logged calls"
        said.append(f"The server's total for the turn is {total:,}, {difference}.")
    if named:
        said.append(f"Naming the session took another {named:,} tokens, which are in neither number.")
    return wrapped(" ".join(said), width, first="  ", rest="  ")


def tools(trace: Trace) -> Table:
    """Return the tool calls, those of consulted profiles last."""
    rows = [
        (
            str(index),
            call.name,
            _MISSING if call.phase is None else str(call.phase),
            "LLM" if call.llm_chosen else "plan",
            call.iteration or (f"attempt {call.attempt}" if call.attempt > 1 else _MISSING),
            call.status.value,
            _seconds(call.start_s),
            _seconds(call.duration_s),
        )
        for index, call in enumerate(trace.tools, start=1)
    ]
    columns = ("#", left("tool", wraps=True), "phase", left("by"), left("again", wraps=True), left("status"), "start", "took")
    return _table(columns, rows)


def _said_by_tools(trace: Trace, width: int) -> list[str]:
    """Return the arguments and the errors of the tool calls."""
    said = [
        (index, "" if call.arguments == "{}" else call.arguments, call.error)
        for index, call in enumerate(trace.tool_calls[:ROWS], start=1)
    ]
    said += [
        (index, "" if child.session_id is None else f"session {child.session_id}", child.error)
        for index, child in enumerate(trace.children[:ROWS], start=len(trace.tool_calls) + 1)
    ]
    return [
        line
        for index, given, error in said
        if given or error
        for line in wrapped(quoted(f"{given}{f' → {error}' if error else ''}"), width, first=f"  {index}  ", rest="     ")
    ]


def _signal(signal: Signal) -> str:
    where = "" if signal.phase is None else f" in phase {signal.phase}"
    when = "" if signal.at_s is None else f" at {_seconds(signal.at_s)}"
    return f"{signal.kind.value}{where}{when}: {quoted(signal.said)}"


def _issues(inspected: Inspected, width: int) -> Iterator[str]:
    for issue in inspected.issues:
        yield from wrapped(f"{issue.severity}: {issue.kind}", width)
        for evidence in issue.evidence:
            yield from wrapped(str(evidence), width, first="  - ", rest="    ")
        if issue.tokens_lost is not None:
            yield from wrapped(f"about {issue.tokens_lost:,} tokens: {issue.method}", width, first="  = ", rest="    ")
        yield from wrapped(issue.recommendation, width, first="  → ", rest="    ")


def _notes(trace: Trace) -> Iterable[str]:
    yield from trace.notes
    if trace.unclassified:
        yield f"{count_of(trace.unclassified, 'event or log message is', 'events or log messages are')} of an unknown kind"


def _listed(said: Iterable[str], width: int) -> list[str]:
    return [line for text in said for line in wrapped(text, width, first="- ", rest="  ")]


def _table(columns: Iterable[Column | str], rows: Sequence[tuple[str, ...]]) -> Table:
    more = (f"… and {len(rows) - ROWS} more, in --json",) if len(rows) > ROWS else ()
    return Table.of("", columns, rows[:ROWS], *more)


def _laid_out(table: Table, width: int) -> list[str]:
    return lay_out(table, width) if table.rows else []


def _seconds(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.3f} s"
