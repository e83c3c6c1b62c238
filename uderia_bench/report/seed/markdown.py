"""The quick comparison for people, as ``comparison_<timestamp>.md``: one query, every repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from uderia_bench.printable import count_of
from uderia_bench.report.content import Scope, embedded
from uderia_bench.report.figures import MISSING, p_value
from uderia_bench.report.formats.escape import markdown, row
from uderia_bench.report.seed.files import SeedComparison, SeedProfile, as_dict, basis, is_answered, representative

_NOUNS = {"latency_s": "time", "total_tokens": "tokens", "cost_usd": "cost"}


def to_comparison_markdown(comparison: SeedComparison) -> str:
    """Return the file, with the sections of the original specification."""
    data = as_dict(comparison)
    sides = {"profile1": comparison.profile1, "profile2": comparison.profile2}
    lines = [
        "# Profile Performance Comparison Report",
        "",
        f"**Generated**: {data['test_metadata']['timestamp']}  ",
        f'**Query**: "{markdown(comparison.query)}"  ',
        f"**Holds for**: {Scope.THIS_QUERY}",
    ]
    if comparison.embedded_speed is not None:
        lines[-1:] = [f"{lines[-1]}  ", f"**Server**: {embedded(comparison.embedded_speed)}"]
    for title, section in _SECTIONS.items():
        lines += ["", f"## {title}", "", *section(data, sides)]
    return "\n".join(lines) + "\n"


def _summary(data: dict[str, Any], sides: Mapping[str, SeedProfile]) -> Iterator[str]:
    one, two = (data[key]["metrics"] for key in ("profile1", "profile2"))
    tokens, time = data["comparison"]["token_difference"], data["comparison"]["time_difference"]
    seconds = {"profile1": time["profile1_seconds"], "profile2": time["profile2_seconds"], "percentage": time["percentage"]}
    seconds["absolute"] = None if time["absolute_ms"] is None else time["absolute_ms"] / 1000
    yield row(("Metric", *(f"{markdown(s.arm)} ({markdown(s.profile_type or '?')})" for s in sides.values()), "Difference"))
    yield row(("---", "---:", "---:", "---:"))
    yield row(("**Total Tokens**", *_cells(tokens["total"], _whole)))
    yield row(("Input Tokens", *_cells(tokens["input"], _whole)))
    yield row(("Output Tokens", *_cells(tokens["output"], _whole)))
    yield row(("**Execution Time**", *_cells(seconds, _seconds)))
    yield row(("LLM Calls", _whole(one["llm_call_count"]), _whole(two["llm_call_count"]), "shown, not compared"))
    yield row(("Tools Used", *(markdown(", ".join(m["tools_used"]) or "none") for m in (one, two)), ""))
    yield ""
    yield from (f"- {markdown(side.arm)}: {basis(side)}." for side in sides.values())
    first, base = (markdown(side.arm) for side in sides.values())
    yield f"- Differences are {first} minus {base}, in percent of {base}."


def _paths(data: dict[str, Any], sides: Mapping[str, SeedProfile]) -> Iterator[str]:
    for at, (key, side) in enumerate(sides.items()):
        shown, metrics = data[key], data[key]["metrics"]
        yield from ("",) * at
        yield f"### {markdown(side.arm)}"
        yield ""
        yield f"- Architecture: {markdown(shown['execution']['execution_path'] or MISSING)}"
        yield f"- Provider/Model: {markdown(side.provider or MISSING)} / {markdown(side.model or MISSING)}"
        if metrics["llm_call_durations"]:
            yield f"- LLM call durations: {', '.join(f'{ms} ms' for ms in metrics['llm_call_durations'])}"
        yield f"- Tools invoked: {markdown(', '.join(metrics['tools_used']) or 'none')}"


def _insights(data: dict[str, Any], sides: Mapping[str, SeedProfile]) -> Iterator[str]:
    winner = data["comparison"]["winner"]
    parts: tuple[tuple[str, str, Callable[[float | None], str], str | None], ...] = (
        ("Execution Speed", "ms_per_token", lambda v: _fixed(v, 3, " ms per token"), winner["time"] or "none: a tie"),
        ("Overall Token Usage", "total_tokens", lambda v: f"{_whole(v)} tokens", winner["tokens"] or "none: a tie"),
        ("Token Efficiency", "tokens_per_llm_call", lambda v: _fixed(v, 1, " tokens per LLM call"), None),
    )
    for at, (title, metric, written, won) in enumerate(parts):
        if at:
            yield ""
        yield f"### {title}"
        yield ""
        for key, side in sides.items():
            seconds = data["comparison"]["time_difference"][f"{key}_seconds"]
            time = f"{_seconds(seconds)}, " if metric == "ms_per_token" else ""
            yield f"- {markdown(side.arm)}: {time}{written(data[key]['metrics'][metric])}"
        yield f"- Winner: {markdown(won)}" if won else f"- Winner: {winner['efficiency_note']}"


def _corrections(data: dict[str, Any], sides: Mapping[str, SeedProfile]) -> Iterator[str]:
    yield row(("Profile", "Self-corrections", "RAG used"))
    yield row(("---", "---:", "---"))
    for key, side in sides.items():
        used = data[key]["rag"]["rag_used"]
        rag = MISSING if used is None else "yes" if used else "no"
        yield row((markdown(side.arm), _whole(data[key]["self_correction"]["correction_count"]), rag))


def _recommendation(data: dict[str, Any], sides: Mapping[str, SeedProfile]) -> Iterator[str]:
    found = data["comparison"]
    winner = found["winner"]
    unanswered = [markdown(side.arm) for side in sides.values() if not is_answered(representative(side))]
    if unanswered:
        yield f"**No comparison**: {' and '.join(unanswered)} did not answer."
    elif winner["overall"]:
        yield f"**{markdown(winner['overall'])}** was both faster and used fewer tokens on this query."
    elif winner["time"] and winner["tokens"]:
        yield f"**Trade-off**: {markdown(winner['time'])} was faster, {markdown(winner['tokens'])} used fewer tokens."
    else:
        yield "**No winner**: the numbers shown do not differ in both time and tokens, or are missing."
    for metric, judged in found["judged"].items():
        advice = f" ({judged['advice']})" if judged["advice"] else ""
        over = count_of(judged["n"], "pair")
        said = f"{judged['candidate']} is {judged['verdict']}, p {p_value(judged['p'])} over {over}{advice}"
        yield f"- Over all repeats, {_NOUNS[metric]}: {markdown(said)}"


def _repeats(data: dict[str, Any], sides: Mapping[str, SeedProfile]) -> Iterator[str]:
    yield row(("Profile", "Repeat", "Status", "Time", "Input", "Output", "LLM calls"))
    yield row(("---", "---:", "---", "---:", "---:", "---:", "---:"))
    for key, side in sides.items():
        for repeat in data[key]["repeats"]:
            execution, metrics = repeat["execution"], repeat["metrics"]
            time = None if execution["duration_ms"] is None else execution["duration_ms"] / 1000
            counts = (_whole(metrics[name]) for name in ("total_input_tokens", "total_output_tokens", "llm_call_count"))
            yield row((markdown(side.arm), str(repeat["repeat"]), markdown(execution["status"]), _seconds(time), *counts))


def _raw(data: dict[str, Any], sides: Mapping[str, SeedProfile]) -> Iterator[str]:
    for key, side in sides.items():
        execution = data[key]["execution"]
        ids = f"session {execution['session_id'] or MISSING}, task {execution['task_id'] or MISSING}"
        yield f"- {markdown(side.arm)}: {markdown(ids)}, status {markdown(execution['status'])}"


_SECTIONS = {
    "Summary": _summary,
    "Execution Paths": _paths,
    "Performance Insights": _insights,
    "Self-Correction and RAG": _corrections,
    "Recommendation": _recommendation,
    "All Repeats": _repeats,
    "Raw Data": _raw,
}


def _cells(pair: dict[str, float | None], written: Callable[[float | None], str]) -> tuple[str, str, str]:
    absolute, share = pair["absolute"], pair["percentage"]
    difference = MISSING if absolute is None else written(absolute)
    return written(pair["profile1"]), written(pair["profile2"]), difference + ("" if share is None else f" ({share:+.1f}%)")


def _whole(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


def _seconds(value: float | None) -> str:
    return _fixed(value, 2, "s")


def _fixed(value: float | None, digits: int, unit: str) -> str:
    return MISSING if value is None else f"{value:.{digits}f}{unit}"
