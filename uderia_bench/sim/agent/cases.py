"""Stored plans: the planner finds a successful plan again by its exact prompt."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from uderia_bench.sim.agent.profiles import CASES_COLLECTION, MCP_SERVER_ID
from uderia_bench.sim.tasks import SORTED

# Tokens of a retrieved case in the planning prompt (docs/reference/measured.md, "Surprises").
WARM_INPUT_TOKENS = 300
_NAMESPACE = uuid.UUID("5e0b1c5e-7a54-5f0b-9a3b-2f6c1d0e8a11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One stored plan."""

    case_id: str
    output_tokens: int
    event: orjson.Fragment  # data of the rag_retrieval event


class Cases:
    """The case collection. The champion of a prompt has the fewest output tokens."""

    def __init__(self) -> None:
        self._champions: dict[str, Case] = {}

    def find(self, prompt: str) -> Case | None:
        """Return the champion of the same prompt. The real server also finds similar prompts."""
        return self._champions.get(prompt)

    def keep(self, turn: dict[str, Any], plan: list[dict[str, Any]], *, orchestrated: bool) -> dict[str, Any]:
        """Store a successful turn and return the case as session details list it."""
        steps = _steps(turn["execution_trace"])
        metrics = {"phase_count": len(plan), "steps_per_phase": steps, "total_steps": sum(steps.values())}
        prompt, output = turn["user_query"], turn["turn_output_tokens"]
        case_id = str(uuid.uuid5(_NAMESPACE, f"{turn['session_id']}/{turn['turn']}"))
        champion = self._champions.get(prompt)
        best = champion is None or output < champion.output_tokens
        if best:
            event = _event(case_id, turn, plan, metrics, orchestrated=orchestrated)
            self._champions[prompt] = Case(
                case_id=case_id, output_tokens=output, event=orjson.Fragment(orjson.dumps(event, option=SORTED))
            )
        return {
            "case_id": case_id,
            "collection_id": CASES_COLLECTION,
            "is_most_efficient": best,
            "output_tokens": output,
            "strategy_metrics": metrics,
            "turn_id": turn["turn"],
        }


def tool_of(entry: dict[str, Any]) -> str | None:
    """Return the tool of a trace entry, None for a recovery, whose action is a string."""
    action = entry["action"]
    return action["tool_name"] if isinstance(action, dict) else None


def _steps(trace: list[dict[str, Any]]) -> dict[str, int]:
    """Count the calls in the trace by phase. Calls of a date range have no phase number."""
    steps: dict[str, int] = {}
    for entry in trace:
        if tool_of(entry) != "TDA_SystemLog":
            phase = str(entry["action"]["metadata"].get("phase_number", "N/A"))
            steps[phase] = steps.get(phase, 0) + 1
    return steps


def _event(
    case_id: str, turn: dict[str, Any], plan: list[dict[str, Any]], metrics: dict[str, Any], *, orchestrated: bool
) -> dict[str, Any]:
    return {
        "case_id": f"case_{case_id}",
        "full_case_data": {
            "case_id": case_id,
            "intent": {"user_query": turn["user_query"]},
            "metadata": {
                "collection_id": CASES_COLLECTION,
                "had_plan_improvements": False,
                "had_tactical_improvements": False,
                "has_orchestration": orchestrated,
                "is_most_efficient": True,
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
                "strategy_metrics": metrics,
                "task_id": turn["task_id"],
                "timestamp": turn["timestamp"],
                "turn_id": turn["turn"],
                "user_feedback_score": 0,
                "user_uuid": turn["user_uuid"],
            },
            "successful_strategy": {"phases": plan},
        },
    }
