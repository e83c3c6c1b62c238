"""The report of a concluded run, kept beside its Parquet, so that every format renders without a new comparison.

``results.jsonl`` has two lines: of what the report was made (versions, definitions, digests of the files it rests on), and the
report itself, whole. A report whose grounds have changed is stale: ``read`` returns what changed, and the caller compares
again. Metrics are kept by name and looked up in what is installed, since their functions cannot be written down.

Why not report.json: that is a public schema of what a reader needs, without infinities, levels and what only pages show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, get_type_hints

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from uderia_bench import __version__
from uderia_bench.plugins import Plugins
from uderia_bench.reading.detectors import Detector
from uderia_bench.reading.judge import scores as judgements
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.report.content import Report
from uderia_bench.runs import files
from uderia_bench.runs.directory import MANIFEST
from uderia_bench.runs.run import Run

NAME = "results.jsonl"

_BY_NAME = "metrics"  # the one part of a report that is looked up, not kept
_CHANGED = {  # the ground of a report: the message if it changed
    "version": "the saved one is of another uderia-bench",
    "metrics": "other metrics are installed now",
    "detectors": "other detectors are installed now",
    "manifest": "the manifest has changed since",
    "tables": "the Parquet has been derived again since",
    "judgements": "answers have been judged since",
}


@dataclass(frozen=True, slots=True)
class Stale:
    """There is no report to render, and why."""

    reason: str


def keep(run: Run, report: Report, plugins: Plugins) -> None:
    """Write the report of a run whose tables and manifest are written; raises ``StoreError`` where that cannot be done."""
    parts = tuple(getattr(report, name) for name in _parts())
    run.directory.write(NAME, orjson.dumps(_grounds(run, plugins)) + b"\n" + _adapter().dump_json(parts) + b"\n")


def read(run: Run, plugins: Plugins) -> Report | Stale:
    """Return the report that ``keep`` wrote, or why it does not hold (any more)."""
    try:
        grounds, _, body = files.read(run.path / NAME).partition(b"\n")
        before = orjson.loads(grounds)
        if not isinstance(before, dict):
            return Stale("the saved one cannot be read")
        now = _grounds(run, plugins)
        if changed := [said for ground, said in _CHANGED.items() if before.get(ground) != now[ground]]:
            return Stale("; ".join(changed))
        parts = _adapter().validate_json(body, strict=True)
    except FileNotFoundError:
        return Stale("none is saved yet")
    except (OSError, orjson.JSONDecodeError, ValidationError):
        return Stale("the saved one cannot be read")
    return Report(**dict(zip(_parts(), parts, strict=True)), metrics=plugins.metrics)


@cache
def _parts() -> tuple[str, ...]:
    return tuple(each.name for each in fields(Report) if each.name != _BY_NAME)


@cache
def _adapter() -> TypeAdapter[tuple[Any, ...]]:
    """Make the reader and writer of a report's parts from their types; an end of an interval may be infinite."""
    kinds = get_type_hints(Report)
    whole: Any = tuple[tuple(kinds[name] for name in _parts())]  # type: ignore[misc]
    return TypeAdapter(whole, config=ConfigDict(ser_json_inf_nan="constants"))


def _grounds(run: Run, plugins: Plugins) -> dict[str, str]:
    """Say what a report made now would rest on."""
    return {
        "version": __version__,
        "metrics": _digest(_definition(metric) for metric in plugins.metrics),
        "detectors": _digest(_definition(detector) for detector in plugins.detectors),
        "manifest": _digest([files.read(run.path / MANIFEST)]),
        "tables": _digest(files.read(part) for part in run.directory.tables()),
        "judgements": _digest([files.read(scores)] if files.exists(scores := run.path / judgements.NAME) else []),
    }


def _definition(value: Metric | Detector) -> bytes:
    """Return the declared fields of a plug-in. A change of its function shows in the tables only."""
    said = {each.name: getattr(value, each.name) for each in fields(value)}
    return repr({name: part for name, part in said.items() if isinstance(part, type) or not callable(part)}).encode()


def _digest(pieces: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(hashlib.sha256(piece).digest())
    return whole.hexdigest()
