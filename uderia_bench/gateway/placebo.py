"""Exchanges the plans in the archive of a collection: each question gets the plan of another one.

An arm that finds such plans has planning prompts as long as those of an arm with memory, without their help. Each
line of the archive is a JSON object with the lists ``ids``, ``documents``, ``metadatas`` and ``embeddings``. A case is
text in its ``full_case_data``.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

from uderia_bench.errors import CannotRun

DOCUMENTS = "documents.jsonl"
_CASE, _PLAN = "full_case_data", "successful_strategy"


def exchanged(archive: bytes) -> bytes:
    """Return an archive in which each question has the plan of another; raises ``CannotRun`` where that cannot be."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            parts = {name: file.read(name) for name in file.namelist()}
        batches = [json.loads(line) for line in parts[DOCUMENTS].splitlines() if line.strip()]
        cases = [(metadata, json.loads(metadata[_CASE])) for batch in batches for metadata in batch["metadatas"]]
        plans = {_question(case): case[_PLAN] for _, case in cases}
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise CannotRun(f"placebo: the server's archive of the collection cannot be read: {error!r}") from error
    other = _others(plans)
    for metadata, case in cases:
        metadata[_CASE] = json.dumps({**case, _PLAN: plans[other[_question(case)]]})
    parts[DOCUMENTS] = "".join(json.dumps(batch) + "\n" for batch in batches).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return written.getvalue()


def _question(case: Any) -> str:
    return str(case["intent"]["user_query"])


def _others(plans: dict[str, Any]) -> dict[str, str]:
    """Return for each question another one whose plan it gets: the shift of a fixed shuffle with the fewest equal plans."""
    order = sorted(plans, key=lambda question: hashlib.sha256(question.encode()).digest())
    shifts = [dict(zip(order, order[shift:] + order[:shift], strict=True)) for shift in range(1, min(len(order), 20))]
    if not shifts:
        raise CannotRun("placebo: the collection has cases of one question only: there is no plan to exchange")
    return min(shifts, key=lambda other: sum(_text(plans[one]) == _text(plans[two]) for one, two in other.items()))


def _text(plan: Any) -> str:
    return json.dumps(plan, sort_keys=True)
