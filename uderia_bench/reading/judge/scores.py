"""File of the judge's replies in a run directory: one JSON object per line, appended as soon as it is known.

A line is a score or a choice with its call's key, a reply that has neither, or the reason why the
judge could not be asked. A crash loses no reply that was paid for, and no reply is paid for twice.
``derive`` only reads this file and does not call the judge.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from uderia_bench.errors import StoreError
from uderia_bench.reading.judge.asks import Score
from uderia_bench.reading.judge.pairs import Choice
from uderia_bench.runs import files

NAME = "judgements.jsonl"
MOST_KEPT = 500  # characters of a reply that could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A reply without a score or a choice. It was paid for, so it is not asked for again."""

    unread: str
    input_tokens: int = 0
    output_tokens: int = 0


Reply = Score | Choice | Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Replies by key, and the last error of the judge, None without one.

    ``stopped`` is the look at which judging ended, because the preference was decided.
    """

    scores: dict[str, Score] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)
    trouble: str | None = None
    stopped: int | None = None

    def known(self, key: str) -> bool:
        """Whether a call was made and answered."""
        return key in self.scores or key in self.choices or key in self.unread

    @property
    def replies(self) -> Iterator[Reply]:
        """All replies."""
        yield from self.scores.values()
        yield from self.choices.values()
        yield from self.unread.values()

    @property
    def tokens(self) -> tuple[int, int]:
        """Tokens that all replies used, in and out."""
        replies = list(self.replies)
        return sum(reply.input_tokens for reply in replies), sum(reply.output_tokens for reply in replies)


def read(run: Path) -> Kept:
    """Read the replies of a run directory, which may have none. A line cut off by a crash is skipped."""
    file = run / NAME
    kept = Kept()
    trouble: str | None = None
    stopped: int | None = None
    for line in files.read(file).splitlines() if files.exists(file) else ():
        try:
            entry = orjson.loads(line)
            if "trouble" in entry:
                trouble = str(entry["trouble"])
            elif "stopped" in entry:
                stopped = int(entry["stopped"])
            else:
                _take(kept, entry.pop("key"), entry)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return Kept(scores=kept.scores, choices=kept.choices, unread=kept.unread, trouble=trouble, stopped=stopped)


def _take(kept: Kept, key: str, entry: dict[str, Any]) -> None:
    if "unread" in entry:
        kept.unread[key] = Unread(**entry)
    elif "said" in entry:
        kept.choices[key] = Choice(**entry)
    else:
        score = Score(**entry)
        if not 0 <= score.value <= 1:
            raise ValueError(score.value)
        kept.scores[key] = score


def keep(run: Path, key: str, reply: Reply) -> None:
    """Append a reply."""
    _append(run, {"key": key, **{name: _encodable(value) for name, value in asdict(reply).items()}})


def _encodable(value: object) -> object:
    """Return a text without halves of surrogate pairs, which a model may write and JSON cannot have."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def note(run: Path, trouble: str) -> None:
    """Append the reason why the judge could not be asked."""
    _append(run, {"trouble": _encodable(trouble)})


def note_stop(run: Path, look: int) -> None:
    """Append that judging ended at a look."""
    _append(run, {"stopped": look})


def _append(run: Path, entry: dict[str, object]) -> None:
    try:
        with files.append(run / NAME) as file:
            torn = file.seek(0, os.SEEK_END) > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + orjson.dumps(entry) + b"\n")
    except OSError as error:
        raise StoreError(f"{run / NAME}: cannot write: {error.strerror or error}") from error
