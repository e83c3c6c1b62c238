"""Load and comparison runner for Uderia agent profiles.

In a notebook::

    import uderia_bench as ub

    trials = ub.load("latest")  # a polars frame, one row per trial
    result = ub.compare(trials, baseline="IDEAT", candidate="OPTIM", metrics=["latency_s"], margins={"latency_s": 0.10})
    result[0].effect.value, result[0].effect.lo, result[0].effect.hi, result[0].p_adjusted, result[0].verdict
    ub.percentiles(trials, ["latency_s", "total_tokens"])  # of each arm

``ub.corpus.load(path).queries`` are the expanded queries of a corpus. Everything is imported on first use, so that
``import uderia_bench`` and ``uderia-bench --help`` are quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from uderia_bench.analysis.notebook import compare, percentiles
    from uderia_bench.documents import corpus

__version__ = "0.2.0"
__all__ = ["__version__", "compare", "corpus", "load", "percentiles"]


def load(runs: str | Path | Sequence[str | Path] = "latest", *, output: str | Path = "output") -> pl.DataFrame:
    """Read the trials of runs into one frame: one row per trial, one column per metric.

    ``runs`` is a run id, ``latest``, a run directory, a glob of either, or a list of them. Ids are looked up in ``output``.
    Warm-ups are included, and the column ``stage`` marks them. A column that one of the runs lacks is null there. Raises
    ``StoreError`` if there is no such run.
    """
    from pathlib import Path  # noqa: PLC0415 - imported on use, so that start-up is quick

    from uderia_bench.runs.find import load_trials  # noqa: PLC0415

    return load_trials(runs, Path(output))


def __getattr__(name: str) -> object:
    if name in {"compare", "percentiles"}:
        from uderia_bench.analysis import notebook  # noqa: PLC0415

        return getattr(notebook, name)
    if name == "corpus":
        from importlib import import_module  # noqa: PLC0415

        return import_module("uderia_bench.documents.corpus")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
