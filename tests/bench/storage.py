"""The store at 1,000,000 trials: write, scan and percentiles by arm, compared with DuckDB on the same files.

The trials have every column of a run, in row groups as ``derive`` writes them. A third of the metric columns have
nulls. Each measurement runs in a separate process, and the percentiles of both are compared.

``python -m bench.storage [--quick]``
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import isclose
from pathlib import Path
from typing import Any

from bench import figures
from bench.figures import Figure
from runs import manifest_of

ARMS = ("IDEAT", "OPTIM", "FOCUS", "COORD")
METRICS = 20
PERCENTS = (50, 90, 95, 99)
NULLABLE = 3  # of so many metric columns one has nulls
MISSING = 0.3  # the share of its nulls
ASKED_S, ASKED_MB = 1.0, 700.0  # the aim
ENGINES = ("ours", "DuckDB", "plain polars")


def main() -> None:
    """Write once, read in interleaved rounds, tell the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--step", nargs=3, metavar=("WHAT", "FOLDER", "ROWS"), help="one measurement, in this process")
    asked = options.parse_args()
    if asked.step:
        what, folder, rows = asked.step
        sys.stdout.write(json.dumps(STEPS[what](Path(folder), int(rows))) + "\n")
        return
    rows, rounds = (50_000, 1) if asked.quick else (1_000_000, 5)
    with tempfile.TemporaryDirectory() as folder:
        written = step("write", folder, rows)
        size = sum(part.stat().st_size for part in Path(folder).rglob("*.parquet"))
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in STEPS if name != "write"}
        for _ in range(rounds):
            for name, each in found.items():
                each.append(step(name, folder, rows))
    _same(found["percentiles, ours"][0]["found"], found["percentiles, DuckDB"][0]["found"])
    table = f"{rows:,} trials of {written['columns']} columns in {size / 2**20:.0f} MB"
    told = [Figure(name="write", value=written["s"], unit="s", conditions=f"{table}; peak {written['mb']:.0f} MB")]
    for name, each in found.items():
        told += _reading(name, each, f"{table}; {METRICS} metrics, {len(ARMS)} arms; median of {rounds}")
    for name in ENGINES[:1] + ENGINES[2:]:
        times = [
            mine["s"] / theirs["s"]
            for mine, theirs in zip(found[f"percentiles, {name}"], found["percentiles, DuckDB"], strict=True)
        ]
        told.append(
            Figure(
                name=f"percentiles, {name} / DuckDB",
                value=statistics.median(times),
                unit="x",
                asked="≤ 1" if name == "ours" else "",
                contrast=name != "ours",
                conditions=f"rounds {', '.join(f'{ratio:.2f}' for ratio in times)}",
            )
        )
    figures.tell("storage", told)


