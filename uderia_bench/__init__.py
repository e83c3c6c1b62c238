"""Load and comparison runner for Uderia agent profiles.

In a notebook::

    import uderia_bench as ub

    trials = ub.load("latest")  # a polars frame, one row per trial
    result = ub.compare(trials, baseline="IDEAT", candidate="OPTIM", metrics=["latency_s"], margins={"latency_s": 0.10})
    result[0].effect.value, result[0].effect.lo, result[0].effect.hi, result[0].p_adjusted, result[0].verdict
    ub.percentiles(trials, ["latency_s", "total_tokens"])  # of each arm
    ub.query_effects(trials, "latency_s", baseline="IDEAT", candidate="OPTIM")  # which queries changed
    ub.diff("last-week", "latest")  # two runs
    ub.percentiles(ub.scan("2026-*"), "latency_s")  # of any number of runs, without loading them
    ub.steps("latest"), ub.checks("latest"), ub.answers("latest"), ub.columns()  # the other tables, and every column

``ub.corpus.load(path).queries`` are the expanded queries of a corpus. Everything is imported on first use, so that
``import uderia_bench`` and ``uderia-bench --help`` are quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from uderia_bench.analysis.notebook import compare, query_effects
    from uderia_bench.analysis.percentiles import percentiles
    from uderia_bench.analysis.values import Comparison
    from uderia_bench.documents import corpus

    Runs = str | Path | Sequence[str | Path]

__version__ = "0.2.0"
__all__ = [
    "__version__",
    "answers",
    "checks",
    "columns",
    "compare",
    "corpus",
    "diff",
    "load",
    "percentiles",
    "query_effects",
    "scan",
    "steps",
]


def load(runs: Runs = "latest", *, output: str | Path = "output") -> pl.DataFrame:
    """Read the trials of runs into one frame: one row per trial, one column per metric.

    ``runs`` is a run id, ``latest``, a run directory, a directory of runs, a glob, or a list of them. Ids are looked up in
    ``output``. Both may be addresses: ``s3://bucket/prefix/RUN`` is one run, ``s3://bucket/prefix`` all runs of a store.
    Warm-ups are included, and the column ``stage`` marks them. A column that one of the runs lacks is null there. Raises
    ``StoreError`` if there is no such run.
    """
    return _table("trials", runs, output)


def scan(runs: Runs = "latest", *, output: str | Path = "output", table: str = "trials") -> pl.LazyFrame:
    """Scan a table of runs without reading it: a lazy polars frame, for more trials than fit into memory.

    The parameters are those of ``load``, and ``table`` names another table, such as ``steps``. Filter and aggregate the frame,
    then ``collect`` it. ``percentiles`` takes it as well, and reads only the columns that it needs.
    """
    from uderia_bench.runs.find import scan_table  # noqa: PLC0415 - imported on use, so that start-up is quick

    return scan_table(runs, output, table=table)


def steps(runs: Runs = "latest", *, output: str | Path = "output") -> pl.DataFrame:
    """Read the steps of runs: one row per LLM call, tool call or phase. The parameters are those of ``load``."""
    return _table("steps", runs, output)


def checks(runs: Runs = "latest", *, output: str | Path = "output") -> pl.DataFrame:
    """Read the checks of runs: one row per expectation of a trial. The parameters are those of ``load``."""
    return _table("checks", runs, output)


def answers(runs: Runs = "latest", *, output: str | Path = "output") -> pl.DataFrame:
    """Read the answers of runs: one row per answered trial. The parameters are those of ``load``."""
    return _table("answers", runs, output)


def columns() -> pl.DataFrame:
    """Return the data dictionary: table, column, type, unit and meaning of every column, plug-ins included."""
    import polars as pl  # noqa: PLC0415 - imported on use, so that start-up is quick

    from uderia_bench import plugins  # noqa: PLC0415
    from uderia_bench.commands.columns import columns as every_column  # noqa: PLC0415

    return pl.DataFrame(every_column(plugins.load().metrics))


def diff(
    baseline: str | Path,
    run: str | Path = "latest",
    *,
    output: str | Path = "output",
    arm: str | None = None,
    force: bool = False,
) -> list[Comparison]:
    """Compare two runs, arm by arm of the same name, as ``uderia-bench diff`` does: with the variation between nights.

    ``force`` compares runs that were not asked the same. Raises ``UsageError`` where they cannot be compared.
    """
    from uderia_bench import plugins  # noqa: PLC0415 - imported on use, so that start-up is quick
    from uderia_bench.commands import diff as comparing  # noqa: PLC0415
    from uderia_bench.runs.find import folder  # noqa: PLC0415
    from uderia_bench.runs.run import opened  # noqa: PLC0415

    within = folder(output)
    after = opened(str(run), within)
    before = opened(str(baseline), within, beside=after.manifest.experiment_folder)
    return list(comparing.compare(before, after, plugins.load(), arm=arm, force=force).analysis.comparisons)


def _table(name: str, runs: Runs, output: str | Path) -> pl.DataFrame:
    from uderia_bench.runs.find import load_table  # noqa: PLC0415 - imported on use, so that start-up is quick

    return load_table(runs, output, table=name)


def __getattr__(name: str) -> object:
    from importlib import import_module  # noqa: PLC0415 - imported on use, so that start-up is quick

    if name in {"compare", "query_effects"}:
        return getattr(import_module("uderia_bench.analysis.notebook"), name)
    if name == "percentiles":
        return import_module("uderia_bench.analysis.percentiles").percentiles
    if name == "corpus":
        return import_module("uderia_bench.documents.corpus")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
