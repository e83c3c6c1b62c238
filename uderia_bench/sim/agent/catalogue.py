"""Catalogue of tools and prompts, as the server lists them."""

from __future__ import annotations

from typing import Any

from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.agent.tools import DATA_TOOLS

MCP_NAME = "Teradata MCP"
_TABLE = (("database_name", "string", True), ("table_name", "string", True))
_DATABASE = (("database_name", "string", False),)
_ARGUMENTS: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "base_readQuery": (("sql", "string", True),),
    "base_columnDescription": _TABLE,
    "base_tableDDL": _TABLE,
    "base_tablePreview": _TABLE,
    "qlty_missingValues": _TABLE,
    "qlty_distinctCategories": _TABLE,
    "qlty_columnSummary": (*_TABLE, ("column_name", "string", True)),
    "base_tableList": _DATABASE,
    "dba_databaseSpace": _DATABASE,
    "dba_tableSpace": _DATABASE,
    "dba_resusageSummary": (("date", "string", False),),
}
_SYSTEM: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "TDA_CurrentDate": (),
    "TDA_DateRange": (("start_date", "string", True), ("date_phrase", "string", True)),
    "TDA_LLMFilter": (("goal", "string", True), ("data_to_filter", "list[dict]", True)),
    "TDA_LLMTask": (
        ("task_description", "string", True),
        ("source_data", "list[string]", True),
        ("synthesized_answer", "string", False),
    ),
    "TDA_ContextReport": (("answer_from_context", "string", True),),
    "TDA_FinalReport": (),
    "TDA_ComplexPromptReport": (),
}
_COMPONENTS: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "TDA_Charting": (
        ("chart_type", "string", True),
        ("data", "list[dict]", True),
        ("mapping", "dict", True),
        ("row_limit", "integer", False),
    ),
    "TDA_Canvas": (("content", "string", True), ("language", "string", True)),
    "TDA_KnowledgeGraph": (("action", "string", True), ("properties", "dict", False), ("depth", "int", False)),
    "TDA_Scheduler": (("action", "string", True), ("max_tokens_per_run", "integer", False)),
}
_PROMPT = "base_databaseBusinessDesc"


def _argument(name: str, kind: str, *, required: bool) -> dict[str, Any]:
    return {"description": name.replace("_", " "), "name": name, "required": required, "type": kind}


def _tool(name: str, arguments: tuple[tuple[str, str, bool], ...]) -> dict[str, Any]:
    return {
        "arguments": [_argument(argument, kind, required=required) for argument, kind, required in arguments],
        "description": name.replace("_", " "),
        "disabled": False,
        "name": name,
    }


def tools_of(profile: Profile | None, *, components: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Return the tools of a profile by group, all data tools for None."""
    data = [_tool(name, _ARGUMENTS.get(name, ())) for name in DATA_TOOLS if profile is None or profile.allows(name)]
    groups = {"All Tools": data, "System Tools": [_tool(name, arguments) for name, arguments in _SYSTEM.items()]}
    if components:
        groups["Component Tools"] = [_tool(name, arguments) for name, arguments in _COMPONENTS.items()]
    return groups


def prompts(*, typed: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Return the prompts of the tool server. The process-wide list has no argument types."""
    argument = _argument("database_name", "unknown", required=True)
    if not typed:
        argument = {"description": None, "name": "database_name", "required": True}
    prompt = {
        "arguments": [argument],
        "description": "Describes the business use of a database.",
        "disabled": False,
        "name": _PROMPT,
        "prompt_type": "reporting",
    }
    return {"All Prompts": [prompt]}
