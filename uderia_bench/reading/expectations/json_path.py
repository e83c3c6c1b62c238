"""``json_path``: the answer is JSON, and something is at this path (RFC 9535), perhaps of a given value."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonpath import JSONPathEnvironment, JSONPathError

from uderia_bench.documents.expectation import JsonPath
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted

_ENVIRONMENT = JSONPathEnvironment(strict=True)
_FENCED = re.compile(r"```(?:json)?\s*\n(?P<body>.*?)```", re.DOTALL | re.IGNORECASE)
_MOST_COMPARED = 10_000  # places a path may lead to before the search is given up


def _judge(answer: Answer, value: JsonPath) -> Judged:
    try:
        data = parsed(answer.text)
    except ValueError:
        return Judged(passed=False, found=quoted(f"no JSON: {answer.text}"))
    document = json.dumps(data) if isinstance(data, str) else data  # the library reads a text as JSON once more
    try:
        places = _ENVIRONMENT.finditer(value.path, document)
        found = [match.obj for match, _ in zip(places, range(_MOST_COMPARED), strict=False)]
    except (JSONPathError, RecursionError) as error:
        return Judged(passed=None, found=quoted(f"the path cannot be followed: {error}"))
    if not found:
        return Judged(passed=False, found=f"nothing at {value.path}")
    passed = True if value.equals is None else value.equals in found
    return Judged(passed=passed, found=quoted(json.dumps(found[0], ensure_ascii=False)))


def parsed(text: str) -> Any:
    """Return the JSON a text is, bare or in a fence of its own; raises ``ValueError`` where it is none."""
    fenced = _FENCED.search(text)
    try:
        return json.loads(fenced["body"] if fenced else text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


JSON_PATH = ExpectationKind(
    name="json_path",
    doc="The answer is JSON (bare or fenced) and something is at this path; {path, equals} asks for a value there.",
    judge=_judge,
)
