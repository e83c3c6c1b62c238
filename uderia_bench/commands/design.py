"""Plan an experiment before its first trial: the designs that reach a verdict, from earlier runs of its arms or defaults."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from statistics import mean

from uderia_bench.analysis.designs import Assumed, Price, Study, assumed, designs, draw_by_cost
from uderia_bench.analysis.pairs import Pairs, pair, side
from uderia_bench.analysis.trials import measured
from uderia_bench.commands.forecast import at_the_lightest_load, earlier_runs, knowing_tokens, mean_of, named_before, runs_of
from uderia_bench.documents import sampling
from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.experiment_parts import InterimLooks, Sample
from uderia_bench.errors import UsageError
from uderia_bench.plugins import Plugins
from uderia_bench.reading import paid
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runner import plan
from uderia_bench.runs.interim import planned
from uderia_bench.runs.run import Run
from uderia_bench.stats.design import Rule

SECONDS = 20.0  # of a trial without an earlier run: an OPTIM turn of docs/reference/measured.md


def study(
    experiment: Experiment, plugins: Plugins, output: Path, *, metrics: tuple[str, ...] = (), effect: float | None = None
) -> Study:
    """Plan an experiment for a verdict on ``metrics`` (default: those with margins), in both truths.

    ``effect`` is a share (default: twice the largest margin). Spreads, tokens and times come from the
    latest run of the same arms in ``output``, else from stated defaults. Raises ``UsageError`` where
    nothing can be compared.
    """
    if not experiment.contrasts:
        raise UsageError(f"{experiment.name} compares no arms, so no verdict can be planned")
    known = {metric.name: metric for metric in plugins.metrics}
    wanted = tuple(metrics) or tuple(name for name in experiment.margins if name in known)
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(f"no metric {', '.join(unknown)}: see 'uderia-bench metrics'")
    if missing := [name for name in wanted if name not in experiment.margins]:
        raise UsageError(f"{missing[0]} has no margin in {experiment.name}: a verdict needs one")
    stop = experiment.stop or InterimLooks()
    earlier = earlier_runs(output)
    spreads = {name: _assumed(experiment, known[name], earlier) for name in wanted}
    assumptions = [one for one in spreads.values() if one is not None]
    left_out = [
        f"{name}: without an earlier run of both arms, the spread of an amount is not known"
        for name, one in spreads.items()
        if one is None
    ]
    if not assumptions:
        raise UsageError("no metric can be planned for: " + "; ".join(left_out or ["the experiment has no margins"]))
    margin = max(one.margin for one in assumptions)
    share = min(2 * margin, 0.5) if effect is None else effect
    tokens = _expected_tokens(experiment, output)
    price = _price(experiment, earlier, tokens)
    found = designs(
        assumptions,
        effect=share,
        rule=cache(partial(_rule, experiment.model_copy(update={"stop": stop, "warmup": 0}))),
        arms=len(experiment.arms),
        warmups=experiment.warmup * len(experiment.arms),
        price=price,
        slots=1 if experiment.load.isolation == "trial" else experiment.load.concurrency,
        draw=draw_by_cost(tokens),
    )
    return Study(
        experiment=experiment.name,
        effect=share,
        available=len(_whole(experiment).queries),
        stop=stop,
        margins={one.metric: one.margin for one in assumptions},
        assumptions=tuple(assumptions),
        price=price,
        designs=found,
        left_out=tuple(left_out),
    )


def _rule(experiment: Experiment, queries: int, repeats: int) -> Rule:
    """Return how a design of an experiment with interim looks ends."""
    asked = experiment.model_copy(update={"repeats": repeats})
    looks = plan.looks(asked, queries)
    said = planned(asked, looks)
    assert said is not None, "it plans looks"
    return Rule(
        shares=tuple(round(share, 2) for share in said.shares),  # so that most sizes share their boundaries
        asked=tuple(end / looks[-1][0] for end, _ in looks),
        shape=said.shape,
        alpha=1 - experiment.confidence,
        difference=said.difference,
        equivalence=said.equivalence,
    )


def _whole(experiment: Experiment) -> Experiment:
    """Return the experiment without its sample: all queries that the filter keeps."""
    return experiment.model_copy(update={"sample": None, "shard": None})


def _expected_tokens(experiment: Experiment, output: Path) -> list[float]:
    """Return the expected tokens of each query, from the last run of each arm or guessed."""
    by_cost = experiment.model_copy(update={"sample": Sample(n=1, by="cost"), "shard": None})
    knowing = knowing_tokens(by_cost, output)
    return list(sampling.expected_tokens(_whole(knowing).queries, knowing.known_tokens).values())


def _assumed(experiment: Experiment, metric: Metric, earlier: list[Run]) -> Assumed | None:
    """Return what the latest run of both arms shows of a metric; of several contrasts the one with the largest spread."""
    found = []
    for contrast in experiment.contrasts:
        arms = experiment.arm(contrast.baseline), experiment.arm(contrast.candidate)
        pairs, run_id = None, None
        for run in earlier:
            names = [named_before(experiment, arm, run.experiment) for arm in arms]
            if names[0] is None or names[1] is None or not run.directory.parts():
                continue
            pairs = _pairs(run, metric, names[0], names[1])
            if pairs is not None:
                run_id = run.run_id
                break
        found.append(assumed(metric, experiment.margins[metric.name], pairs, run_id=run_id))
    known = [one for one in found if one is not None]
    return max(known, key=lambda one: one.between + one.within) if len(known) == len(found) else None


def _pairs(run: Run, metric: Metric, baseline: str, candidate: str) -> Pairs | None:
    trials = measured(at_the_lightest_load(run.trials()))
    if not trials.has(metric.name) or not {baseline, candidate} <= set(trials.arms):
        return None
    first, second = (side(trials, metric, arm, where=trials.asked) for arm in (baseline, candidate))
    found = pair(first, second, metric)
    return found if found.unit != "repeat" and found.n_units > 1 else None


def _price(experiment: Experiment, earlier: list[Run], guessed: list[float]) -> Price:
    """Return the means of one trial over the arms, of the last run of each, else the stated defaults."""
    frames = [next(runs_of(experiment, arm, earlier), None) for arm in experiment.arms]
    known = [found for found in frames if found is not None]
    if len(known) < len(frames):
        default = "stated defaults (tokens by class and length of the query)"
        return Price(tokens=mean(guessed) if guessed else None, usd=None, seconds=SECONDS, source=default)
    means = [(paid.mean(trials, paid.TOKENS), paid.mean(trials, paid.USD), mean_of(trials, "latency_s")) for _, trials in known]
    tokens, usd, seconds = (_over_arms(column) for column in zip(*means, strict=True))
    return Price(tokens=tokens, usd=usd, seconds=seconds, source=", ".join(dict.fromkeys(run.run_id for run, _ in known)))


def _over_arms(means: tuple[float | None, ...]) -> float | None:
    numbers = [value for value in means if value is not None]
    return mean(numbers) if len(numbers) == len(means) else None
