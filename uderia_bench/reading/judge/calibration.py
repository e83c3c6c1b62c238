"""Fingerprint of a judge: what labels calibrate. Another model, wording or rubric is another judge."""

from __future__ import annotations

from itertools import chain

from uderia_bench.reading import expected
from uderia_bench.reading.judge import asks, pairs
from uderia_bench.reading.judge.asks import digest
from uderia_bench.runs.manifest import Manifest


def fingerprint(manifest: Manifest) -> str | None:
    """Return the hash of a run's judge: model, mode, wording, and the rubrics of settings and corpus. None without a judge."""
    judge = manifest.experiment.judge
    if judge is None:
        return None
    wording = (str(pairs.WORDING), pairs.SYSTEM) if judge.mode == "pairwise" else (str(asks.WORDING), asks.SYSTEM)
    rubrics = set(chain.from_iterable(expected.of(manifest, ()).rubrics_by_turn.values()))
    return digest(judge.model, judge.mode, *wording, judge.rubric or "", *sorted(rubrics))
