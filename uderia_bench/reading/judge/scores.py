"""The scores a run's judge has given, one JSON object a line, kept as they come: a crash loses none that was paid for.

A line is a score under its call's key, or why the judge could not be asked. ``derive`` reads them and asks nobody.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from uderia_bench.errors import StoreError
from uderia_bench.reading.judge.asks import Score

NAME = "judgements.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Scores by key, and the last trouble with the judge, None where there was none after the last score."""

    scores: dict[str, Score]
    trouble: str | None = None


def read(run: Path) -> Kept:
    """Read what a run directory has; nothing where no judge was asked. A line cut off by a crash is passed over."""
    file = run / NAME
    scores: dict[str, Score] = {}
    trouble: str | None = None
    for line in file.read_bytes().splitlines() if file.is_file() else ():
        try:
            entry = orjson.loads(line)
            if "trouble" in entry:
                trouble = str(entry["trouble"])
            else:
                key = entry.pop("key")
                scores[key] = Score(**entry)
                trouble = None
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            continue
    return Kept(scores=scores, trouble=trouble)


def keep(run: Path, key: str, score: Score) -> None:
    """Append a score."""
    _append(run, {"key": key, **asdict(score)})


def note(run: Path, trouble: str) -> None:
    """Append why the judge could not be asked."""
    _append(run, {"trouble": trouble})


def _append(run: Path, entry: dict[str, object]) -> None:
    try:
        with (run / NAME).open("ab") as file:
            file.write(orjson.dumps(entry) + b"\n")
    except OSError as error:
        raise StoreError(f"{run / NAME}: cannot write: {error.strerror or error}") from error
