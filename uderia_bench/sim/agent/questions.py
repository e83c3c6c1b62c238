"""Interpretation of prompts by patterns: the data tools that answer one, and its difficulties.

``needs`` returns at most ``MOST_NEEDS`` needs in the order of the pattern table. A prompt
without a matching pattern gets one need, drawn from its text. ``difficulties`` reads the marks and words by
which a prompt asks for a difficulty (all are in ``_WORDS``):

- ``#alwaysfail``, "cannot work", "does not exist": the tool fails on every attempt, and the agent
  answers that it found nothing.
- ``#failonce``, "misspelled", "typo": the tool fails once. In tool_enabled a correction repairs it.
- ``#garbage``, "plan is broken", "cannot be planned": no valid plan in two attempts (tool_enabled).
- ``#badjson``, "malformed plan": only the second plan parses (tool_enabled).
- ``#tactical``, "look at first", "decide which tool": a tactical call chooses the tool (tool_enabled).
- ``#earlyreport``: the tactical call chooses the report, so two empty reports are written
  (tool_enabled).
- ``#multitool``: the dispatcher runs all tools in one phase (tool_enabled).
- ``#llmtask``, "business purpose", "in plain words": an LLM task after the data, with refined
  arguments (tool_enabled).
- ``#columns``, "every column": a tactical call chooses a single-column tool, which runs for every
  column (tool_enabled). ``#expand``: the same as a fast loop.
- ``#recover``: five tactical attempts fail, then a recovery plan is made (tool_enabled).
- ``#chart``, "chart", "plot", "draw": a charting phase after the data, on its own fast path
  (tool_enabled).
- ``#context``: the answer comes from the context, without a report and without a fast-path log
  (tool_enabled).
- ``#rewrite``, ``#rewrite=sql_consolidation``, ``#rewrite=all``: the plan is rewritten.
  ``#replan``: the LLM plans twice. ``#repair``: the report's JSON is repaired (tool_enabled).
- "all rows", "whole table": a result large enough for distillation.
- ``#chain``: the agent lists the tables in addition. ``#notool``: it answers without a tool (llm_only).
- ``#nohit``: the search finds nothing. ``#refused``: no collection or no expert is available
  (rag_focused, genie).
- ``#agentfails``: the model fails (llm_only). ``#wrong``: the answer has a wrong number.
- ``#slow``, ``#slow=3000``: every LLM call takes that many milliseconds longer, by default 6000.
- "as JSON": the answer consists of the rows as JSON.
- a greeting: plain chat. tool_enabled fails on it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from uderia_bench.sim.agent import tools

MOST_NEEDS = 3
# The server's rewriting passes in their order (docs/reference/protocol.md, "Log messages").
PASSES = (
    "temporal_data_flow",
    "sql_consolidation",
    "llm_filter_deloop",
    "multi_loop_synthesis",
    "llm_task_optimization",
    "date_range_wiring",
    "plan_validation",
    "chart_data_reuse",
    "charting_cleanup",
    "plan_hydration",
    "context_report",
    "final_report_guarantee",
)
USUAL_SLOWNESS_MS = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One piece of information: a tool, its arguments and the goal in a plan.

    ``date_phrase`` asks for a range of days.
    """

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    goal: str
    date_phrase: str | None = None
    per_database: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulties:
    """The difficulties that a prompt asks for."""

    always_fail: bool = False
    fail_once: bool = False
    garbage: bool = False
    bad_json: bool = False
    tactical: bool = False
    early_report: bool = False
    multi_tool: bool = False
    llm_task: bool = False
    chain: bool = False
    no_tool: bool = False
    chat: bool = False
    agent_fails: bool = False
    wrong: bool = False
    columns: bool = False
    expand: bool = False
    recover: bool = False
    chart: bool = False
    context: bool = False
    replan: bool = False
    repair: bool = False
    rewrites: tuple[str, ...] = ()
    no_hit: bool = False
    refused: bool = False
    as_json: bool = False
    slow_ms: int = 0

    @property
    def named(self) -> bool:
        """Whether the prompt asks for a difficulty. It then gets no random ones."""
        return self != Difficulties(as_json=self.as_json)


