"""Differences between the manifests of two runs that can explain a change in their numbers, in plain names.

Fields that differ in every run, such as ids and times, and fields that are measured are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from uderia_bench.printable import count_of

_NEW_EVERY_NIGHT = frozenset({
    *("run_id", "state", "started_at", "ended_at", "experiment_hash", "experiment_file", "plan", "metrics", "baseline"),
    *("actions", "generator", "outages", "hooks", "damaged", "decided", "stopped", "left", "prices", "seed"),
})  # fmt: skip
_ARM = r"arms\.(.+?)(?:\.elsewhere\.\d+)?"  # on one of its servers
_NAMES = (  # what a reader calls a path: the first pattern that matches names it, in the order of importance
    (rf"{_ARM}\.models\.\d+", "model of {}"),
    (rf"{_ARM}\.profile_type", "profile type of {}"),
    (rf"{_ARM}\.profile_tag", "profile of {}"),
    (rf"{_ARM}\.profile_id", "profile id of {}"),
    (rf"{_ARM}\.server|experiment\.arms\.(.+)\.servers?(?:\.\d+)?", "server of {}"),
    (r"experiment\.servers?(?:\.\d+)?", "server"),
    (r"servers\.(.+)\.version", "version of server {}"),
    (r"servers\..+\.llm_configurations\.(.+)", "LLM configuration {}"),
    (r"corpus\.queries", "number of queries"),
    (r"corpus\.names\.\d+|experiment\.corpus\.\d+", "corpus"),
    (r"corpus\.hash", "questions or expectations"),
    (r"corpus\.expect\.(.+?)\.\d+\..*", "expectation of {}"),
    (r"servers\..+\.costs\.(.+)\.(?:input|output).*", "price of {}"),
    (r"experiment\.(.+)", "setting {}"),
    (r"versions\.(uderia-bench)", "version of {}"),
    (r"versions\.(.+)", "version of {}"),
)
_HASHES = ("corpus.hash",)
_LONGEST = 60  # characters of a value
_MOST = 12  # differences named; more of them are a new experiment


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one line per difference, such as ``model of OPTIM: one, now two``, the most important kinds first."""
    old, new = dict(_flat(before)), dict(_flat(after))
    found = sorted((path for path in {*old, *new} if old.get(path) != new.get(path)), key=_rank)
    lines = dict.fromkeys(
        f"{_name(path)} changed" if path in _HASHES else f"{_name(path)}: {_said(old, path)}, now {_said(new, path)}"
        for path in found
    )
    if acted := ", ".join(f"{action['what']} {action.get('about', '')}".strip() for action in after.get("actions") or ()):
        lines = {f"commands during the run: {acted}": None, **lines}
    more = len(lines) - _MOST
    return (*list(lines)[:_MOST], count_of(more, "other value")) if more > 0 else tuple(lines)


def _rank(path: str) -> tuple[int, str]:
    return next((at for at, (pattern, _) in enumerate(_NAMES) if re.fullmatch(pattern, path)), len(_NAMES)), path


def _name(path: str) -> str:
    for pattern, name in _NAMES:
        if found := re.fullmatch(pattern, path):
            return name.format(*filter(None, found.groups()))
    return path


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted path; entries of a list go by their name, id or model where they have one."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if path or key not in _NEW_EVERY_NIGHT:
                yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for at, inner in enumerate(value):
            named = inner if isinstance(inner, Mapping) else {}
            name = next((str(named[key]) for key in ("name", "id", "model") if named.get(key)), str(at))
            yield from _flat(inner, f"{path}.{name}")
    else:
        yield path, value


def _said(values: Mapping[str, Any], path: str) -> str:
    value = values.get(path)
    if value is None or value in ([], {}):
        return "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