def step(what: str, folder: str, rows: int) -> dict[str, Any]:
    """Measure one step in a separate process."""
    command = [sys.executable, "-m", "bench.storage", "--step", what, folder, str(rows)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def _reading(name: str, each: list[dict[str, Any]], conditions: str) -> list[Figure]:
    ours = name == "percentiles, ours"
    seconds, megabytes = (statistics.median(one[key] for one in each) for key in ("s", "mb"))
    return [
        Figure(name=name, value=seconds, unit="s", asked=f"< {ASKED_S:g} s" if ours else "", conditions=conditions),
        Figure(
            name=f"{name}, peak of its process",
            value=megabytes,
            unit="MB",
            asked=f"< {ASKED_MB:g} MB" if ours else "",
            conditions=conditions,
        ),
    ]


def _same(ours: list[list[Any]], theirs: list[list[Any]]) -> None:
    """Make sure that both found the same: arm, metric, then the percentiles."""
    assert len(ours) == len(theirs) == METRICS * len(ARMS)
    for mine, other in zip(sorted(ours), sorted(theirs), strict=True):
        assert mine[:2] == other[:2]
        assert all(isclose(one, two, rel_tol=1e-9) for one, two in zip(mine[2:], other[2:], strict=True)), (mine, other)


def _metrics() -> list[str]:
    from uderia_bench.reading import metrics

    return [metric.name for metric in metrics.BUILT_IN if metric.kind is not bool and metric.needs_answer][:METRICS]


def _timed(work: Callable[[], Any]) -> dict[str, Any]:
    """Time it, with the peak memory of this process after it."""
    began = time.perf_counter()
    found = work()
    took = time.perf_counter() - began
    return {"s": took, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "found": found}


def write(folder: Path, rows: int) -> dict[str, Any]:
    """Write so many trials as ``derive`` does: frame by frame through the store."""
    from uderia_bench.reading import derive, metrics
    from uderia_bench.runs import directory

    schema = derive.schema(metrics.BUILT_IN)
    frames = [_trials(schema, seed) for seed in range(10)]
    run = directory.create(folder, "million")
    run.write_manifest(manifest_of("million").to_json())

    def through_the_store() -> None:
        with run.table("trials", schema) as put:
            for number in range(rows // derive.ROWS_A_GROUP):
                put(frames[number % len(frames)])

    return {**_timed(through_the_store), "columns": len(schema)}


def _trials(schema: Any, seed: int) -> Any:
    """Draw a row group: log-normal metrics, a third of them with nulls, the fixed columns as a run fills them."""
    import numpy as np
    import polars as pl
    import pyarrow as pa

    from uderia_bench.reading import derive, metrics

    metric_of = {metric.name: metric for metric in metrics.BUILT_IN}
    rng, rows = np.random.default_rng(seed), derive.ROWS_A_GROUP
    fixed = {
        "arm": [ARMS[code] for code in rng.integers(0, len(ARMS), rows)],
        "outcome": rng.choice(["answered", "failed"], rows, p=[0.98, 0.02]).tolist(),
        "stage": rng.choice(["measured", "warmup"], rows, p=[0.99, 0.01]).tolist(),
    }
    columns: dict[str, Any] = {}
    number = 0
    for field in schema:
        drawn = np.exp(rng.normal(2, 0.8, rows))
        if field.name in fixed:
            columns[field.name] = fixed[field.name]
        elif pa.types.is_string(field.type):
            columns[field.name] = [f"{field.name}-{code}" for code in rng.integers(0, 500, rows)]
        elif pa.types.is_list(field.type):
            columns[field.name] = [["one", "two"]] * rows
        elif pa.types.is_timestamp(field.type):
            columns[field.name] = [datetime.now(UTC)] * rows
        elif field.name not in metric_of:
            columns[field.name] = np.arange(rows).astype(float if pa.types.is_floating(field.type) else int)
        else:
            kept = rng.random(rows) >= (MISSING if number % NULLABLE == 0 else 0.0)
            number += 1
            values = _possible(drawn, metric_of[field.name])
            columns[field.name] = [value if there else None for value, there in zip(values, kept, strict=True)]
    return pl.DataFrame(columns)


def _possible(drawn: Any, metric: Any) -> list[Any]:
    """Make values of a metric from positive ones: a value that it cannot have counts as missing in ours only."""
    if metric.kind is bool:
        return [False] * len(drawn)
    if metric.assumption == "rate":
        return (drawn / (1 + drawn)).tolist()
    return [metric.kind(1 + value) for value in drawn]


def scan_ours(folder: Path, rows: int) -> dict[str, Any]:
    """Read the metrics and average them by arm, through the store's scan."""
    import polars as pl

    from uderia_bench.runs import find

    columns = [pl.col(name).mean() for name in _metrics()]
    return _timed(
        lambda: find.scan_table("million", folder).group_by("arm").agg(pl.len(), *columns).collect()["len"].sum() == rows
    )


def scan_duckdb(folder: Path, rows: int) -> dict[str, Any]:
    """Read the same with DuckDB."""
    import duckdb

    columns = ", ".join(f"avg({name})" for name in _metrics())
    query = f"SELECT arm, count(*), {columns} FROM '{folder}/*/trials/*.parquet' GROUP BY arm"
    return _timed(lambda: sum(row[1] for row in duckdb.sql(query).fetchall()) == rows)


def percentiles_ours(folder: Path, _: int) -> dict[str, Any]:
    """Ask for the percentiles as a user would."""
    from uderia_bench import percentiles
    from uderia_bench.runs import find

    names = _metrics()

    def ask() -> list[list[Any]]:
        found = percentiles(find.scan_table("million", folder), names, percents=PERCENTS).drop("n", "missing")
        return [list(row) for row in found.iter_rows()]

    return _timed(ask)


def percentiles_duckdb(folder: Path, _: int) -> dict[str, Any]:
    """Ask DuckDB for the same."""
    import duckdb

    names = _metrics()
    shares = [percent / 100 for percent in PERCENTS]
    columns = ", ".join(f"quantile_cont({name}, {shares})" for name in names)
    where = "stage = 'measured' AND outcome = 'answered'"
    query = f"SELECT arm, {columns} FROM '{folder}/*/trials/*.parquet' WHERE {where} GROUP BY arm"

    def ask() -> list[list[Any]]:
        rows = duckdb.sql(query).fetchall()
        return [[row[0], name, *points] for row in rows for name, points in zip(names, row[1:], strict=True)]

    return _timed(ask)


def percentiles_plain(folder: Path, _: int) -> dict[str, Any]:
    """Ask polars for the quantiles of the columns as they are, nulls and all."""
    import polars as pl

    from uderia_bench.runs import find

    points = [
        pl.col(name).quantile(percent / 100, "linear").alias(f"{name} {percent}") for name in _metrics() for percent in PERCENTS
    ]
    answered = (pl.col("stage") == "measured") & (pl.col("outcome") == "answered")
    return _timed(lambda: find.scan_table("million", folder).filter(answered).group_by("arm").agg(points).collect().height)


STEPS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "write": write,
    "scan, ours": scan_ours,
    "scan, DuckDB": scan_duckdb,
    "percentiles, ours": percentiles_ours,
    "percentiles, DuckDB": percentiles_duckdb,
    "percentiles, plain polars": percentiles_plain,
}


if __name__ == "__main__":
    main()
