"""Tokens until a verdict: what other tools do by default, fixed designs, the looks of earlier versions, and ours.

``python -m bench.designs`` prints the tables of docs/explanation/designs.md, with the error rates beside every figure, and
leaves figures. ``--quick`` uses few runs. The first part simulates agents, and ``embedded_designs`` is the second.

The 2,000 queries of the simulated agents have log times with a standard deviation of .8 between queries, .3 within and .15
for the interaction with the arm. The log tokens of a query have one of ``TOKEN_SD``. Every run draws its queries again. Our
designs go through the product's sample, plan, looks and report. Tokens are counted in mean trials of the corpus, so that
1,000 is the bill of 100 queries asked five times on two arms.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import hypot, isnan, log, nan, sqrt

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
from typing import Any

import numpy as np
from bench import embedded_designs, figures
from bench.figures import Figure
from calibration.looks import Setting, built_from, declared_of, run
from experiments import query
from scipy.stats import ttest_ind

from uderia_bench.analysis.values import Verdict
from uderia_bench.runner import plan
from uderia_bench.stats.difference import student_test
from uderia_bench.stats.inference import equivalence_p, two_sided_p
from uderia_bench.stats.looks import OBRIEN_FLEMING, equal_shares
from uderia_bench.stats.sequential import Repeated

CORPUS, MARGIN, ALPHA = 2_000, 0.10, 0.05
BETWEEN, WITHIN, DIFFERS = 0.8, 0.3, 0.15
TOKEN_SD = (0.8, 1.2)
EFFECTS = {"none": 1.0, "margin": 1 + MARGIN, "-10 %": 0.90, "-15 %": 0.85, "-20 %": 0.80}
PLANS = 10  # plans of our designs; runs take turns with them


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one run ended: its tokens in mean trials, its verdict, and whether an early stop's interval holds the truth."""

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
    plans: dict[tuple[float, int], tuple[Any, ...]] = {}

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
        return Ended(tokens=tokens, verdict=found.comparison.verdict, covers=covers if found.stopped else None)

    return ended


OTHERS, FIXED, BEFORE, OURS, BY_COST = (
    "unpaired, 2 x 500 trials (other tools)",
    "fixed 100 x 5",
    "100 x 5, five O'Brien-Fleming looks (before)",
    "346 x 1, three-way looks",
    "450 x 1 by cost, three-way looks",
)
DESIGNS: dict[str, Design] = {
    OTHERS: unpaired,
    FIXED: fixed,
    BEFORE: five_looks,
    OURS: ours(346, 1, by=None),
    BY_COST: ours(450, 1, by="cost"),
}
SHOWN = ("none", "-10 %", "-15 %", "-20 %")
SHARES = {BEFORE: (0.37, 0.50, 0.42, 0.42), FIXED: (0.37, 0.28, 0.17, 0.13)}  # of their tokens, at most

Runs = dict[str, list[Ended]]  # by true effect


def runs_of(name: str, token_sd: float, runs: int) -> Runs:
    """Run a design on each true effect; those that are simulated without the product have four times the runs."""
    agents = Agents.drawn(token_sd)
    count = runs if name in (OURS, BY_COST) else 4 * runs
    found = {}
    for effect, ratio in EFFECTS.items():
        rng = np.random.default_rng(23)
        found[effect] = [DESIGNS[name](agents, ratio, rng, number) for number in range(count)]
    return found


def rates(found: Runs) -> dict[str, tuple[float, float]]:
    """Return error rates, the rate of equivalence and the coverage of stopped runs in per cent, with standard errors."""
    covers = [one.covers for runs in found.values() for one in runs if one.covers is not None]
    return {
        "A/A called different": _share([one.verdict in (Verdict.BETTER, Verdict.WORSE) for one in found["none"]]),
        "margin called equivalent": _share([one.verdict is Verdict.EQUIVALENT for one in found["margin"]]),
        "equivalence found": _share([one.verdict is Verdict.EQUIVALENT for one in found["none"]]),
        "stopped runs covered": _share(covers) if covers else (nan, nan),
    }


def _share(said: Sequence[bool]) -> tuple[float, float]:
    rate = float(np.mean(said))
    return 100 * rate, 100 * sqrt(max(rate * (1 - rate), 1 / len(said)) / len(said))


def _tokens(runs: Sequence[Ended]) -> tuple[float, float]:
    """Return mean tokens with their standard error."""
    tokens = np.array([one.tokens for one in runs])
    return float(tokens.mean()), float(tokens.std() / sqrt(tokens.size))


def row(name: str, found: Runs) -> str:
    """Return a row of the table."""
    tokens = ("{:.0f} ± {:.0f}".format(*_tokens(found[effect])) for effect in SHOWN)
    shares = ("" if isnan(rate) else f"{rate:.1f} ± {error:.1f} %" for rate, error in rates(found).values())
    return f"| {' | '.join([name, *tokens, *shares])} |"


def limits(found: dict[str, Runs], token_sd: float) -> Iterator[Figure]:
    """Yield the figures that have a limit: shares of the tokens of other designs, and error rates of ours."""
    for than, most in SHARES.items() if token_sd == max(TOKEN_SD) else ():
        for effect, limit in zip(SHOWN, most, strict=True):
            (mine, error), (theirs, its_error) = (_tokens(found[name][effect]) for name in (BY_COST, than))
            share = mine / theirs
            yield Figure(
                name=f"tokens, {BY_COST} / {than}, effect {effect}",
                value=share,
                unit="x",
                asked=f"≤ {limit:g}",
                conditions=f"token sd {token_sd:g}; standard error {share * hypot(error / mine, its_error / theirs):.3f}",
            )
    for name in (OURS, BY_COST):
        asked = ("≤ 5.5 %", "≤ 5 %", "≥ 90 %", "≥ 93 %")
        for limit, (what, (rate, error)) in zip(asked, rates(found[name]).items(), strict=True):
            conditions = f"token sd {token_sd:g}; standard error {error:.1f}"
            yield Figure(name=f"{what}, {name}", value=rate, unit="%", asked=limit, conditions=conditions)


def main() -> None:
    """Print the tables, and leave the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="few runs")
    options.add_argument("--runs", type=int, default=400)
    options.add_argument("--seeds", type=int, default=20, help="of the embedded server; 0 for none")
    said = options.parse_args()
    runs = 4 if said.quick else said.runs
    heads = ("design", "no difference", *SHOWN[1:], *rates({effect: [_NO_RUN] for effect in EFFECTS}))
    told = []
    for token_sd in reversed(TOKEN_SD):
        print(f"\nToken sd {token_sd:g}:\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
        found = {}
        for name in DESIGNS:
            found[name] = runs_of(name, token_sd, runs)
            print(row(name, found[name]), flush=True)
        told += limits(found, token_sd)
    embedded = embedded_designs.rows(1, speed=embedded_designs.QUICK) if said.quick else embedded_designs.rows(said.seeds)
    figures.tell("designs", [*told, *embedded])


_NO_RUN = Ended(tokens=0.0, verdict=Verdict.INCONCLUSIVE)


if __name__ == "__main__":
    main()
