"""Draws by cost from a corpus with a known effect, through the product's draw and its comparison.

    PYTHONPATH=tests python -m calibration.weights --draws 2000

prints how often the interval covers the effect of the whole corpus, and what a trial costs compared
with the mean of the corpus. The effect grows with the tokens of a query, so an estimate without weights
would be wrong.
"""

from __future__ import annotations

import argparse
from math import exp, log

import numpy as np
import polars as pl

from uderia_bench.analysis.notebook import compare
from uderia_bench.documents import sampling
from uderia_bench.documents.corpus import Query

QUERIES, DRAWN = 2_000, 250
WITHIN, DIFFERS, GROWS = 0.3, 0.15, 0.1


def coverage(rng: np.random.Generator, *, token_sd: float, traffic: bool, draws: int) -> tuple[float, float, float]:
    """Return the share of draws that cover the corpus, the mean of the log estimates, and the relative cost of a trial."""
    logs = rng.normal(0, token_sd, QUERIES)
    effect = log(0.9) + DIFFERS * rng.normal(size=QUERIES) + GROWS * logs / token_sd
    level, often = rng.normal(0, 0.8, QUERIES), np.exp(rng.normal(0, 0.7, QUERIES))
    asked = tuple(Query(id=f"q{number}", prompt="?", turns=("?",), weight=float(weight)) for number, weight in enumerate(often))
    tokens = {query.id: float(np.exp(size)) for query, size in zip(asked, logs, strict=True)}
    truth = exp(np.average(effect, weights=often if traffic else None))
    covered, errors, costs = 0, [], []
    for seed in range(draws):
        drawn = sampling.by_cost(asked, DRAWN, seed=seed, tokens=tokens, traffic=traffic)
        at = np.array([int(query.id[1:]) for query in drawn])
        counts = [(query.counts or 1.0) * (query.weight if traffic else 1.0) for query in drawn]
        first, second = (np.exp(level[at] + own + rng.normal(0, WITHIN, at.size)) for own in (0.0, effect[at]))
        arm = {"query_id": [query.id for query in drawn], "repeat": 1, "outcome": "answered", "weight": counts}
        frame = pl.concat(
            [pl.DataFrame(arm | {"arm": name, "latency_s": took}) for name, took in (("A", first), ("B", second))]
        )
        (found,) = compare(frame, baseline="A", candidate="B", metrics=["latency_s"], seed=seed)
        ends = found.effect
        covered += ends.lo is not None and ends.hi is not None and ends.lo <= truth <= ends.hi
        errors.append(log((ends.value or 1.0) / truth))
        costs.append(float(np.exp(logs[at]).mean() / np.exp(logs).mean()))
    return covered / draws, float(np.mean(errors)), float(np.mean(costs))


def main() -> None:
    """Print a row for each spread of the tokens, with and without traffic."""
    parser = argparse.ArgumentParser(description="Simulate draws by cost.")
    parser.add_argument("--draws", type=int, default=2000)
    draws = parser.parse_args().draws
    print("| token sd | weights | covered % | bias % | tokens of a trial |\n|---|---|---|---|---|")
    for token_sd in (0.8, 1.2):
        for traffic in (False, True):
            covered, bias, cost = coverage(np.random.default_rng(3), token_sd=token_sd, traffic=traffic, draws=draws)
            error = 100 * (covered * (1 - covered) / draws) ** 0.5
            cells = (
                f"{token_sd:g}",
                "traffic" if traffic else "equal",
                f"{100 * covered:.1f} ± {error:.1f}",
                f"{100 * bias:.2f}",
            )
            print(f"| {' | '.join(cells)} | {cost:.2f} |", flush=True)


if __name__ == "__main__":
    main()