_WORDS = {
    "always_fail": r"#alwaysfail|cannot work|can never work|does not exist|nonexistent|no such table|impossible",
    "fail_once": r"#failonce|misspelled|misspelt|\btypo\b|wrong column",
    "garbage": r"#garbage|plan is broken|cannot be planned|unplannable",
    "bad_json": r"#badjson|malformed plan",
    "tactical": r"#tactical|look at first|decide which tool|choose the (right|best) tool",
    "early_report": r"#earlyreport",
    "multi_tool": r"#multitool",
    "llm_task": r"#llmtask|business purpose|in plain words|for a (manager|newcomer)",
    "chain": r"#chain",
    "no_tool": r"#notool",
    "agent_fails": r"#agentfails",
    "wrong": r"#wrong",
    "columns": r"#columns|(each|every) column|all (the )?columns",
    "expand": r"#expand",
    "recover": r"#recover",
    "chart": r"#chart|\b(chart|plot|draw)\b",
    "context": r"#context",
    "replan": r"#replan",
    "repair": r"#repair",
    "no_hit": r"#nohit",
    "refused": r"#refused",
    "as_json": r"\bas json\b|json only",
    "chat": r"^\W*(hello|hi|hey|good (morning|evening)|thank you|thanks)\b[^?]{0,40}\W*$",
}
_DIFFICULTIES = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _WORDS.items()}
_SLOW = re.compile(r"#slow(?:=(\d+))?", re.IGNORECASE)
_REWRITE = re.compile(r"#rewrite(?:=(\w+))?", re.IGNORECASE)
_MARK = re.compile(r"#\w+(=\w+)?")
_DATE_PHRASE = re.compile(r"(?:past|last) (?:\d+ )?(?:hours?|days?|weeks?|24 hours)|yesterday|today", re.IGNORECASE)


def difficulties(prompt: str) -> Difficulties:
    """Return the difficulties that the prompt asks for by mark or word."""
    slow = _SLOW.search(prompt)
    return Difficulties(
        rewrites=tuple(name for found in _REWRITE.findall(prompt) for name in _passes(found)),
        slow_ms=0 if slow is None else int(slow[1] or USUAL_SLOWNESS_MS),
        **{name: pattern.search(prompt) is not None for name, pattern in _DIFFICULTIES.items()},
    )


def _passes(name: str) -> tuple[str, ...]:
    """Return the rewriting passes of a mark: all, the named one, or the last one by default."""
    if name.lower() == "all":
        return PASSES
    return (name.lower(),) if name.lower() in PASSES else PASSES[-1:]


def _database(text: str) -> str:
    return next((name for name in tools.TABLES if name in text or name.removesuffix("_db") in text), "fitness_db")


def _table(text: str) -> str:
    return next((name for name in tools.COLUMNS if name in text or name.replace("_", " ") in text), "customers")


def _named(name: str) -> Callable[[str], dict[str, Any]]:
    """Return a function for the arguments: none, the database, or the table of a prompt."""

    def arguments(text: str) -> dict[str, Any]:
        if name == "database":
            return {"database_name": _database(text)}
        if name == "table":
            table = _table(text)
            return {"database_name": tools.database_of(table), "table_name": table}
        return {}

    return arguments


def _count_sql(text: str) -> dict[str, Any]:
    table = _table(text)
    return {"sql": f"SELECT COUNT(*) AS cnt FROM {tools.database_of(table)}.{table}"}  # noqa: S608 - nothing runs this SQL


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    words: re.Pattern[str]
    tool: str
    goal: str
    arguments: Callable[[str], dict[str, Any]]


def _row(words: str, tool: str, goal: str, arguments: Callable[[str], dict[str, Any]] | None = None) -> _Pattern:
    return _Pattern(words=re.compile(words), tool=tool, goal=goal, arguments=arguments or _named("nothing"))


def _all_sql(text: str) -> dict[str, Any]:
    table = _table(text)
    return {"sql": f"SELECT * FROM {tools.database_of(table)}.{table}"}  # noqa: S608 - nothing runs this SQL


