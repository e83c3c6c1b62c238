"""Records of planners whose planning prompt has a known size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import exchanges
import traces

from uderia_bench.trial import Trial, TrialRecord

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
ADDED = 1150  # tokens that another profile's tools added on a running server
TOOK_S = 10.0


def planned(trial: Trial, tokens: int, *, began_s: float) -> TrialRecord:
    """Return the settled record of a trial whose planning call has this many input tokens, sent some seconds after noon."""
    planning = exchanges.llm("Calling LLM for Planning", 1.0, "c-plan", (tokens, 50), planning_phase="strategic")
    task, session = exchanges.planner_run(planning, *exchanges.REPORT, spent=(tokens + 200, 90))
    sent_at = NOON + timedelta(seconds=began_s)
    return traces.record(
        task,
        session,
        trial=trial,
        expected=traces.expected(server="http://s", profile_id=f"p-{trial.arm}"),
        sent_at=sent_at,
        done_at=sent_at + timedelta(seconds=TOOK_S),
    )
