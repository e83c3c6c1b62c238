"""File of the judge's scores in a run directory: one JSON object per line, appended as soon as it is known.

A line is a score with its call's key, or the reason why the judge could not be asked. A crash loses
no score that was paid for. ``derive`` only reads this file and does not call the judge.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from uderia_bench.errors import StoreError
from uderia_bench.reading.judge.asks import Score
from uderia_bench.runs import files

NAME = "judgements.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Scores by key, and the last error of the judge; None where a score came after it."""

    scores: dict[str, Score]
    trouble: str | None = None


def read(run: Path) -> Kept:
    """Read the scores of a run directory, which may have none. A line cut off by a crash is skipped."""
    file = run / NAME
    scores: dict[str, Score] = {}
    trouble: str | None = None
    for line in files.read(file).splitlines() if files.exists(file) else ():
        try:
            entry = orjson.loads(line)
            if "trouble" in entry:
                trouble = str(entry["trouble"])
            else:
                key = entry.pop("key")
                score = Score(**entry)
                if 0 <= score.value <= 1:
                    scores[key] = score
                    trouble = None
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            continue
    return Kept(scores=scores, trouble=trouble)


def keep(run: Path, key: str, score: Score) -> None:
    """Append a score."""
    _append(run, {"key": key, **asdict(score)})


def note(run: Path, trouble: str) -> None:
    """Append the reason why the judge could not be asked."""
    _append(run, {"trouble": trouble})


def _append(run: Path, entry: dict[str, object]) -> None:
    try:
        with files.append(run / NAME) as file:
            file.write(orjson.dumps(entry) + b"\n")
    except OSError as error:
        raise StoreError(f"{run / NAME}: cannot write: {error.strerror or error}") from error