_RECENT_SQL = "SELECT TableName, DataBaseName FROM DBC.TablesV WHERE CreateTimeStamp >= DATE - 2"
_PATTERNS = (
    _row(r"utili[sz]ation|resource usage|system usage|cpu|workload", "dba_resusageSummary", "Get the resource usage summary."),
    _row(r"version|release", "dba_databaseVersion", "Get the database version."),
    _row(
        r"tables? (were )?created|new tables",
        "base_readQuery",
        "Find the tables created lately.",
        lambda _: {"sql": _RECENT_SQL},
    ),
    _row(r"all (the )?rows|whole table", "base_readQuery", "Read the table.", _all_sql),
    _row(r"databases\b", "base_databaseList", "List all databases on the system."),
    _row(
        r"rows?\b|records|how many (customers|products|orders|leads|deals|employees|service)",
        "base_readQuery",
        "Count rows.",
        _count_sql,
    ),
    _row(r"columns?|fields", "base_columnDescription", "Describe the columns.", _named("table")),
    _row(r"ddl|definition|create statement", "base_tableDDL", "Get the table definition.", _named("table")),
    _row(r"preview|sample|first few", "base_tablePreview", "Preview the table.", _named("table")),
    _row(r"missing|null|quality", "qlty_missingValues", "Find missing values.", _named("table")),
    _row(r"distinct|categor", "qlty_distinctCategories", "List distinct categories.", _named("table")),
    _row(r"affinit|joined together", "base_tableAffinity", "Find tables used together.", _named("table")),
    _row(r"most used|usage of tables|table usage|popular", "base_tableUsage", "Get the usage of tables.", _named("database")),
    _row(
        r"table space|size of (each|the) tables?|largest tables?",
        "dba_tableSpace",
        "Get the space of tables.",
        _named("database"),
    ),
    _row(r"system space|total space", "dba_systemSpace", "Get the space of the system."),
    _row(r"space|size|largest|biggest|storage", "dba_databaseSpace", "Get the space of databases."),
    _row(r"tables\b(?! (were )?created)", "base_tableList", "List the tables.", _named("database")),
    _row(r"sessions?|logged on|connected", "dba_sessionInfo", "Get session information."),
    _row(r"roles?", "sec_userRoles", "Get the roles of users."),
    _row(r"permissions?|access rights?|privileges?", "sec_userDbPermissions", "Get the permissions of users."),
    _row(r"flow control", "dba_flowControl", "Get flow control."),
    _row(r"delays?|\bwait|throttl", "dba_userDelay", "Get the delay of users."),
    _row(r"features?", "dba_featureUsage", "Get feature usage."),
    _row(r"\bsql\b|queries|statements", "dba_userSqlList", "List recent SQL."),
    _row(r"users?\b", "base_readQuery", "List the users.", lambda _: {"sql": "SELECT UserName FROM DBC.UsersV"}),
)
# A prompt about the first tool often mentions the subject of the others, which are then left out.
_COVERS = {
    "dba_databaseSpace": ("base_databaseList", "base_tableList"),
    "dba_tableSpace": ("base_databaseList", "base_tableList", "dba_databaseSpace"),
    "base_tableUsage": ("base_tableList",),
    "base_tableAffinity": ("base_tableList",),
    "base_tablePreview": ("base_readQuery",),
    "base_columnDescription": ("base_tableList",),
    "dba_userDelay": ("base_readQuery",),
}
_PER_DATABASE = re.compile(
    r"tables\b.*(each|every) database|(each|every) database.*tables\b|tables per database|databases and their tables"
)


def understood(prompt: str) -> bool:
    """Return whether a pattern matches the prompt."""
    text = _MARK.sub("", prompt).lower()
    return any(pattern.words.search(text) for pattern in _PATTERNS)


def needs(prompt: str) -> tuple[Need, ...]:
    """Return the needs of the prompt, at least one."""
    text = _MARK.sub("", prompt).lower()
    if _PER_DATABASE.search(text):
        loop = Need(tool="base_tableList", goal="Loop through the databases and list the tables of each.", per_database=True)
        return (Need(tool="base_databaseList", goal="List all databases."), loop)
    found: list[Need] = []
    for pattern in _PATTERNS:
        if pattern.words.search(text) and all(need.tool != pattern.tool for need in found):
            found.append(_need(pattern, text))
    if not found:
        drawn = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=2).digest(), "big")
        found.append(_need(_PATTERNS[drawn % len(_PATTERNS)], text))
    covered = {tool for need in found for tool in _COVERS.get(need.tool, ())}
    return tuple([need for need in found if need.tool not in covered][:MOST_NEEDS])


def _need(pattern: _Pattern, text: str) -> Need:
    phrase = _DATE_PHRASE.search(text) if pattern.tool == "dba_resusageSummary" else None
    return Need(
        tool=pattern.tool,
        arguments=pattern.arguments(text),
        goal=pattern.goal,
        date_phrase=None if phrase is None else phrase[0],
    )
