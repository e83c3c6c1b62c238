"""Tokens until a verdict: what other tools do by default, fixed designs, the looks of earlier versions, and ours.

``python -m bench.designs`` prints a table with the error rates beside every figure, and leaves figures. ``--quick`` uses
few runs. The agents are simulated. Their 2,000 queries have log times with a standard deviation of .8 between queries, .3
within and .15 for the interaction with the arm. The log tokens of a query have one of ``TOKEN_SD``. Every run draws its
queries again. Our designs go through the product's sample, plan, looks and report. Tokens are counted in mean trials of
the corpus, so that 1,000 is the bill of 100 queries asked five times on two arms.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log, sqrt

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from bench import figures
from bench.figures import Figure
from calibration.looks import Setting, built_from, declared_of, run
from experiments import query
from scipy.stats import ttest_ind

from uderia_bench.analysis.values import Verdict
from uderia_bench.runner import plan
from uderia_bench.stats.difference import student_test
from uderia_bench.stats.inference import equivalence_p, two_sided_p
from uderia_bench.stats.sequential import OBRIEN_FLEMING, Repeated, equal_shares

CORPUS, MARGIN, ALPHA = 2_000, 0.10, 0.05
BETWEEN, WITHIN, DIFFERS = 0.8, 0.3, 0.15
TOKEN_SD = (0.8, 1.2)
EFFECTS = {"none": 1.0, "margin": 1 + MARGIN, "-10 %": 0.90, "-15 %": 0.85, "-20 %": 0.80}
PLANS = 10  # plans of our designs; runs take turns with them


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one run ended: its tokens in mean trials, its verdict, and whether its interval holds the truth."""

    tokens: float
    verdict: Verdict
    covers: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """The corpus: tokens, level and interaction of each query, drawn once for each spread of the tokens."""

    token_sd: float
    tokens: np.ndarray
    level: np.ndarray
    differs: np.ndarray

    @classmethod
    def drawn(cls, token_sd: float) -> Agents:
        """Draw the corpus."""
        rng = np.random.default_rng(11)
        tokens = np.exp(rng.normal(0, token_sd, CORPUS))
        differs = rng.normal(0, DIFFERS, CORPUS)
        return cls(
            token_sd=token_sd,
            tokens=tokens / tokens.mean(),
            level=rng.normal(0, BETWEEN, CORPUS),
            differs=differs - differs.mean(),
        )

    def times(self, chosen: np.ndarray, repeats: int, ratio: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return log times ``(query, repeat)`` of both arms."""
        shape = chosen.size, repeats
        first, second = rng.normal(0, WITHIN, (2, *shape)) + self.level[chosen][:, None]
        return first, second + self.differs[chosen][:, None] + log(ratio)


Design = Callable[[Agents, float, np.random.Generator, int], Ended]


def unpaired(agents: Agents, ratio: float, rng: np.random.Generator, _: int) -> Ended:
    """Two fixed samples of 500 trials each, compared by Welch's t test of the logarithms, as load tools compare runs."""
    first, second = rng.integers(0, CORPUS, (2, 500))
    found = ttest_ind(
        agents.times(second, 1, ratio, rng)[1][:, 0], agents.times(first, 1, ratio, rng)[0][:, 0], equal_var=False
    )
    away = float(found.statistic) * float(found._standard_error)
    tokens = agents.tokens[first].sum() + agents.tokens[second].sum()
    return Ended(tokens=tokens, verdict=_different(away, float(found.pvalue)))


def fixed(agents: Agents, ratio: float, rng: np.random.Generator, _: int) -> Ended:
    """Ask 100 queries five times, and compare once."""
    chosen = rng.choice(CORPUS, 100, replace=False)
    first, second = agents.times(chosen, 5, ratio, rng)
    test = student_test((second - first).mean(axis=1))
    return Ended(tokens=10 * agents.tokens[chosen].sum(), verdict=_verdict(test))


def five_looks(agents: Agents, ratio: float, rng: np.random.Generator, _: int) -> Ended:
    """Ask 100 queries five times, with five O'Brien-Fleming looks that stop at a small p: the rule of earlier versions."""
    chosen = rng.choice(CORPUS, 100, replace=False)
    first, second = agents.times(chosen, 5, ratio, rng)
    for look in range(1, 6):
        test = Repeated(
            test=student_test((second - first)[:, :look].mean(axis=1)), look=look, shares=equal_shares(5), shape=OBRIEN_FLEMING
        )
        if two_sided_p(test) <= ALPHA or look == 5:
            break
    return Ended(tokens=2 * look * agents.tokens[chosen].sum(), verdict=_verdict(test))


def _verdict(test: object) -> Verdict:
    """Return the verdict of a test of the mean log ratio."""
    if equivalence_p(test, -log(1 + MARGIN), log(1 + MARGIN)) < ALPHA:  # type: ignore[arg-type]
        return Verdict.EQUIVALENT
    value = test.test.value if isinstance(test, Repeated) else test.value  # type: ignore[attr-defined]
    return _different(value, two_sided_p(test))  # type: ignore[arg-type]


def _different(value: float, p: float) -> Verdict:
    if p >= ALPHA or abs(value) <= log(1 + MARGIN):
        return Verdict.INCONCLUSIVE
    return Verdict.BETTER if value < 0 else Verdict.WORSE


def ours(count: int, repeats: int, *, by: str | None) -> Design:
    """Return our design: three-way looks on ``count`` queries, drawn by cost or in proportion."""
    plans: dict[tuple[float, int], tuple[object, ...]] = {}

    def ended(agents: Agents, ratio: float, rng: np.random.Generator, number: int) -> Ended:
        key = agents.token_sd, number % PLANS
        if key not in plans:
            asked = tuple(query(f"q{each}") for each in range(CORPUS))
            setting = Setting(queries=count, repeats=repeats)
            sample = {"n": count, "seed": number % PLANS, **({"by": by} if by else {})}
            said = built_from(setting, asked, seed=number % PLANS, sample=sample)
            experiment = said.knowing({f"q{each}": float(agents.tokens[each]) for each in range(CORPUS)})
            plans[key] = setting, plan.build(experiment, experiment.queries), declared_of(experiment)
        setting, trials, declared = plans[key]
        noise = iter(rng.normal(0, WITHIN, len(trials)))
        took = {}
        for trial in trials:
            at = int(trial.query_id[1:])
            own = agents.differs[at] + log(ratio) if trial.arm == declared.contrasts[0][1] else 0.0
            took[trial.trial_id] = 20.0 * float(np.exp(agents.level[at] + own + next(noise)))
        found = run(setting, trials, declared, took)
        tokens = sum(agents.tokens[int(trial.query_id[1:])] for trial in found.trials)
        lo, hi = found.comparison.effect.lo, found.comparison.effect.hi
        covers = lo is not None and hi is not None and lo <= ratio <= hi
        return Ended(tokens=tokens, verdict=found.comparison.verdict, covers=covers)

    return ended


DESIGNS: dict[str, Design] = {
    "unpaired, 2 x 500 trials (other tools)": unpaired,
    "fixed 100 x 5": fixed,
    "100 x 5, five O'Brien-Fleming looks (before)": five_looks,
    "346 x 1, three-way looks": ours(346, 1, by=None),
    "450 x 1 by cost, three-way looks": ours(450, 1, by="cost"),
}


def rows(runs: int, names: list[str], token_sds: tuple[float, ...]) -> Iterator[tuple[str, float, str, list[Ended]]]:
    """Yield (design, token sd, effect, runs)."""
    for token_sd in token_sds:
        agents = Agents.drawn(token_sd)
        for name in names:
            for effect, ratio in EFFECTS.items():
                rng = np.random.default_rng(23)
                count = runs if DESIGNS[name] not in (unpaired, fixed, five_looks) else 4 * runs
                yield name, token_sd, effect, [DESIGNS[name](agents, ratio, rng, number) for number in range(count)]


def main() -> None:
    """Print the table, and leave the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="few runs")
    options.add_argument("--runs", type=int, default=400)
    options.add_argument("--designs", type=int, nargs="*", help="numbers of the designs, from 0")
    said = options.parse_args()
    runs = 4 if said.quick else said.runs
    names = list(DESIGNS) if said.designs is None else [list(DESIGNS)[number] for number in said.designs]
    heads = ("design", "token sd", "true effect", "tokens", "better or worse %", "equivalent %", "covered %")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    left = []
    for name, token_sd, effect, found in rows(runs, names, TOKEN_SD):
        tokens = np.array([one.tokens for one in found])
        kinds = [
            100 * np.mean([one.verdict in wanted for one in found])
            for wanted in ({Verdict.BETTER, Verdict.WORSE}, {Verdict.EQUIVALENT})
        ]
        error = tokens.std() / sqrt(tokens.size)
        covered = [one.covers for one in found if one.covers is not None]
        cells = [name, f"{token_sd:g}", effect, f"{tokens.mean():.0f} ± {error:.0f}", *(f"{kind:.1f}" for kind in kinds)]
        print(f"| {' | '.join([*cells, f'{100 * np.mean(covered):.1f}' if covered else ''])} |", flush=True)
        rates = f"better or worse {kinds[0]:.1f} %, equivalent {kinds[1]:.1f} %; {tokens.size} runs, standard error {error:.0f}"
        left.append(
            Figure(
                name=f"{name}, effect {effect}, token sd {token_sd:g}",
                value=float(tokens.mean()),
                unit="mean trials",
                conditions=rates,
            )
        )
    figures.tell("designs", left)


if __name__ == "__main__":
    main()
