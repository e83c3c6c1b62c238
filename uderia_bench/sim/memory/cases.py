"""Cases: successful plans that the planner stores and shows to later planning calls.

Source: docs/reference/learning.md, "Retrieval" and "Writing".
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from uderia_bench.sim.agent.profiles import MCP_SERVER_ID
from uderia_bench.sim.memory.similarity import words

# Tokens of 0 to 3 retrieved cases in the planning prompt, as measured for plans of two phases.
EXAMPLE_TOKENS = (0, 299, 480, 663)
TEMPLATE_USER = "00000000-0000-0000-0000-000000000000"
_TEMPLATE_INPUT_TOKENS, _TEMPLATE_OUTPUT_TOKENS = 150, 180


@dataclass(slots=True, kw_only=True)
class Case:
    """A stored plan as a row of a collection. ``body`` is its case file.

    ``id`` is ``case_<uuid>``, or only the uuid for a populated case. ``is_most_efficient`` marks the
    champion of its question; the case file keeps the value of the time of writing.
    """

    id: str
    body: dict[str, Any]
    is_most_efficient: bool
    feedback: int = 0
    words: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.words = words(self.query)

    @property
    def case_id(self) -> str:
        """The uuid of the case."""
        return str(self.body["case_id"])

    @property
    def query(self) -> str:
        """The question that the plan answered."""
        return str(self.body["intent"]["user_query"])

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of the case file."""
        metadata: dict[str, Any] = self.body["metadata"]
        return metadata

    @property
    def owner(self) -> str:
        """The uuid of the user whose turn it was."""
        return str(self.metadata["user_uuid"])

    @property
    def output_tokens(self) -> int:
        """The output tokens of the turn."""
        return int(self.metadata["llm_config"]["output_tokens"])

    @property
    def tools(self) -> list[str]:
        """The tools of the plan, in order."""
        phases = self.body["successful_strategy"]["phases"]
        return [tool for phase in phases for tool in phase["relevant_tools"]]

    @property
    def is_candidate(self) -> bool:
        """Whether retrieval may return the case."""
        return self.feedback >= 0 and (self.is_most_efficient or self.feedback > 0)

    def event(self) -> dict[str, Any]:
        """Return the data of a ``rag_retrieval`` event."""
        return {"case_id": self.id, "full_case_data": self.body}

    def listing(self) -> dict[str, Any]:
        """Return the case as session details list it, from the case file."""
        metadata = self.metadata
        return {
            "case_id": self.case_id,
            "collection_id": metadata["collection_id"],
            "is_most_efficient": metadata["is_most_efficient"],
            "output_tokens": self.output_tokens,
            "strategy_metrics": metadata["strategy_metrics"],
            "turn_id": metadata["turn_id"],
        }

    def row(self, *, light: bool, similarity: float | None) -> dict[str, Any]:
        """Return the case as a row of its collection."""
        row = {
            "id": self.id,
            "is_most_efficient": self.is_most_efficient,
            "output_tokens": self.output_tokens,
            "strategy_type": "successful",
            "timestamp": self.metadata["timestamp"],
            "user_feedback_score": self.feedback,
            "user_query": self.query,
        }
        if not light:
            row["full_case_data"] = self.body
        if similarity is not None:
            row["similarity_score"] = round(similarity, 4)
        return row


def case_id(session_id: str, turn: int) -> str:
    """Return the id that the real server gives to the case of a turn."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session_id}_{turn}"))


def from_turn(turn: dict[str, Any], plan: list[dict[str, Any]], collection_id: int) -> Case:
    """Return the case of a successful turn."""
    new_id = case_id(turn["session_id"], turn["turn"])
    steps = _steps(turn["execution_trace"])
    metadata = {
        "collection_id": collection_id,
        "had_plan_improvements": False,
        "had_tactical_improvements": False,
        "has_orchestration": any(tool_of(entry) == "TDA_SystemOrchestration" for entry in turn["execution_trace"]),
        "is_most_efficient": False,
        "is_session_primer": False,
        "is_success": True,
        "llm_config": {
            "input_tokens": turn["turn_input_tokens"],
            "model": turn["model"],
            "output_tokens": turn["turn_output_tokens"],
            "profile_tag": turn["profile_tag"],
            "provider": turn["provider"],
        },
        "mcp_server_id": MCP_SERVER_ID,
        "session_id": turn["session_id"],
        "strategy_metrics": {"phase_count": len(plan), "steps_per_phase": steps, "total_steps": sum(steps.values())},
        "task_id": turn["task_id"],
        "timestamp": turn["timestamp"],
        "turn_id": turn["turn"],
        "user_feedback_score": 0,
        "user_uuid": turn["user_uuid"],
    }
    return Case(id=f"case_{new_id}", body=_body(new_id, turn["user_query"], metadata, plan), is_most_efficient=False)


def from_template(query: str, sql: str, *, tool: str, database: str | None, collection_id: int, now: str) -> Case:
    """Return a case of the template ``sql_query``."""
    new_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"template/{collection_id}/{query}/{sql}"))
    plan = [
        _phase(1, f"Execute SQL query on {database}: {sql}", tool, {"sql": sql}),
        _phase(2, "Generate the final report based on the query results.", "TDA_FinalReport", {}),
    ]
    metadata = {
        "collection_id": collection_id,
        "database_name": database,
        "had_plan_improvements": False,
        "had_tactical_improvements": False,
        "is_most_efficient": True,
        "is_success": True,
        "llm_config": {
            "input_tokens": _TEMPLATE_INPUT_TOKENS,
            "model": "sql_template_v1",
            "output_tokens": _TEMPLATE_OUTPUT_TOKENS,
            "profile_tag": None,
            "provider": "Template",
        },
        "mcp_server_id": MCP_SERVER_ID,
        "session_id": TEMPLATE_USER,
        "strategy_metrics": {"phase_count": 2, "steps_per_phase": {"1": 1, "2": 1}, "total_steps": 2},
        "task_id": f"template-task-{new_id[:8]}",
        "template_generated": True,
        "template_type": "sql_query",
        "timestamp": now,
        "turn_id": 1,
        "user_feedback_score": 0,
        "user_uuid": TEMPLATE_USER,
    }
    return Case(id=new_id, body=_body(new_id, query, metadata, plan), is_most_efficient=True)


def _body(new_id: str, query: str, metadata: dict[str, Any], plan: list[dict[str, Any]]) -> dict[str, Any]:
    strategy = {"phases": plan}
    return {"case_id": new_id, "intent": {"user_query": query}, "metadata": metadata, "successful_strategy": strategy}


def _phase(number: int, goal: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"arguments": arguments, "goal": goal, "phase": number, "relevant_tools": [tool]}


def tool_of(entry: dict[str, Any]) -> str | None:
    """Return the tool of a trace entry, None for a recovery, whose action is a string."""
    action = entry["action"]
    return action["tool_name"] if isinstance(action, dict) else None


def _steps(trace: list[dict[str, Any]]) -> dict[str, int]:
    """Count the calls in the trace by phase. Calls of a date range have no phase number."""
    steps: dict[str, int] = {}
    for entry in trace:
        if tool_of(entry) not in ("TDA_SystemLog", None):
            phase = str(entry["action"]["metadata"].get("phase_number", "N/A"))
            steps[phase] = steps.get(phase, 0) + 1
    return steps
