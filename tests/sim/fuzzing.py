"""Random requests drawn from the server's OpenAPI description, and checks of the responses.

    python tests/sim/fuzzing.py 5000

A request is drawn from (seed, number): an operation, known or unknown ids, a valid, wrong or
missing token, and a body that fits the schema, has one mistake, or is not JSON. A response must
have a status and a content type of the description, and valid JSON if it is JSON. No handler may
raise, and every task must end without an internal error.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote

import anyio
import httpx

from uderia_bench.sim.api.openapi import PATHS

SEED = 7
_ODD_TEXTS = (
    "",
    " ",
    "\x00",
    "é" * 300,
    "😀",
    "../../etc/passwd",
    "%2e%2e",
    "null",
    "task-",
    "x" * 5000,
    "#slow=1",
    "¹²³",
    "\ufffd",
)
_ODD_VALUES = (None, True, 0, -1, 10**30, 1.5, 1e308, "", [], {}, [[]], {"a": {"b": []}}, *_ODD_TEXTS)
_ODD_BODIES = (
    b"",
    b"{",
    b"[1",
    b"null",
    b"[]",
    b"1",
    b'"x"',
    b"\xff\xfe",
    b'{"prompt": "x"',
    b'{"a":1}{"b":2}',
    b"\xef\xbb\xbf{}",
)
_PROMPTS = (
    "how many databases are there?",
    "hello",
    "#garbage",
    "#failonce",
    "what is a training plan?",
    "usage past 3 days",
    "😀",
)
_OFTEN = 8  # weight of the requests that start something
_TYPES = ("application/json", "text/plain", "", "application/json; charset=utf-8", "multipart/form-data", "APPLICATION/JSON")


@dataclass
class Findings:
    """Counts of the responses, and the mistakes found."""

    asked: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Known:
    """Known ids for requests."""

    sessions: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)

    def of(self, name: str) -> list[str]:
        """Return the known ids of a path parameter."""
        known = {"session_id": self.sessions, "task_id": self.tasks, "token_id": self.tokens, "profile_id": self.profiles}
        return known.get(name, [])


def _value(draw: Random, schema: dict[str, Any], known: Known, name: str = "") -> Any:
    """Return a value that fits a schema in most cases."""
    if name == "profile_id":
        return draw.choice([*known.profiles, None, "profile-nope"])
    if name == "prompt":
        return draw.choice(_PROMPTS)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = draw.choice(kind)
    if kind == "object":
        required = schema.get("required", [])
        return {
            key: _value(draw, child, known, key)
            for key, child in schema.get("properties", {}).items()
            if key in required or draw.random() < 0.3
        }
    if kind == "array":
        return [_value(draw, schema.get("items", {}), known) for _ in range(draw.randrange(3))]
    simple = {"integer": draw.randrange(400), "boolean": draw.random() < 0.5, "null": None}
    return simple.get(kind, draw.choice(("admin", "x", *_ODD_TEXTS)))


def _body(draw: Random, operation: dict[str, Any], known: Known) -> dict[str, Any]:
    """Return the body of a request as arguments of httpx."""
    if "requestBody" not in operation and draw.random() < 0.8:
        return {}
    chance = draw.random()
    if chance < 0.15:
        return {"content": draw.choice(_ODD_BODIES), "headers": {"content-type": draw.choice(_TYPES)}}
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    value = _value(draw, schema, known)
    if chance < 0.5 and isinstance(value, dict):
        name = draw.choice([*schema.get("properties", {}), "unknown"])
        value[name] = draw.choice(_ODD_VALUES)
        if draw.random() < 0.2:
            del value[name]
    return {"content": json.dumps(value).encode(), "headers": {"content-type": draw.choice(("application/json", *_TYPES))}}


def _path(draw: Random, template: str, known: Known) -> str:
    parts = []
    for part in template.split("/"):
        if not part.startswith("{"):
            parts.append(part)
        elif part in ("{number}", "{collection_id}"):
            parts.append(str(draw.choice((0, 1, 2, 3, 13, 10**12))))
        else:
            mine = known.of(part.strip("{}"))
            parts.append(draw.choice(mine) if mine and draw.random() < 0.8 else quote(draw.choice(_ODD_TEXTS), safe="") or "x")
    return "/".join(parts)


def _query(draw: Random, operation: dict[str, Any]) -> dict[str, str]:
    named = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
    chosen = [name for name in named if name != "user_uuid" and draw.random() < 0.6]  # a stream does not end
    return {name: str(draw.choice(_ODD_VALUES)) for name in chosen}


async def fuzz(client: Any, requests: int, seed: int = SEED) -> Findings:
    """Send random requests with a signed-in client and return the findings."""
    found, known = Findings(), Known(profiles=list(client.profiles.values()))
    token = client.http.headers.pop("authorization")
    operations = [
        (path, method, operation)
        for path, entry in PATHS.items()
        for method, operation in entry.items()
        for _ in range(_OFTEN if method == "post" and "/sessions" in path else 1)
    ]
    for number in range(requests):
        draw = Random(f"{seed}/{number}")
        template, method, operation = draw.choice(operations)
        request = _body(draw, operation, known)
        signed = draw.choice((token, token, token, token, "Bearer x", "", "Basic YQ=="))
        if template in ("/api/v1/auth/logout", "/api/v1/auth/refresh") and signed == token:
            signed = "Bearer x"  # would revoke the valid token
        headers = {**request.pop("headers", {}), "authorization": signed}
        path, parameters = _path(draw, template, known), _query(draw, operation)
        try:
            answer = await client.http.request(method.upper(), path, params=parameters, headers=headers, **request)
        except httpx.InvalidURL:
            continue
        except Exception as error:  # noqa: BLE001 - any exception of a handler is a finding
            found.wrong.append(f"{method} {path}: {type(error).__name__}: {error}")
            continue
        found.asked += 1
        found.statuses[answer.status_code] += 1
        _check(found, operation, f"{method} {path} {request} {parameters}", answer)
        _learn(known, template, method, answer)
        await asyncio.sleep(0)
    client.http.headers["authorization"] = token
    await _wait_for_the_end(client, found)
    return found


def _check(found: Findings, operation: dict[str, Any], asked: str, answer: httpx.Response) -> None:
    kind = answer.headers.get("content-type", "").split(";")[0]
    # An id with a slash leads to another route or to none.
    expected = {*operation["responses"], "404", "405"}
    if str(answer.status_code) not in expected:
        found.wrong.append(f"{asked}: status {answer.status_code}, expected one of {sorted(expected)}")
    if kind not in next(iter(operation["responses"].values()))["content"]:
        found.wrong.append(f"{asked}: content type {kind!r}")
    if kind == "application/json":
        try:
            answer.json()
        except ValueError:
            found.wrong.append(f"{asked}: invalid JSON")


def _learn(known: Known, template: str, method: str, answer: httpx.Response) -> None:
    """Remember the last twenty ids of each kind."""
    made = answer.json() if answer.status_code in (201, 202) else {}
    for ids, name in ((known.sessions, "session_id"), (known.tasks, "task_id"), (known.tokens, "token_id")):
        if name in made:
            ids.append(made[name])
            del ids[:-20]
    if (template, method) == ("/sim/restart", "post"):
        known.tasks.clear()


async def _wait_for_the_end(client: Any, found: Findings) -> None:
    """Wait until every task has ended, and report tasks that failed internally."""
    state = client.http._transport.app.state.uderia
    with anyio.move_on_after(20):
        while any(task.running for task in state.tasks.values()):  # noqa: ASYNC110 - there is no event for it
            await anyio.sleep(0.01)
    stuck = [task.id for task in state.tasks.values() if task.running]
    broken = [str(truth.prompt)[:80] for truth in state.truth if "internal_error" in truth.faults]
    found.wrong += [f"{task} never ended" for task in stuck] + [f"an engine failed on {prompt!r}" for prompt in broken]


async def _main(requests: int) -> int:
    from sim.conftest import running

    async with running(speed=2000.0) as client:
        found = await fuzz(client, requests)
    sys.stdout.write(f"{found.asked} requests: {dict(sorted(found.statuses.items()))}; {len(found.wrong)} findings\n")
    sys.stdout.writelines(f"{line}\n" for line in found.wrong[:20])
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.path.insert(0, "tests")
    sys.exit(asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)))
