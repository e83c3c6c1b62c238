"""Scenario file of a server: planted faults, effects and settings, in YAML.

Every key is optional::

    faults:                       # faults.py
      - {kind: plan_failure, rate: 0.2, profile: OPTIM}
    effects:                      # effects.py; one effect or a list
      - {provider: slow, factor: 1.15, from: 30}
    server:                       # config.py
      tasks_per_s: 2.5            # throughput at speed 1; 0 for no limit
      quotas: {calls_per_hour: 1000}
      knowledge: [IDEAT, OPTIM]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from uderia_bench.sim.config import Settings
from uderia_bench.sim.quotas import Quotas
from uderia_bench.sim.trouble.effects import Effect
from uderia_bench.sim.trouble.faults import Fault

_NUMBER = (int, float)
_SPELLED: Mapping[str, str] = {"from": "from_s", "until": "until_s"}
_FAULT: Mapping[str, type | tuple[type, ...]] = {
    "kind": str,
    "rate": _NUMBER,
    "profile": str,
    "provider": str,
    "call": str,
    "from": _NUMBER,
    "until": _NUMBER,
    "factor": _NUMBER,
}
_EFFECT: Mapping[str, type | tuple[type, ...]] = {
    "factor": _NUMBER,
    "on": str,
    "when": dict,
    "profile": str,
    "provider": str,
    "from": _NUMBER,
    "until": _NUMBER,
}
_SERVER: Mapping[str, type | tuple[type, ...]] = {
    "tasks_per_s": _NUMBER,
    "cold_start": bool,
    "chance": bool,
    "learning": bool,
    "write_delay_s": list,
    "login_limit": int,
    "knowledge": list,
    "unpriced": list,
    "quotas": dict,
}
_QUOTAS: Mapping[str, type | tuple[type, ...]] = dict.fromkeys(Quotas.__slots__, int)


def load(path: Path, **options: Any) -> Settings:
    """Return the settings of a file, overridden by ``options``.

    Raises ValueError with the file, the entry and the mistake.
    """
    document = _read(path)
    unknown = sorted(set(map(str, document)) - {"faults", "effects", "server"})
    if unknown:
        raise ValueError(f"{path}: unknown key {unknown[0]!r}; use 'faults', 'effects' or 'server'")
    server = _checked(document.get("server", {}), _SERVER, f"{path}: server")
    if "quotas" in server:
        where = f"{path}: server.quotas"
        server["quotas"] = _made(Quotas, _checked(server["quotas"], _QUOTAS, where), where)
    server |= {name: tuple(server[name]) for name in ("knowledge", "unpriced", "write_delay_s") if name in server}
    effects = document.get("effects", [])
    settings = {
        **server,
        "faults": _entries(document.get("faults", []), Fault, _FAULT, {"kind", "rate"}, f"{path}: faults"),
        "effects": _entries(
            [effects] if isinstance(effects, dict) else effects, Effect, _EFFECT, {"factor"}, f"{path}: effects"
        ),
    }
    made: Settings = _made(Settings, settings | options, str(path))
    return made


def _read(path: Path) -> dict[Any, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - most servers have no file
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ValueError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    except MarkedYAMLError as problem:
        line = "" if problem.problem_mark is None else f":{problem.problem_mark.line + 1}"
        raise ValueError(f"{path}{line}: {problem.problem or problem}") from problem
    except (UnicodeDecodeError, YAMLError) as problem:
        raise ValueError(f"{path}: {' '.join(str(problem).split())}") from problem
    if not isinstance(document, dict):
        raise ValueError(f"{path}: must be a mapping with 'faults', 'effects' or 'server'")  # noqa: TRY004
    return document


def _entries(
    entries: Any,
    make: Callable[..., Any],
    wanted: Mapping[str, type | tuple[type, ...]],
    needed: set[str],
    where: str,
) -> tuple[Any, ...]:
    if not isinstance(entries, list):
        raise ValueError(f"{where}: must be a list")  # noqa: TRY004 - a document is wrong, not a caller
    made = []
    for place, entry in enumerate(entries):
        here = f"{where}[{place}]"
        fields = _checked(entry, wanted, here)
        if not needed <= fields.keys():
            raise ValueError(f"{here}: needs {' and '.join(repr(name) for name in sorted(needed))}")
        made.append(_made(make, {_SPELLED.get(name, name): value for name, value in fields.items()}, here))
    return tuple(made)


def _checked(entry: Any, wanted: Mapping[str, type | tuple[type, ...]], where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: must be a mapping")  # noqa: TRY004
    for name, value in entry.items():
        if name not in wanted:
            raise ValueError(f"{where}: unknown key {name!r}; use {', '.join(wanted)}")
        if not isinstance(value, wanted[name]) or (isinstance(value, bool) and wanted[name] is not bool):
            raise ValueError(f"{where}: {name!r} cannot be {value!r}")
    return dict(entry)


def _made(make: Callable[..., Any], fields: dict[str, Any], where: str) -> Any:
    try:
        return make(**fields)
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from problem
