"""Files of a run's labels, in ``labels/`` of its directory: items drawn, labels, and the calibration of the judge.

``drawn.jsonl`` has whose answers each item shows, so raters must not get it. ``labels.jsonl`` has one
line per label. A rater's later label of an item replaces the earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from uderia_bench.errors import StoreError
from uderia_bench.reading.labels.draw import Item
from uderia_bench.runs import files

FOLDER, DRAWN, LABELS, CALIBRATION = "labels", "drawn.jsonl", "labels.jsonl", "calibration.json"


T = TypeVar("T", Item, "Label")


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What one rater said of one item."""

    item: str
    rater: str
    label: str
    note: str = ""


def drawn(run: Path) -> dict[str, Item]:
    """Return the items that were drawn from a run, by id."""
    items = _read(run, DRAWN, lambda line: Item(**{name: _tuple(value) for name, value in line.items()}))
    return {item.id: item for item in items}


def labels(run: Path) -> tuple[Label, ...]:
    """Return the labels of a run, the last of each rater and item."""
    found = _read(run, LABELS, lambda line: Label(**line))
    return tuple({(label.item, label.rater): label for label in found}.values())


def add_drawn(run: Path, items: Iterable[Item]) -> None:
    """Keep items, also those of earlier draws."""
    known = drawn(run) | {item.id: item for item in items}
    _write(run, DRAWN, known.values())


def add_labels(run: Path, new: Iterable[Label]) -> None:
    """Keep labels, each rater's last of an item."""
    known = {(label.item, label.rater): label for label in (*labels(run), *new)}
    _write(run, LABELS, known.values())


def calibration(run: Path) -> dict[str, Any] | None:
    """Return what was found when the labels were last compared with the judge; None without labels."""
    file = run / FOLDER / CALIBRATION
    try:
        found = orjson.loads(files.read(file)) if files.exists(file) else None
    except (orjson.JSONDecodeError, OSError):
        return None
    return found if isinstance(found, dict) else None


def keep_calibration(run: Path, found: dict[str, Any]) -> None:
    """Keep what was found."""
    _folder(run)
    files.write(run / FOLDER / CALIBRATION, orjson.dumps(found, option=orjson.OPT_INDENT_2))


def _write(run: Path, name: str, entries: Iterable[Item] | Iterable[Label]) -> None:
    _folder(run)
    files.write(run / FOLDER / name, b"".join(orjson.dumps(asdict(entry)) + b"\n" for entry in entries))


def _folder(run: Path) -> None:
    files.folder(run / FOLDER, make=True)


def _read(run: Path, name: str, make: Callable[[dict[str, Any]], T]) -> list[T]:
    file = run / FOLDER / name
    if not files.exists(file):
        return []
    files.folder(file.parent)
    try:
        return [make(orjson.loads(line)) for line in files.read(file).splitlines()]
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{file}: cannot be read: {error}; remove it and import the labels again") from error


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
