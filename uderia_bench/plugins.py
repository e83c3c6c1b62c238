"""The one reader of entry points: what other installed distributions add, after the built-in ones.

A plug-in is a value (``Metric``, ``ProfileType``, ``Detector``, ``ExpectationKind``) under the group ``uderia_bench.metrics``,
``uderia_bench.profile_types``, ``uderia_bench.detectors`` or ``uderia_bench.expectations``; one that does not load, is of the
wrong kind or takes a name already taken is an error that names its distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from uderia_bench import detectors as detector_registry
from uderia_bench import expectations as expectation_registry
from uderia_bench import metrics as metric_registry
from uderia_bench import profile_types as type_registry
from uderia_bench.detectors import Detector
from uderia_bench.errors import UsageError
from uderia_bench.expectations import ExpectationKind
from uderia_bench.metrics.metric import Metric
from uderia_bench.profile_types import ProfileType

T = TypeVar("T", Metric, ProfileType, Detector, ExpectationKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """Everything in force: the built-ins, then what other distributions add."""

    metrics: tuple[Metric, ...]
    profile_types: tuple[ProfileType, ...]
    detectors: tuple[Detector, ...]
    expectations: tuple[ExpectationKind, ...]


def load() -> Plugins:
    """Read the entry points; raises ``UsageError`` for the first plug-in that cannot be used."""
    return Plugins(
        metrics=_with_added(metric_registry.BUILT_IN, "uderia_bench.metrics", Metric),
        profile_types=_with_added(type_registry.BUILT_IN, "uderia_bench.profile_types", ProfileType),
        detectors=_with_added(detector_registry.BUILT_IN, "uderia_bench.detectors", Detector),
        expectations=_with_added(expectation_registry.BUILT_IN, "uderia_bench.expectations", ExpectationKind),
    )


def _with_added(built_in: tuple[T, ...], group: str, kind: type[T]) -> tuple[T, ...]:
    found = list(built_in)
    for point in entry_points(group=group):
        value = _load(point, kind)
        if any(known.name == value.name for known in found):
            raise UsageError(f"{_origin(point)}: {group} has a {value.name!r} already; rename or uninstall one")
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
