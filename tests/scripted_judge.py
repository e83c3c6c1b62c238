"""A judge for tests: an ``httpx.MockTransport`` that answers chat completions as its fields say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class ScriptedJudge:
    """``score(swapped, answer)`` returns its score out of 10. With ``down`` it answers with an error."""

    score: Callable[[bool, str], Any] = lambda _swapped, _answer: 8
    down: bool = False
    requests: list[dict] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def transport(self) -> httpx.MockTransport:
        """Return the transport to give to the client."""
        return httpx.MockTransport(self.reply)

    def reply(self, request: httpx.Request) -> httpx.Response:
        """Answer one chat completion."""
        self.requests.append(json.loads(request.content))
        self.keys.append(request.headers.get("authorization"))
        if self.down:
            return httpx.Response(503, json={"error": "overloaded"})
        system, user = (message["content"] for message in self.requests[-1]["messages"])
        swapped = system.index("0 = does not") < system.index("10 = meets")
        said = json.dumps({"reason": "because", "score": self.score(swapped, json.loads(user)["answer"])})
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        return httpx.Response(200, json={"choices": [{"message": {"content": f"Here: {said}"}}], "usage": usage})
