"""Routes of single cases: read, feedback (docs/reference/learning.md, "Feedback")."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import account_of, signed_in, state_of
from uderia_bench.sim.api.sessions import session_of
from uderia_bench.sim.memory.cases import Case
from uderia_bench.sim.memory.collections import Collection

_SCORES = (-1, 0, 1)
_VOTES = {"up": 1, "down": -1, None: 0}


def _case_of(request: Request) -> tuple[Collection, Case] | None:
    return state_of(request).collections.case(request.path_params["case_id"])


async def _read(request: Request) -> Response:
    found, user = _case_of(request), account_of(request)
    if user is None:
        return responses.error(401, "Authentication required")
    if found is None:
        return responses.error(404, "Case not found")
    collection, case = found
    if not collection.readable_by(user):
        return responses.error(403, "Access denied")
    session = state_of(request).sessions.get(case.metadata["session_id"])
    turns = [] if session is None else session.turns()
    turn = next((turn for turn in turns if turn["turn"] == case.metadata["turn_id"]), None)
    body = {"case": case.body, "join_method": None if turn is None else "turn_id", "session_turn_summary": turn}
    return responses.json(body)


async def _score(request: Request) -> Response:
    """Set the feedback of a case. The server checks neither token nor owner."""
    body: Any = await responses.lenient_json(request)
    score = body.get("feedback_score") if isinstance(body, dict) else None
    if score not in _SCORES or isinstance(score, bool | float):
        message = "Invalid feedback_score. Must be -1 (downvote), 0 (neutral), or 1 (upvote)"
        return responses.failure(400, message)
    found = _case_of(request)
    if found is None:
        return responses.failure(404, "Failed to update feedback. Case not found.")
    found[0].vote(found[1], score)
    done = {"case_id": request.path_params["case_id"], "feedback_score": score}
    return responses.success("Feedback submitted successfully", **done)


def _vote(body: Any) -> int | None:
    vote = body.get("vote", "") if isinstance(body, dict) else ""
    return _VOTES.get(vote) if isinstance(vote, str | None) else None


async def _vote_case(request: Request) -> Response:
    found, score = _case_of(request), _vote(await responses.lenient_json(request))
    if score is None:
        return responses.error(400, "vote must be 'up', 'down' or null")
    if found is None:
        return responses.error(404, "Case not found")
    if not found[0].readable_by(account_of(request)):
        return responses.error(403, "Access denied")
    found[0].vote(found[1], score)
    return responses.success("Feedback updated.")


async def _vote_turn(request: Request) -> Response:
    """Set the feedback of a turn and of the case that it names."""
    session, body = session_of(request), await responses.lenient_json(request)
    score, number = _vote(body), request.path_params["number"]
    if session is None:
        return responses.error(404, "Session not found")
    if score is None:
        return responses.error(400, "vote must be 'up', 'down' or null")
    for position, turn in enumerate(session.turns()):
        if turn["turn"] == number:
            session.update_turn(position, feedback=body["vote"])
            found = state_of(request).collections.case(str(turn.get("case_id")))
            if found is not None:
                found[0].vote(found[1], score)
            return responses.success(f"Turn {number} feedback updated.")
    return responses.error(404, "Turn not found")


ROUTES = [
    Route("/rag/cases/{case_id}", _read, methods=["GET"]),
    Route("/api/v1/rag/cases/{case_id}/feedback", _score, methods=["POST"]),
    Route("/api/rag/cases/{case_id}/feedback", signed_in(_vote_case), methods=["POST"]),
    Route("/api/session/{session_id}/turn/{number:int}/feedback", signed_in(_vote_turn), methods=["POST"]),
]
