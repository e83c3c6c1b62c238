"""Second client of Uderia's REST interface, written with the standard library only.

It shares no code with the project. That it works on the embedded server shows that the server
follows the protocol, and not only the project's reading of it.

    python tests/sim/second_client.py http://localhost:5050 IDEAT "how many databases are on the system?"
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

TERMINAL = {"complete", "completed", "error", "failed", "cancelled"}


class Refused(Exception):
    """The server answered with an error status."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:200]}")
        self.status = status


@dataclass
class Trial:
    """The result of one question."""

    status: str
    answer: str | None
    answered: bool
    profile_tag: str
    model: str
    input_tokens: int
    output_tokens: int
    seconds: float
    kinds: list[str]


class Uderia:
    """A signed-in client of one server."""

    def __init__(self, url: str, username: str = "admin", password: str = "admin") -> None:
        self.url = url
        self.token: str | None = None
        self.token = self.call("POST", "/api/v1/auth/login", {"username": username, "password": password})["token"]
        self.user = self.call("GET", "/api/v1/auth/me")["user"]
        listed = self.call("GET", "/api/v1/profiles")
        self.profiles = {profile["tag"].lstrip("@").upper(): profile for profile in listed["profiles"]}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return its JSON. Raises ``Refused`` for an error status."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise Refused(refusal.code, refusal.read().decode()) from None

    def ask(self, tag: str, prompt: str, deadline_s: float = 600.0) -> Trial:
        """Ask in a new session and follow the task to its end. Cancel it at the deadline."""
        profile = {"profile_id": self.profiles[tag]["id"]}
        session = self.call("POST", "/api/v1/sessions", profile)["session_id"]
        began = time.monotonic()
        path = self.call("POST", f"/api/v1/sessions/{session}/query", {"prompt": prompt, **profile})["status_url"]
        wait, cancelled = 0.05, False
        while (task := self.call("GET", path))["status"] not in TERMINAL:
            if not cancelled and time.monotonic() - began > deadline_s:
                self.call("POST", f"{path}/cancel")
                cancelled = True
            time.sleep(wait)
            wait = min(2.0, wait * 1.5)
        return self._trial(task, self.call("GET", f"/api/v1/sessions/{session}/details"), time.monotonic() - began)

    @staticmethod
    def _trial(task: dict, session: dict, seconds: float) -> Trial:
        """Return the result of a task by the rule of success, with the tokens of its turn.

        Source: docs/reference/protocol.md, "Failures a client must handle".
        """
        data = [(event["event_type"], event["event_data"]) for event in task["events"]]
        kinds = [body.get("type") if name in (None, "notification") else name for name, body in data]
        turns = session["last_turn_data"]["workflow_history"]
        turn = turns[-1] if turns else {}
        answer = task["result"].get("final_answer_text") if isinstance(task["result"], dict) else None
        right = task["status"] in ("complete", "completed") and bool(answer) and turn.get("status") == "success"
        return Trial(
            status=task["status"],
            answer=answer,
            answered=right and not any(name == "error" for name, _ in data),
            profile_tag=turn.get("profile_tag", ""),
            model=f"{turn.get('provider')}/{turn.get('model')}",
            input_tokens=turn.get("turn_input_tokens", 0),
            output_tokens=turn.get("turn_output_tokens", 0),
            seconds=seconds,
            kinds=kinds,
        )


if __name__ == "__main__":
    url, tag, prompt = sys.argv[1:]
    sys.stdout.write(f"{Uderia(url).ask(tag, prompt)}\n")
