"""A scripted Uderia for client tests: an ``httpx.MockTransport`` whose tasks take virtual time and whose troubles are queued.

It is no simulator: one profile, no tokens counted, just enough JSON for the client's own decisions.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import anyio
import httpx

URL = "https://uderia.test"
PROFILES = [
    {"id": "p-ideat", "tag": "IDEAT", "name": "Ideate", "profile_type": "llm_only", "llmConfigurationId": "llm-a"},
    {"id": "p-optim", "tag": "OPTIM", "name": "Optimise", "llmConfigurationId": "llm-b"},
]
CONFIGURATIONS = [
    {"id": "llm-a", "provider": "Alpha", "model": "one", "credentials": {"apiKey": "do-not-keep"}},
    {"id": "llm-b", "provider": "Beta", "model": "two"},
]


@dataclass
class Scripted:
    """The server's state. ``troubles[path-suffix]`` are answered (or raised) before the normal answer, in order."""

    task_s: float = 3.0
    submit_s: float = 0.05
    session_s: float = 0.0
    troubles: dict[str, deque] = field(default_factory=lambda: defaultdict(deque))
    calls: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[tuple[str, dict]] = field(default_factory=list)
    tasks: dict[str, dict] = field(default_factory=dict)
    sessions: dict[str, dict] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    in_flight: int = 0
    most_in_flight: int = 0
    overlaps: set[frozenset] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=count)

    def transport(self) -> httpx.MockTransport:
        """Return the transport to give to the client."""
        return httpx.MockTransport(self._answer)

    def trouble(self, suffix: str, *answers) -> None:
        """Queue answers (``httpx.Response``) or exceptions for calls whose path ends in ``suffix``."""
        self.troubles[suffix].extend(answers)

    def count(self, method: str, suffix: str) -> int:
        """Return how many calls of a method ended in ``suffix``."""
        return sum(1 for m, path in self.calls if m == method and path.endswith(suffix))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.calls.append((request.method, path))
        body = json.loads(request.content) if request.content else None
        if body is not None:
            self.bodies.append((path, body))
        for suffix, queue in self.troubles.items():
            if path.endswith(suffix) and queue:
                answer = queue.popleft()
                if callable(answer):
                    answer = answer()
                if isinstance(answer, Exception):
                    raise answer
                return answer
        if path.endswith("/auth/login"):
            token = f"jwt-{self.count('POST', '/auth/login')}"
            self.tokens.add(token)
            return httpx.Response(200, json={"token": token})
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            status = 401 if path.endswith(("/auth/me", "/sessions")) else 404
            return httpx.Response(status, json={"error": "Authentication required"})
        return await self._signed_in(request.method, path, body)

    async def _signed_in(self, method: str, path: str, body: dict | None) -> httpx.Response:  # noqa: C901, PLR0911 - a route each
        parts = path.removeprefix("/api/v1/").split("/")
        match method, parts:
            case "GET", ["auth", "me"]:
                return httpx.Response(200, json={"user": {}})
            case "GET", ["profiles"]:
                return httpx.Response(200, json={"profiles": PROFILES, "default_profile_id": None})
            case "GET", ["llm", "configurations"]:
                return httpx.Response(200, json={"configurations": CONFIGURATIONS})
            case "POST", ["sessions"]:
                await anyio.sleep(self.session_s)
                session_id = f"s-{len(self.sessions)}"
                self.sessions[session_id] = {
                    "id": session_id,
                    "session_history": [],
                    "last_turn_data": {"workflow_history": []},
                }
                return httpx.Response(201, json={"session_id": session_id})
            case "POST", ["sessions", session_id, "query"]:
                await anyio.sleep(self.submit_s)
                if session_id not in self.sessions:  # the server has forgotten it meanwhile
                    return httpx.Response(404, json={"error": f"no session {session_id}"})
                return httpx.Response(202, json={"task_id": self.start(session_id, body)})
            case "GET", ["tasks", task_id]:
                return self._task(task_id)
            case "POST", ["tasks", task_id, "cancel"]:
                self.tasks[task_id]["cancelled"] = True
                return httpx.Response(200, json={"status": "success"})
            case "GET", ["sessions", session_id, "details"] if session_id in self.sessions:
                for task_id, task in self.tasks.items():
                    if task["session"] == session_id and not task["cancelled"] and self._over(task):
                        self.finish(task_id)
                return httpx.Response(200, json=self.sessions[session_id])
        return httpx.Response(404, json={"error": f"no {path}"})

    def start(self, session_id: str, body: dict) -> str:
        """Start a task, as the query POST does."""
        task_id = f"task-{next(self._numbers)}"
        self.tasks[task_id] = {
            "session": session_id,
            "end": anyio.current_time() + self.task_s,
            "profile": body["profile_id"],
            "prompt": body["prompt"],
            "cancelled": False,
        }
        self.sessions[session_id]["session_history"].append({"role": "user", "content": body["prompt"]})
        live = [t for t in self.tasks.values() if not self._over(t)]
        self.most_in_flight = max(self.most_in_flight, len(live))
        self.overlaps.add(frozenset(t["profile"] for t in live))
        return task_id

    def _over(self, task: dict) -> bool:
        return task["cancelled"] or anyio.current_time() >= task["end"]

    def _task(self, task_id: str) -> httpx.Response:
        task = self.tasks.get(task_id)
        if task is None:
            return httpx.Response(404, json={"error": f"Task '{task_id}' not found."})
        if task["cancelled"]:
            return httpx.Response(200, json={"task_id": task_id, "status": "cancelled", "events": []})
        if anyio.current_time() < task["end"]:
            return httpx.Response(200, json={"task_id": task_id, "status": "processing", "events": []})
        self.finish(task_id)
        return httpx.Response(
            200, json={"task_id": task_id, "status": "complete", "events": [], "result": {"final_answer_text": "ok"}}
        )

    def finish(self, task_id: str) -> None:
        """Write a task's turn into its session, once."""
        history = self.sessions[self.tasks[task_id]["session"]]["last_turn_data"]["workflow_history"]
        if all(turn["task_id"] != task_id for turn in history):
            history.append({"turn": len(history) + 1, "task_id": task_id, "status": "success"})
