"""Distillation: the planner's prompts show the outline of a large result.

See docs/reference/protocol.md, "Context optimization".
"""

from __future__ import annotations

import json
from typing import Any

from uderia_bench.sim.agent import tools
from uderia_bench.sim.engines.run import Run, size

MOST_ROWS, MOST_CHARACTERS = 500, 10_000
_OUTLINE_TOKENS = 400


def _is_large(result: dict[str, Any]) -> bool:
    rows = result.get("results", ())
    if result.get("metadata", {}).get("tool_name") not in tools.DATA_TOOLS:
        return False
    return len(rows) > MOST_ROWS or (len(rows) > 1 and len(json.dumps(rows)) > MOST_CHARACTERS)


def prompt_tokens(results: list[dict[str, Any]]) -> int:
    """Return the approximate number of prompt tokens of the results, large ones as outlines."""
    return sum(_OUTLINE_TOKENS if _is_large(result) else size(result) for result in results)


def log(run: Run, results: list[dict[str, Any]]) -> None:
    """Log each distilled result of the next prompt, also if an earlier prompt logged it."""
    for result in results:
        if _is_large(result):
            rows = result["results"]
            details = {
                "char_count": len(json.dumps(rows)),
                "columns": list(rows[0]),
                "row_count": len(rows),
                "subtype": "context_distillation",
                "summary": f"Distilled {len(rows)} rows to their outline.",
            }
            run.step("Context Optimization", "context_optimization", details)
