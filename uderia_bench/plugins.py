"""Everything a plug-in author needs, and the reader of the plug-ins that are installed.

A plug-in is a value (``Metric``, ``ProfileType``, ``Detector``, ``ExpectationKind`` or ``Lever``) that another distribution
lists as an entry point. The groups are ``uderia_bench.metrics``, ``uderia_bench.profile_types``, ``uderia_bench.detectors``,
``uderia_bench.expectations`` and ``uderia_bench.levers``. Import the names of ``__all__`` from here; the modules behind them
may move.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import TYPE_CHECKING, TypeVar

from uderia_bench.errors import UsageError

if TYPE_CHECKING:
    from uderia_bench.reading.detectors.detector import Detector, Finding, Severity
    from uderia_bench.reading.detectors.evidence import Evidence, of_turn
    from uderia_bench.reading.detectors.thresholds import Thresholds
    from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged
    from uderia_bench.reading.levers.lever import Candidate, Lever, Setting
    from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
    from uderia_bench.reading.profile_types.assemble import Kind, assemble
    from uderia_bench.reading.profile_types.exchange import Exchange
    from uderia_bench.reading.profile_types.profile_type import ProfileType
    from uderia_bench.trace import Trace

__all__ = [
    "Answer",
    "Assumption",
    "Candidate",
    "Detector",
    "Direction",
    "Evidence",
    "Exchange",
    "ExpectationKind",
    "Finding",
    "Judged",
    "Kind",
    "Lever",
    "Metric",
    "ProfileType",
    "Setting",
    "Severity",
    "Thresholds",
    "Trace",
    "assemble",
    "of_turn",
]

_READING = "uderia_bench.reading"
_HOME = {  # where each public name is defined
    **dict.fromkeys(("Detector", "Finding", "Severity"), f"{_READING}.detectors.detector"),
    **dict.fromkeys(("Evidence", "of_turn"), f"{_READING}.detectors.evidence"),
    "Thresholds": f"{_READING}.detectors.thresholds",
    **dict.fromkeys(("Answer", "ExpectationKind", "Judged"), f"{_READING}.expectations.kind"),
    **dict.fromkeys(("Candidate", "Lever", "Setting"), f"{_READING}.levers.lever"),
    **dict.fromkeys(("Assumption", "Direction", "Metric"), f"{_READING}.metrics.metric"),
    **dict.fromkeys(("Kind", "assemble"), f"{_READING}.profile_types.assemble"),
    "Exchange": f"{_READING}.profile_types.exchange",
    "ProfileType": f"{_READING}.profile_types.profile_type",
    "Trace": "uderia_bench.trace",
}

T = TypeVar("T", "Metric", "ProfileType", "Detector", "ExpectationKind", "Lever")


def __getattr__(name: str) -> object:
    # Imported on first use, so that a file inside ``reading`` may import from here too.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """Everything in force: the built-ins, then what other distributions add."""

    metrics: tuple[Metric, ...]
    profile_types: tuple[ProfileType, ...]
    detectors: tuple[Detector, ...]
    expectations: tuple[ExpectationKind, ...]
    levers: tuple[Lever, ...]


def load() -> Plugins:
    """Return the built-ins and what installed distributions add to them.

    Raises ``UsageError``, which names the distribution, for a plug-in that does not load, is of the wrong kind, or has a name
    that is taken.
    """
    from uderia_bench.reading import detectors, expectations, levers, metrics, profile_types  # noqa: PLC0415 - as ``__getattr__``

    added = entry_points()  # reads the files of every installed distribution
    return Plugins(
        metrics=_with_added(metrics.BUILT_IN, added.select(group="uderia_bench.metrics")),
        profile_types=_with_added(profile_types.BUILT_IN, added.select(group="uderia_bench.profile_types")),
        detectors=_with_added(detectors.BUILT_IN, added.select(group="uderia_bench.detectors")),
        expectations=_with_added(expectations.BUILT_IN, added.select(group="uderia_bench.expectations")),
        levers=_with_added(levers.BUILT_IN, added.select(group="uderia_bench.levers")),
    )


def _with_added(built_in: tuple[T, ...], added: EntryPoints) -> tuple[T, ...]:
    found = list(built_in)
    for point in added:
        value = _load(point, type(built_in[0]))
        if any(known.name == value.name for known in found):
            raise UsageError(f"{_origin(point)}: {point.group} has a {value.name!r} already; rename or uninstall one")
        found.append(value)
    return tuple(found)


def _load(point: EntryPoint, kind: type[T]) -> T:
    try:
        value = point.load()
    except Exception as error:
        raise UsageError(f"{_origin(point)}: does not load: {type(error).__name__}: {error}") from error
    if not isinstance(value, kind):
        raise UsageError(f"{_origin(point)}: is a {type(value).__name__}, not a {kind.__name__}")
    return value


def _origin(point: EntryPoint) -> str:
    owner = point.dist.name if point.dist is not None else "an unknown distribution"
    return f"plug-in {point.name!r} of {owner} ({point.value})"
