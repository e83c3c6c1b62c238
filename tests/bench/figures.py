"""Figures of benchmarks with their conditions, as a Markdown table and as JSON for ``bench.py``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = "UDERIA_BENCH_FIGURES"  # the environment variable that names where the JSON goes; nowhere without it
_HEAD = ("figure", "value", "asked", "conditions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure. ``asked`` is its limit in words. ``contrast``: it is shown for comparison with one that has a limit."""

    name: str
    value: float
    unit: str
    conditions: str
    asked: str = ""
    contrast: bool = False


def tell(bench: str, figures: Sequence[Figure]) -> None:
    """Print the figures of a benchmark, and leave them for ``bench.py`` where it runs it."""
    print(markdown(figures))
    if folder := os.environ.get(FOLDER):
        (Path(folder) / f"{bench}.json").write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


def markdown(figures: Iterable[Figure]) -> str:
    """Return a table, a line a figure."""
    rows = [
        _HEAD,
        ("---", "---:", "---", "---"),
        *((figure.name, shown(figure), figure.asked, figure.conditions) for figure in figures),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def headline(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    """Return the figures of the docs page: those with a limit, and those of other tools."""
    return tuple(figure for figure in figures if figure.asked or figure.contrast)


def shown(figure: Figure) -> str:
    """Return a value with its unit."""
    return f"{digits(figure.value)} {figure.unit}".rstrip()


def digits(value: float) -> str:
    """Return a number with three digits, and no fewer than its whole ones."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def series(values: Iterable[float]) -> str:
    """Return numbers in a row."""
    return ", ".join(map(digits, values))


def read(folder: Path, bench: str) -> tuple[Figure, ...]:
    """Return what a benchmark left; nothing where it leaves none."""
    path = folder / f"{bench}.json"
    return tuple(Figure(**one) for one in json.loads(path.read_text())) if path.exists() else ()
