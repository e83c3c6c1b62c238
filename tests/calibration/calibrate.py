"""Calibrate the default methods and write the table that the docs show: ``make calibrate``.

At 4,000 replications it takes about half an hour of one core, so it is not part of the tests.
``--replications 200`` is a quick look. ``--only WORDS ...`` measures the parts and cells whose names
contain one of the words, and leaves the rest of the table unchanged. ``--print`` writes the table from
the stored figures.
"""

import argparse
import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from calibration import arms, conditions, study, verdicts
from calibration.conditions import CONDITIONS
from calibration.designs import DESIGNS
from calibration.table import as_markdown

HERE = Path(__file__).parent
QUERIES = (8, 20, 50, 200)
SEED = 20261124
RUNS = 100  # of the whole analysis, verdicts and all
PARTS = {
    "family-wise": lambda rng, size: study.family_wise(rng, replications=size),
    "early stopping": lambda rng, size: {
        "none": study.early_stopping(rng, effect=0.0, replications=size),
        "some": study.early_stopping(rng, effect=float(np.log(0.9)), replications=size),
    },
    "power": lambda rng, size: study.at_ten_per_cent_less(rng, replications=size),
    "verdicts": lambda _, size: {"runs": min(RUNS, size)} | verdicts.study(min(RUNS, size)),
}
ARMS = "estimates"  # the name by which the estimates of one arm are chosen


def cell(number, queries, replications):
    """Measure one cell: the design of a number, without effect and with its own."""
    design = DESIGNS[number]
    truth = design.truth()
    rng = np.random.default_rng([SEED, number, queries])
    margin = abs(design.effect) if design.kind == "amount" else abs(truth)
    options = {"replications": replications, "queries": queries, "margin": margin}
    none = study.measure(design, rng, effect=0.0, truth=0.0, **options)
    some = study.measure(design, rng, effect=design.effect, truth=truth, **options)
    return {"design": design.name, "kind": design.kind, "queries": queries, "none": asdict(none), "some": asdict(some)}


def everything():
    """Yield what can be measured: its name, its place in the results, and how, given the replications."""
    for number, (name, measure) in enumerate(PARTS.items()):
        yield name, ("parts", name), partial(measure, np.random.default_rng([SEED, len(DESIGNS), number]))
    for queries in QUERIES:
        yield ARMS, ("arms", str(queries)), partial(of_arms, queries)
    for number, condition in enumerate(CONDITIONS):
        yield condition.name, ("conditions", condition.name), partial(of_condition, number)
    for number, design in enumerate(DESIGNS):
        for queries in QUERIES:
            yield design.name, ("cells", f"{design.name}, {queries} queries"), partial(cell, number, queries)


def of_arms(queries, size):
    """Measure the coverage of the estimates of one arm."""
    rng = np.random.default_rng([SEED, len(DESIGNS) + 1, queries])
    return {name: asdict(cover) for name, cover in arms.measure(rng, replications=size, queries=queries).items()}


def of_condition(number, size):
    """Measure one condition of trials that are not ideal."""
    rng = np.random.default_rng([SEED, len(DESIGNS) + 2, number])
    return conditions.measure(CONDITIONS[number], rng, replications=min(CONDITIONS[number].runs, size))


def chosen(only):
    """Yield the place and the measurement of everything whose name contains one of the words; of no word, of all."""
    for name, place, measure in everything():
        if not only or any(word in name for word in only):
            yield place, measure


def main():
    """Measure what is chosen, writing after every cell, so that a stop loses nothing."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--replications", type=int, default=4_000)
    options.add_argument("--output", type=Path, default=HERE)
    options.add_argument("--only", nargs="+", default=[], metavar="WORDS")
    options.add_argument("--print", action="store_true", dest="printing")
    asked = options.parse_args()
    kept = asked.output / "results.json"
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    size = found.setdefault("replications", asked.replications)
    if size != asked.replications and (asked.only or asked.printing):
        options.error(f"the table there has {size} replications a cell: one table, one number of them")
    found |= {"seed": SEED, "replications": asked.replications}
    started = time.perf_counter()
    for (part, name), measure in () if asked.printing else chosen(asked.only):
        found.setdefault(part, {})[name] = measure(asked.replications)
        kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{time.perf_counter() - started:6.0f} s  {name}", flush=True)  # noqa: T201
    (asked.output / "table.md").write_text(as_markdown(found), encoding="utf-8")


if __name__ == "__main__":
    main()
