"""Analysis beyond memory: percentiles over 1,000 runs, the report of one large run, and a derivation on two cores.

The runs are read from an S3 server with an empty cache, then once more with the cache, and from a directory. Each
measurement runs in a separate process. ``python -m bench.scale [--quick] [percentiles report derive]``
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from bench import derive as derivation
from bench import figures, seaweed
from bench.figures import Figure
from bench.storage import METRICS, PERCENTS, _metrics, _timed, _trials

RUNS, TRIALS_A_RUN = 1_000, 1_000
ASKED_S, ASKED_MB = 5.0, 1_000.0
REPORTED, REPORT_S, REPORT_MB = 100_000, 20.0, 1_500.0
DERIVED, LEAST_SPEED_UP = 10_000, 1.7  # in a small run, what one process does alone weighs more
DERIVATIONS = 5  # in one process and in two, in turns
STARTED = datetime(2026, 11, 1, tzinfo=UTC)
PARTS = ("percentiles", "report", "derive")
STORE = f"s3://{seaweed.BUCKET}/runs"
WRITERS = 8  # of the runs into the store


def main() -> None:
    """Measure the parts that are named, by default all."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--step", nargs=2, metavar=("WHAT", "FOLDER"), help="one measurement, in this process")
    asked = options.parse_args()
    if asked.step:
        what, folder = asked.step
        sys.stdout.write(json.dumps(STEPS[what](Path(folder))) + "\n")
        return
    told: list[Figure] = []
    for part in asked.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            told += MEASURED[part](Path(folder), quick=asked.quick)
    figures.tell("scale", told)


