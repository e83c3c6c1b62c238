"""Declaration of ``uderia-bench try`` before its first trial, in the manifests of both of its runs.

The hash covers everything that could be chosen after seeing results: the changes to try, which queries
screen and which confirm, the metric with its margin, and the level of the test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import orjson

from uderia_bench.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The declaration of a ``try``: ``candidates`` are the changes of the profile of ``arm`` by name.

    ``screen`` and ``confirm`` are ids of queries. ``level`` is the chance of a false adoption in this
    test, the ``test``-th in its output directory. ``screened`` is the run that screened, None in that run
    itself. ``run`` is the one whose findings led to the candidates, and ``source`` its path from the
    output directory.
    """

    run: str
    source: str
    arm: str
    metric: str
    margin: float
    candidates: Mapping[str, Any]
    screen: tuple[str, ...]
    confirm: tuple[str, ...]
    repeats: int
    level: float
    test: int
    hash: str = ""
    screened: str | None = None

    def sealed(self) -> Self:
        """Return the declaration with its hash."""
        return type(self)(**{**asdict(self), "hash": self._hash()})

    def after(self, screened: str) -> Self:
        """Return the declaration for the confirming run; raises ``StoreError`` if it was changed since it was sealed."""
        if self.hash != self._hash():
            raise StoreError(f"run {screened}: its declaration was changed after it began, so nothing can be confirmed")
        return type(self)(**{**asdict(self), "screened": screened})

    def _hash(self) -> str:
        said = {name: value for name, value in asdict(self).items() if name not in ("hash", "screened")}
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
