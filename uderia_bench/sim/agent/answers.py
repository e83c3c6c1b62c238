"""Answers of the agent: a sentence from tool results, and the server's HTML around it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from typing import Any

from uderia_bench.sim.agent import tools

NOTHING_FOUND = "I could not find data for your question."
GREETING = "Hello! How can I help you today?"
NO_TOOL = "I do not have that information at hand. I can look it up for you with the database tools if you like."
NO_KNOWLEDGE = "I could not find anything about your question in the knowledge collections of this profile."
AGENT_ERROR = "I encountered an error while processing your request: "
_SHOWN = 8  # names in a sentence

Rows = list[dict[str, Any]]


def _list(noun: str, column: str) -> Callable[[Rows], str]:
    def sentence(rows: Rows) -> str:
        names = ", ".join(str(row.get(column)) for row in rows[:_SHOWN])
        return f"There are {len(rows)} {noun}: {names}."

    return sentence


def _figures(rows: Rows) -> str:
    """Return each row as its first column with the other columns in brackets."""
    parts = []
    for row in rows[:_SHOWN]:
        name, *figures = row.items()
        parts.append(f"{name[1]} ({', '.join(f'{key} {value}' for key, value in figures)})")
    return f"There are {len(rows)} entries: {', '.join(parts)}."


def _query(rows: Rows) -> str:
    first = rows[0] if rows else {}
    if "cnt" in first:
        return f"The table contains {first['cnt']} rows."
    if "UserName" in first:
        return _list("users", "UserName")(rows)
    if "TableName" in first:
        return _list("tables", "TableName")(rows)
    return _figures(rows)


def _usage(rows: Rows) -> str:
    days = ", ".join(f"{row['LogDate']} {row['cpu']} % CPU" for row in rows[:_SHOWN])
    return f"CPU usage was reported for {len(rows)} day(s): {days}."


_SENTENCES: dict[str, Callable[[Rows], str]] = {
    "base_databaseList": _list("databases", "DataBaseName"),
    "base_tableList": _list("tables", "TableName"),
    "base_columnDescription": _list("columns", "ColumnName"),
    "base_readQuery": _query,
    "base_tableDDL": lambda rows: f"The definition is: {rows[0]['Request Text']}" if rows else NOTHING_FOUND,
    "dba_databaseVersion": lambda rows: f"The system runs version {rows[0]['InfoData']}.",
    "dba_resusageSummary": _usage,
    "dba_sessionInfo": _list("sessions", "UserName"),
    "sec_userRoles": _list("roles", "RoleName"),
}


def sentence(results: Sequence[dict[str, Any]], *, wrong: bool, as_json: bool) -> str:
    """Return the answer from the results. ``wrong`` changes its first number."""
    if as_json:
        return json.dumps([row for r in results if r.get("status") == "success" and _is_data(r) for row in r["results"]])
    sentences = []
    for result in results:
        tool = result.get("metadata", {}).get("tool_name")
        if result.get("status") == "success" and tool in tools.DATA_TOOLS:
            sentences.append(_SENTENCES.get(tool, _figures)(result["results"]))
    text = " ".join(sentences) or NOTHING_FOUND
    return _misreported(text) if wrong else text


def _misreported(text: str) -> str:
    words = text.split(" ")
    for place, word in enumerate(words):
        if word.isdigit():
            words[place] = str(int(word) + 1)
            return " ".join(words)
    return NOTHING_FOUND


def count(results: Sequence[dict[str, Any]]) -> int:
    """Return the number of rows from data tools, the key metric of a report."""
    return sum(len(r["results"]) for r in results if r.get("status") == "success" and _is_data(r))


def _is_data(result: dict[str, Any]) -> bool:
    return result.get("metadata", {}).get("tool_name") in tools.DATA_TOOLS


def card(text: str) -> str:
    """Return an answer as HTML of the conversation engine."""
    return (
        f'<div class="response-card summary-card mb-4"><p class="text-gray-300 mb-4">{html.escape(text, quote=False)}</p></div>'
    )


def report(text: str, metric: int | None, observations: Sequence[str], results: Sequence[dict[str, Any]]) -> str:
    """Return a report as HTML of the planner, with the data of every tool below it."""
    if metric is None:
        head = card(text).removesuffix("</div>")
    else:
        head = (
            '<div class="response-card summary-card mb-4">\n'
            '<div class="key-metric-card bg-gray-900/50 p-4 rounded-lg mb-4 text-center">\n'
            f'    <div class="text-4xl font-bold text-white">{metric}</div>\n'
            '    <div class="text-base text-gray-400 mt-1">Count</div>\n</div>\n'
        )
    items = "".join(f"<li>{html.escape(line, quote=False)}</li>" for line in observations)
    notes = (
        '<h3 class="text-lg font-bold text-white mb-3 border-b border-gray-700 pb-2">Key Observations</h3>'
        f'<ul class="list-disc list-outside space-y-2 text-gray-300 mb-4 pl-5">{items}</ul></div>'
    )
    return head + notes + _collateral(results)


def _collateral(results: Sequence[dict[str, Any]]) -> str:
    parts = [_table(result) for result in results if _is_data(result)]
    if not parts:
        return ""
    return (
        "<details class='response-card bg-white/5 open:bg-white/10 mb-4 rounded-lg border border-white/10'>"
        "<summary class='p-4 font-bold text-lg text-white cursor-pointer hover:bg-white/10 rounded-t-lg'>"
        "Collateral Report for: <code>Ad-hoc Query</code></summary>"
        f"<div class='p-4'>{''.join(parts)}</div></details>"
    )


def _table(result: dict[str, Any]) -> str:
    tool = result["metadata"]["tool_name"]
    if result["status"] == "error":
        return (
            "<div class='response-card mb-4'><p class='text-sm text-red-400 italic'>Error in Step: "
            f"<strong>{tool}</strong>. Details: {html.escape(result['error'], quote=False)}</p></div>"
        )
    rows: Rows = result["results"]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in (rows[0] if rows else ()))
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row.values()) + "</tr>" for row in rows)
    return (
        '\n        <div class="response-card mb-4">\n'
        f'            <h4 class="text-lg font-semibold text-white">Data: Result for <code>{tool}</code></h4>\n'
        "            <div class='table-container'>\n                <table class='assistant-table'>\n"
        f"                    <thead><tr>{head}</tr></thead>\n"
        f"                    <tbody>\n        {body}</tbody></table></div></div>"
    )
