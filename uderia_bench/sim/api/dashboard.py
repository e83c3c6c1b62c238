"""Routes of the dashboards: consumption, costs, session analytics.

Their learning figures compare different questions; docs/reference/learning.md, "Misleading figures of
the server", says why they show no effect.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import responses
from uderia_bench.sim.api.admin import administrator
from uderia_bench.sim.api.auth import signed_in, signed_in_user, state_of
from uderia_bench.sim.state import State

_TOP = 5
_CALLS_PER_HOUR, _CALLS_PER_DAY = 1000, 10_000
_Row = dict[str, Any]


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def _shares(names: list[str]) -> dict[str, float]:
    return {name: round(_percent(count, len(names)), 1) for name, count in Counter(names).items()}


def _top(rows: list[_Row], key: str) -> list[_Row]:
    return sorted(rows, key=lambda row: -row[key])[:_TOP]


def _hours(rows: list[_Row]) -> Counter[str]:
    return Counter(str(row["created_at"])[:13].replace("T", " ") for row in rows)


def _by_session(rows: list[_Row]) -> list[_Row]:
    """Return cost and tokens of each session."""
    found: dict[str, _Row] = {}
    for row in rows:
        names = {"cost": 0.0, "name": row["session_name"], "session_id": row["session_id"], "tokens": 0, "turns": 0}
        entry = found.setdefault(row["session_id"], names | {"created_at": row["created_at"]})
        entry["cost"] += row["cost_usd"]
        entry["tokens"] += row["total_tokens"]
        entry["turns"] += 1
    return list(found.values())


def _pick(entry: _Row, *names: str) -> _Row:
    return {name: entry[name] for name in names}


def _totals(rows: list[_Row]) -> _Row:
    """Return the figures that all consumption summaries share."""
    good = sum(row["status"] == "success" for row in rows)
    guided = sum(row["rag_used"] for row in rows)
    into, out = (sum(row[name] for row in rows) for name in ("input_tokens", "output_tokens"))
    return {
        "estimated_cost_usd": round(sum((row["cost_usd"] for row in rows), 0.0), 6),
        "failed_turns": len(rows) - good,
        "rag_activation_rate_percent": _percent(guided, len(rows)),
        "rag_cost_saved_usd": 0.0,
        "rag_guided_turns": guided,
        "rag_output_tokens_saved": sum(row["rag_tokens_saved"] for row in rows),
        "sessions_last_24h": len({row["session_id"] for row in rows}),
        "success_rate_percent": _percent(good, len(rows)),
        "successful_turns": good,
        "total_input_tokens": into,
        "total_output_tokens": out,
        "total_sessions": len({row["session_id"] for row in rows}),
        "total_tokens": into + out,
        "total_turns": len(rows),
        "turns_last_24h": len(rows),
    }


def _summary(state: State, user_uuid: str) -> _Row:
    """Return the consumption of a user."""
    rows = [row for row in state.turns if row["user_id"] == user_uuid]
    now = datetime.fromtimestamp(state.clock.epoch, UTC).replace(tzinfo=None)
    hour = now.replace(minute=0, second=0, microsecond=0)
    calls = {name: entry["used"] for name, entry in state.meter.document().items()}
    totals = _totals(rows)
    stamps = [row["created_at"] for row in rows]
    return totals | {
        "active_sessions": totals["total_sessions"],
        "champion_cases_created": 0,
        "collections_subscribed": [],
        "current_period": now.strftime("%Y-%m"),
        "day_reset_at": (hour.replace(hour=0) + timedelta(days=1)).isoformat(),
        "first_usage_at": min(stamps, default=None),
        "hour_reset_at": (hour + timedelta(hours=1)).isoformat(),
        "input_tokens_limit": state.settings.quotas.input_tokens_per_month,
        "input_tokens_remaining": None,
        "input_tokens_today": totals["total_input_tokens"],
        "last_updated_at": now.isoformat(),
        "last_usage_at": max(stamps, default=None),
        "models_used": dict(Counter(row["model"] for row in rows)),
        "output_tokens_limit": state.settings.quotas.output_tokens_per_month,
        "output_tokens_remaining": None,
        "output_tokens_today": totals["total_output_tokens"],
        "peak_requests_per_day": calls["calls_per_day"],
        "peak_requests_per_hour": calls["calls_per_hour"],
        "period_started_at": hour.replace(day=1, hour=0).isoformat(),
        "prompts_per_day_limit": state.settings.quotas.calls_per_day or _CALLS_PER_DAY,
        "prompts_per_hour_limit": state.settings.quotas.calls_per_hour or _CALLS_PER_HOUR,
        "providers_used": dict(Counter(row["provider"] for row in rows)),
        "requests_day_remaining": max(0, _CALLS_PER_DAY - calls["calls_per_day"]),
        "requests_hour_remaining": max(0, _CALLS_PER_HOUR - calls["calls_per_hour"]),
        "requests_this_hour": calls["calls_per_hour"],
        "requests_today": calls["calls_per_day"],
        "tokens_today": totals["total_tokens"],
        "user_id": user_uuid,
    }


async def _user_summary(request: Request) -> Response:
    state, user = state_of(request), signed_in_user(request)
    rows = [row for row in state.turns if row["user_id"] == user.uuid]
    questions = [
        {"cost": row["cost_usd"], "query": row["user_query"], "tokens": row["total_tokens"], "turn": row["turn_number"]}
        | _pick(row, "session_id")
        for row in rows
    ]
    sessions = [_pick(entry, "cost", "name", "session_id", "tokens") for entry in _by_session(rows)]
    body = _summary(state, user.uuid) | {
        "model_distribution": _shares([row["model"] for row in rows]),
        "top_expensive_queries": _top(sessions, "tokens"),
        "top_expensive_questions": _top(questions, "tokens"),
        "velocity_data": [{"count": count, "hour": f"{hour}:00:00"} for hour, count in _hours(rows).items()],
    }
    return responses.json(body)


async def _users(request: Request) -> Response:
    state = state_of(request)
    limit, offset = responses.number(request, "limit", 100), responses.number(request, "offset", 0)
    seen = [user for user in state.accounts.users if user.last_login_at is not None]
    shown = [
        _summary(state, user.uuid) | {"email": user.email, "is_admin": user.is_admin, "username": user.username}
        for user in seen[offset : offset + limit]
    ]
    return responses.json({"limit": limit, "offset": offset, "total_count": len(seen), "users": shown})


async def _system_summary(request: Request) -> Response:
    rows = state_of(request).turns
    users = {row["user_id"] for row in rows}
    questions = [{"query": row["user_query"], "session_id": row["session_id"], "tokens": row["total_tokens"]} for row in rows]
    totals = _totals(rows)
    body = totals | {
        "active_users": len(users),
        "avg_tokens_per_user": totals["total_tokens"] // max(1, len(users)),
        "model_distribution": _shares([row["model"] for row in rows]),
        "top_expensive_queries": _top([_pick(one, "name", "session_id", "tokens") for one in _by_session(rows)], "tokens"),
        "top_expensive_questions": _top(questions, "tokens"),
        "total_users": len(users),
        "velocity_data": [
            {"count": count, "date": date} for date, count in Counter(row["created_at"][:10] for row in rows).items()
        ],
    }
    return responses.json(body)


async def _history(_: Request) -> Response:
    return responses.json({"history": []})


async def _costs(request: Request) -> Response:
    state = state_of(request)
    rows, sessions = state.turns, _by_session(state.turns)
    total = sum(row["cost_usd"] for row in rows)
    by_model: Counter[str] = Counter()
    by_provider: Counter[str] = Counter()
    by_date: Counter[str] = Counter()
    for row in rows:
        by_model[f"{row['provider']}/{row['model']}"] += row["cost_usd"]
        by_provider[row["provider"]] += row["cost_usd"]
        by_date[row["created_at"][:10]] += row["cost_usd"]
    queries = [
        _pick(row, "model", "provider", "session_id")
        | {"cost": row["cost_usd"], "query": row["user_query"], "timestamp": row["created_at"], "tokens": row["total_tokens"]}
        for row in rows
    ]
    body = {
        "avg_cost_per_session": round(total / max(1, len(sessions)), 4),
        "avg_cost_per_turn": round(total / max(1, len(rows)), 4),
        "cost_by_model": dict(by_model),
        "cost_by_provider": dict(by_provider),
        "cost_trend": [{"cost": cost, "date": date} for date, cost in by_date.items()],
        "most_expensive_queries": _top(queries, "cost"),
        "most_expensive_sessions": _top([_pick(one, "cost", "created_at", "session_id", "turns") for one in sessions], "cost"),
        "total_cost": round(total, 2),
        "total_sessions": len(sessions),
        "total_turns": len(rows),
    }
    return responses.json(body)


async def _analytics(request: Request) -> Response:
    state, user = state_of(request), signed_in_user(request)
    rows = [row for row in state.turns if row["user_id"] == user.uuid]
    guided, others = ([row["output_tokens"] for row in rows if row["rag_used"] is used] for used in (True, False))
    means = [round(sum(tokens) / len(tokens), 1) if tokens else 0.0 for tokens in (guided, others)]
    into, out = (sum(row[name] for row in rows) for name in ("input_tokens", "output_tokens"))
    metrics = {
        "activation_rate": round(_percent(len(guided), len(rows)), 1),
        "avg_non_rag_output": means[1],
        "avg_rag_output": means[0],
        "cost_saved": 0.0,
        "efficiency_gain": round(_percent(means[1] - means[0], means[1]), 1),
        "rag_guided_turns": len(guided),
        "tokens_saved": 0,
        "total_turns": len(rows),
    }
    everywhere = {"cost_saved": 0.0, "tokens_saved": 0, "total_improvements": 0, "total_sessions": 0}
    sessions = [
        {"query": one["name"], "session_id": one["session_id"][:8], "tokens": one["tokens"]} for one in _by_session(rows)
    ]
    questions = [
        {"query": row["user_query"], "session_id": row["session_id"][:8], "tokens": row["total_tokens"]} for row in rows
    ]
    body = {
        "estimated_cost_usd": round(sum(row["cost_usd"] for row in rows), 2),
        "is_admin": user.is_admin,
        "model_distribution": _shares([f"{row['provider']}/{row['model']}" for row in rows]),
        "rag_metrics": metrics,
        "rag_metrics_global": everywhere,
        "success_rate_percent": round(_totals(rows)["success_rate_percent"], 1),
        "top_expensive_queries": _top(sessions, "tokens"),
        "top_expensive_questions": _top(questions, "tokens"),
        "total_input_tokens": into,
        "total_output_tokens": out,
        "total_sessions": len({row["session_id"] for row in rows}),
        "total_tokens": {"input": into, "output": out, "total": into + out},
        "velocity_data": [{"count": count, "hour": f"{hour}:00"} for hour, count in _hours(rows).items()],
    }
    return responses.json(body)


async def _questions(request: Request) -> Response:
    """Return stored questions that contain the text of the request."""
    state, wanted = state_of(request), request.query_params.get("query", "").lower()
    found = {case.query for here in state.collections for case in here.cases if wanted in case.query.lower()}
    return responses.json({"questions": sorted(found)[:_TOP]})


ROUTES = [
    Route("/api/v1/consumption/summary", signed_in(_user_summary), methods=["GET"]),
    Route("/api/v1/consumption/history", signed_in(_history), methods=["GET"]),
    Route("/api/v1/consumption/users", administrator(_users), methods=["GET"]),
    Route("/api/v1/consumption/system-summary", administrator(_system_summary), methods=["GET"]),
    Route("/api/v1/costs/analytics", administrator(_costs), methods=["GET"]),
    Route("/api/v1/sessions/analytics", signed_in(_analytics), methods=["GET"]),
    Route("/api/questions", signed_in(_questions), methods=["GET"]),
]
