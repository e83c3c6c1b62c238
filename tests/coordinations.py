"""Builders of a coordinator's trial: its events, and the sessions of the experts it asked."""

from __future__ import annotations

import exchanges


def invoked(tag, seconds):
    """Return the event of asking an expert."""
    return exchanges.event("genie_slave_invoked", seconds, profile_tag=tag)


def completed(tag, seconds, session_id, *, success=True, **more):
    """Return the event of an expert's end."""
    return exchanges.event(
        "genie_slave_completed", seconds, profile_tag=tag, slave_session_id=session_id, success=success, duration_ms=500, **more
    )


def coordinator(*middle, named_late=False):
    """Return a coordinator's task and session: 100 + 10 tokens in two calls, 0.02 USD, the answer at 5 s."""
    steps = [
        exchanges.event("genie_llm_step", seconds, step_name="Step", input_tokens=50, output_tokens=5, cost_usd=0.01)
        for seconds in (1.0, 3.9)
    ]
    late = [exchanges.token_update("genie_1", 4.7, (100, 10), (100, 10))] if named_late else []
    naming = exchanges.naming(5.0001, 5.0002) if named_late else exchanges.naming(6.0, 6.5)
    events = [
        *exchanges.head("COORD"),
        exchanges.event("genie_coordination_start", 0.2, profile_tag="COORD"),
        steps[0],
        *middle,
        steps[1],
        exchanges.event(
            "genie_coordination_complete",
            4.0,
            success=True,
            input_tokens=100,
            output_tokens=10,
            cost_usd=0.02,
            total_duration_ms=3800,
        ),
        *late,
        exchanges.final_answer(5.0),
        *naming,
    ]
    return exchanges.task(events), exchanges.session(exchanges.turn("COORD", (100, 10), profile_type="genie"))


def planner(session_id="planner-1", *turns, seconds=3.0, **more):
    """Return the session of an OPTIM expert: a plan, one failed data tool and a report, 1200 + 90 tokens without naming."""
    trace = (
        exchanges.PLANNED,
        exchanges.phase_start(1, 2.0, "base_tableList"),
        exchanges.fastpath(1, 2.1, "base_tableList"),
        exchanges.tool("base_tableList", 2.5, 1, status="error"),
        exchanges.phase_end(1, 2.9),
        *exchanges.REPORT,
    )
    _, session = exchanges.planner_run(
        *trace, timestamp=exchanges.at(seconds), system_events=exchanges.naming(3.0, 3.1), **more
    )
    own = session["last_turn_data"]["workflow_history"][0]
    return exchanges.session(*turns, own, id=session_id)


def agent(session_id="agent-1", seconds=3.0, **more):
    """Return the session of an IDEAT expert: one LLM step of 300 + 30 tokens, and naming."""
    events = [exchanges.step(1.0, (300, 30)), *exchanges.naming(2.0, 2.2)]
    _, session = exchanges.agent_run(conversation_agent_events=events, timestamp=exchanges.at(seconds), **more)
    return {**session, "id": session_id}