def step(what: str, folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Measure one step in a separate process."""
    command = [sys.executable, "-m", "bench.scale", "--step", what, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, **(environment or {})})
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def of_percentiles(folder: Path, *, quick: bool) -> list[Figure]:
    """Write the runs, and ask for the percentiles of them all: from a directory, from S3, and from the cache."""
    runs = RUNS // 20 if quick else RUNS
    local, served = folder / "runs", folder / "seaweed"
    local.mkdir()
    served.mkdir()
    _write_runs(local, runs)
    conditions = f"{runs * TRIALS_A_RUN:,} trials in {runs:,} runs; {METRICS} metrics by arm"
    told = _both("percentiles of many runs", step("percentiles", local), conditions, ASKED_S, ASKED_MB)
    with seaweed.serve(served) as client:
        environment = {**client, "XDG_CACHE_HOME": str(folder / "cache")}
        step("upload", local, environment)
        (server,) = psutil.Process().children()
        for name in ("the same from S3", "the same from S3, files in the cache"):
            before = sum(server.cpu_times()[:2])
            found = step("percentiles from S3", local, environment)
            of_server = f"; {sum(server.cpu_times()[:2]) - before:.1f} s of CPU of the S3 server on the same cores"
            told += _both(name, found, conditions + of_server, ASKED_S, ASKED_MB)
    return told


def of_report(folder: Path, *, quick: bool) -> list[Figure]:
    """Make the report of one large run."""
    trials = REPORTED // 20 if quick else REPORTED
    _write_large(folder, trials)
    found = step("report", folder)
    return _both("report of a large run", found, f"{trials:,} trials of two arms, as text", REPORT_S, REPORT_MB)


def of_derivation(folder: Path, *, quick: bool) -> list[Figure]:
    """Derive a run in one process and in two."""
    from uderia_bench.runs import directory

    trials = DERIVED // 10 if quick else DERIVED
    derivation.build(directory.create(folder, "one"), trials)
    rounds = [[step(f"derive {processes}", folder)["s"] for processes in (1, 2)] for _ in range(DERIVATIONS)]
    ratios = [one / two for one, two in rounds]
    conditions = (
        f"{trials:,} trials; {statistics.median(one for one, _ in rounds):.1f} s in one process; median of rounds "
        + ", ".join(f"{ratio:.2f}" for ratio in ratios)
    )
    return [
        Figure(
            name="derivation in one process, relative to two",
            value=statistics.median(ratios),
            unit="times",
            conditions=conditions,
            asked=f"≥ {LEAST_SPEED_UP:g} times",
        )
    ]


def _both(name: str, found: dict[str, Any], conditions: str, seconds: float, megabytes: float) -> list[Figure]:
    return [
        Figure(name=name, value=found["s"], unit="s", asked=f"< {seconds:g} s", conditions=conditions),
        Figure(
            name=f"{name}, peak of its process",
            value=found["mb"],
            unit="MB",
            asked=f"< {megabytes:,.0f} MB",
            conditions=conditions,
        ),
    ]


def _write_runs(folder: Path, runs: int) -> None:
    from runs import manifest_of

    from uderia_bench.reading import derive, metrics
    from uderia_bench.runs import directory

    schema = derive.schema(metrics.BUILT_IN)
    frames = [_trials(schema, seed).head(TRIALS_A_RUN) for seed in range(5)]
    for number in range(runs):
        run = directory.create(folder, f"run-{number:04}")
        run.write_manifest(manifest_of(run.run_id).to_json())
        with run.table("trials", schema) as put:
            put(frames[number % len(frames)])


def _write_large(folder: Path, trials: int) -> None:
    """Write a run of two arms and 500 queries with all its tables: 10 steps and 2 checks per trial."""
    import numpy as np
    import polars as pl
    from runs import saved

    from uderia_bench.reading import derive, metrics

    schemas = derive.Reading().schemas
    row = pl.int_range(trials).alias("row")
    cell = pl.select(row).with_columns(
        query_id=pl.format("q{}", pl.col("row") // 2 % 500),
        arm=pl.when(pl.col("row") % 2 == 0).then(pl.lit("IDEAT")).otherwise(pl.lit("OPTIM")),
        repeat=pl.col("row") // 1000 + 1,
        trial_id=pl.format("t{}", "row"),
        seq=pl.col("row"),
        block=pl.col("row") // 2,
        window=pl.col("row") // 64,
        stage=pl.lit("measured"),
        turn=pl.lit(1),
        server=pl.lit("sim"),
        complexity=pl.lit("simple"),
        outcome=pl.lit("answered"),
        model=pl.lit("gemini-2.5-flash"),
        provider=pl.lit("Google"),
        profile_tag=pl.lit("IDEAT"),
        profile_type=pl.lit("tool_enabled"),
        foreign_tools=pl.lit(value=False),
        lower_bound=pl.lit(value=False),
        price_fallback=pl.lit(value=False),
    )
    repeated = [_trials(schemas["trials"], seed) for seed in range(10)]
    drawn = pl.concat(repeated[number % 10] for number in range(-(-trials // derive.ROWS_A_GROUP))).head(trials)
    level = np.exp(np.random.default_rng(1).normal(0, 0.5, trials))
    none = [pl.lit(None, dtype=drawn.schema[name]).alias(name) for name in ("level", "group", "weight")]
    frame = drawn.with_columns(cell.drop("row").get_columns()).with_columns(
        *none, latency_s=pl.Series(level), sent_at=pl.lit(STARTED) + pl.duration(milliseconds=400 * pl.col("seq"))
    )
    run = saved(folder, "large", frame, repeats=-(-trials // 1000), confidence=0.95)
    run.noted(metrics={metric.name: metric.definition for metric in metrics.BUILT_IN})
    each = {
        "steps": cell.select(pl.all().repeat_by(10).explode()),
        "checks": cell.select(pl.all().repeat_by(2).explode()),
        "answers": cell,
        "issues": cell.filter(pl.col("row") % 3 == 0),
    }
    for name, rows in each.items():
        with run.directory.table(name, schemas[name]) as put:
            for start in range(0, rows.height, 50_000):
                put(_filled(rows.slice(start, 50_000), schemas[name]))


def _filled(rows: Any, schema: Any) -> Any:
    """Give rows of cells the other columns of a table, with values such as a run has."""
    import polars as pl

    values = {
        "kind": pl.lit("llm_call"),
        "index": pl.int_range(pl.len()) % 10 + 1,
        "duration_s": pl.lit(0.5),
        "input_tokens": pl.lit(900),
        "output_tokens": pl.lit(80),
        "cost_usd": pl.lit(0.001),
        "place": pl.int_range(pl.len()) % 2 + 1,
        "passed": pl.int_range(pl.len()) % 17 != 0,
        "severity": pl.lit("warning"),
        "recommendation": pl.lit("Look at the step."),
        "expected": pl.lit("12"),
        "weight": pl.lit(1.0),
        "evidence": pl.concat_list(pl.lit("llm_call 2: twice")),
        "facts": pl.concat_list(pl.format("{}", pl.col("row") % 7), pl.lit("sales_db")),
        "answer": pl.lit("The database sales_db has 12 tables. " * 16),
    }
    empty = dict(pl.DataFrame(schema.empty_table()).schema)
    made = (
        (values[name] if name in values else pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in empty.items()
    )
    return rows.select(made)


def _report(folder: Path) -> dict[str, Any]:
    """Compute and print the report, as ``uderia-bench report`` does where no analysis is saved."""
    from uderia_bench import plugins
    from uderia_bench.commands import report
    from uderia_bench.commands.conclude import report_on
    from uderia_bench.runs.run import opened

    def make() -> int:
        run = opened("large", folder)
        return len(report.render(report_on(run, plugins.load()), "text", run))

    return _timed(make)


def _derive(folder: Path, processes: int) -> dict[str, Any]:
    from uderia_bench.reading import derive
    from uderia_bench.runs.directory import RunDirectory

    return _timed(lambda: derive.run(RunDirectory(folder / "one"), derive.Reading(), processes=processes))


def _upload(folder: Path) -> dict[str, Any]:
    from uderia_bench.runs.bucket import Bucket

    bucket = Bucket(STORE)
    every = [path for path in folder.rglob("*") if path.is_file()]
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(lambda path: bucket.put(path.relative_to(folder).as_posix(), path), every))
    return {"files": len(every)}


def _percentiles(output: Path | str) -> dict[str, Any]:
    import uderia_bench as ub

    return _timed(lambda: ub.percentiles(ub.scan("run-*", output=output), _metrics(), percents=PERCENTS).height)


STEPS = {
    "percentiles": _percentiles,
    "upload": _upload,
    "percentiles from S3": lambda _: _percentiles(STORE),
    "report": _report,
    "derive 1": lambda folder: _derive(folder, 1),
    "derive 2": lambda folder: _derive(folder, 2),
}
MEASURED = {"percentiles": of_percentiles, "report": of_report, "derive": of_derivation}
if __name__ == "__main__":
    main()
