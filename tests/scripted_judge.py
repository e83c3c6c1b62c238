"""A judge for tests: an ``httpx.MockTransport`` that answers chat completions as its fields say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class ScriptedJudge:
    """``score(swapped, answer)`` returns its score out of 10, ``choose(first, second)`` 1, 2 or "tie".

    With ``down`` it answers with an error, and ``limits`` is how many calls it first asks to wait.
    """

    score: Callable[[bool, str], Any] = lambda _swapped, _answer: 8
    choose: Callable[[str, str], Any] = lambda _first, _second: "tie"
    down: bool = False
    limits: int = 0
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
        if self.limits:
            self.limits -= 1
            return httpx.Response(429, json={"error": "slow down", "retry_after": 5})
        system, user = (message["content"] for message in self.requests[-1]["messages"])
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        material = json.loads(user)
        if "answer 1" in material:
            said = json.dumps({"reason": "because", "better": self.choose(material["answer 1"], material["answer 2"])})
            return httpx.Response(200, json={"choices": [{"message": {"content": said}}], "usage": usage})
        swapped = system.index("0 = does not") < system.index("10 = meets")
        said = json.dumps({"reason": "because", "score": self.score(swapped, material["answer"])})
        return httpx.Response(200, json={"choices": [{"message": {"content": f"Here: {said}"}}], "usage": usage})
