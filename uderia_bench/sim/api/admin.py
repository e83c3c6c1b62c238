"""Routes of the server's status and settings."""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.agent import catalogue, prompts
from uderia_bench.sim.agent.profiles import MCP_SERVER_ID
from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import Handler, account_of, signed_in, state_of
from uderia_bench.sim.api.collections import read_object

_EXPERT: dict[str, dict[str, Any]] = {
    "agent_behavior": {"allow_synthesis": True, "condense_prompts": True, "force_sub_summary": False},
    "agent_config": {
        "max_execution_depth": 5,
        "max_execution_steps": 25,
        "max_phase_retry_attempts": 5,
        "tool_call_timeout": 60,
    },
    "langchain_behavior": {"max_iterations": 25},
    "llm_behavior": {"base_delay": 2, "max_output_tokens": 16384, "max_retries": 5},
    "performance": {
        "context_max_chars": 10000,
        "context_max_rows": 500,
        "description_threshold": 200,
        "document_context_max_chars": 50000,
        "document_per_file_max_chars": 20000,
        "report_distillation_aggressive_rows": 25,
        "report_distillation_max_chars": 50000,
        "report_distillation_max_rows": 100,
        "report_distillation_total_budget": 200000,
    },
    "query_optimization": {"enable_sql_consolidation": True},
    "security": {"session_timeout": 24, "token_expiry": 168},
}
_WINDOW_DEFAULTS = {
    "allow_user_override": True,
    "always_show_welcome_screen": True,
    "default_theme": "modern",
    "resources_expanded": False,
    "session_history_expanded": False,
    "status_expanded": False,
}


def administrator(handler: Handler) -> Handler:
    """Return a handler that answers 403 to everyone except an administrator."""

    async def checked(request: Request) -> Response:
        user = account_of(request)
        if user is None or not user.is_admin:
            return responses.failure(403, "Admin tier required")
        return await handler(request)

    return signed_in(checked)


async def _status(request: Request) -> Response:
    state = state_of(request)
    if account_of(request) is None:
        return responses.json({"authenticationRequired": True, "isConfigured": False})
    enabled = state.switches.rag_enabled
    body: dict[str, Any] = {"isConfigured": bool(state.sessions), "rag_active": enabled, "rag_enabled": enabled}
    if state.sessions:
        llm = state.current
        body |= {"mcp_server": {"id": MCP_SERVER_ID}, "model": llm.model, "provider": llm.provider}
    return responses.json(body)


async def _app_config(request: Request) -> Response:
    switches = state_of(request).switches
    body = {
        "allow_synthesis_from_history": True,
        "charting_enabled": True,
        "default_charting_intensity": "medium",
        "license_info": {"tier": "Standard"},
        "rag_enabled": switches.rag_enabled,
        "tts_mode": "disabled",
        "voice_conversation_enabled": False,
        "window_defaults": _WINDOW_DEFAULTS,
    }
    return responses.json(body)


async def _prompts_version(_: Request) -> Response:
    masters = "/".join(prompts.DEFAULTS["master_system_prompts"].values())
    return responses.json({"version": hashlib.sha256(masters.encode()).hexdigest()})


async def _read_config(request: Request) -> Response:
    return responses.json({"config": state_of(request).switches.app_config(), "status": "success"})


async def _change_config(request: Request) -> Response:
    switches = state_of(request).switches
    body = await read_object(request)
    if body is None:
        return responses.failure(400, "A JSON object is required")
    switches.change(body)
    return responses.success("Application configuration updated successfully", config=switches.app_config())


async def _expert(_: Request) -> Response:
    return responses.json({"settings": _EXPERT, "status": "success"})


async def _knowledge(request: Request) -> Response:
    return responses.json({"settings": state_of(request).switches.knowledge(), "status": "success"})


async def _stats(request: Request) -> Response:
    users = state_of(request).accounts.users
    seen = [user for user in users if user.last_login_at is not None]
    tiers = ["admin" if user.is_admin else "user" for user in seen]
    stats = {
        "active_users": len(seen),
        "admin_users": sum(user.is_admin for user in seen),
        "locked_users": 0,
        "recent_audit_events_24h": len(seen),
        "recent_logins_24h": len(seen),
        "recent_registrations_7d": len(seen),
        "tier_distribution": {tier: tiers.count(tier) for tier in tiers},
        "total_users": len(seen),
    }
    return responses.json({"stats": stats, "status": "success"})


async def _servers(_: Request) -> Response:
    server = {
        "all_prompts": [],
        "all_tools": [],
        "host": "127.0.0.1",
        "id": MCP_SERVER_ID,
        "name": catalogue.MCP_NAME,
        "path": "/mcp",
        "port": "0",
        "transport": {"type": "streamable_http"},
    }
    return responses.json({"active_server_id": MCP_SERVER_ID, "servers": [server], "status": "success"})


def _switch_context(request: Request) -> None:
    """Switch the process to the default profile, as the real server does on these reads."""
    state = state_of(request)
    default = state.book(None).default
    if default is not None:
        state.switch(default)


async def _tools(request: Request) -> Response:
    _switch_context(request)
    return responses.json(catalogue.tools_of(None, components=False))


async def _prompts(request: Request) -> Response:
    _switch_context(request)
    return responses.json(catalogue.prompts(typed=False))


async def _scheduler(_: Request) -> Response:
    return responses.json({"globally_enabled": True, "job_count": 0, "running": True})


ROUTES = [
    Route("/api/status", _status, methods=["GET"]),
    Route("/app-config", _app_config, methods=["GET"]),
    Route("/api/prompts-version", _prompts_version, methods=["GET"]),
    Route("/tools", _tools, methods=["GET"]),
    Route("/prompts", _prompts, methods=["GET"]),
    Route("/api/v1/mcp/servers", signed_in(_servers), methods=["GET"]),
    Route("/api/v1/scheduler/status", signed_in(_scheduler), methods=["GET"]),
    Route("/api/v1/admin/app-config", administrator(_read_config), methods=["GET"]),
    Route("/api/v1/admin/app-config", administrator(_change_config), methods=["POST"]),
    Route("/api/v1/admin/expert-settings", administrator(_expert), methods=["GET"]),
    Route("/api/v1/admin/knowledge-global-settings", administrator(_knowledge), methods=["GET"]),
    Route("/api/v1/admin/stats", administrator(_stats), methods=["GET"]),
]
