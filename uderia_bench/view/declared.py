"""Gates and interim looks that an experiment declares before its run, and what the looks have found."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

from uderia_bench.analysis.interim import Declared, Looks
from uderia_bench.analysis.values import Comparison, Look
from uderia_bench.documents.experiment import Experiment
from uderia_bench.plugins import Plugins
from uderia_bench.report.figures import p_value
from uderia_bench.report.gates.gate import MetricGate, Misread, names_of
from uderia_bench.report.gates.grammar import parse
from uderia_bench.stats.sequential import boundaries
from uderia_bench.view.state import GateState, LooksState, LookState


def gates(experiment: Experiment, plugins: Plugins) -> Iterator[GateState]:
    """Yield the gates of an experiment, with the limit of each that is on a metric."""
    names = names_of(experiment, plugins.metrics, [detector.name for detector in plugins.detectors])
    for text in experiment.gates:
        try:
            gate = parse(text, names)
        except Misread:  # a metric of a plug-in that is not installed here
            gate = None
        if isinstance(gate, MetricGate):
            yield GateState(text=text, metric=gate.metric.name, statistic=gate.statistic, arm=gate.arm, limit=gate.limit)
        else:
            yield GateState(text=text)


def looks(declared: Declared | None, found: Looks | None, *, confidence: float) -> LooksState | None:
    """Return the declared looks; those of an earlier version, which cannot be repeated, are left out."""
    if declared is None or found is None:
        return None
    looked, taken = declared.looked, {look.look: look for look in found.taken}
    zs = boundaries(looked.shares, shape=looked.shape, tail=(1 - confidence) / 2)
    states = [
        LookState(
            look=number,
            blocks=blocks,
            boundary=2 * NormalDist().cdf(-z),
            found=_found_at(taken[number], race=looked.race is not None) if number in taken else None,
            stops=number in taken and taken[number].stops,
        )
        for number, (blocks, z) in enumerate(zip(looked.before, zs, strict=False), start=1)
    ]
    return LooksState(metrics=looked.metrics, looks=tuple(states), race=looked.race is not None)


def _found_at(look: Look, *, race: bool) -> tuple[str, ...]:
    """Say what a look found: the verdict of each comparison, or the arms that a race dropped."""
    if race:
        return (f"drops {', '.join(look.dropped) or 'no arm'}",)
    return tuple(_words(each) for each in look.comparisons)


def _words(compared: Comparison) -> str:
    p = "" if compared.p_adjusted is None else f", p {p_value(compared.p_adjusted)}"
    return f"{compared.candidate} {compared.metric}: {compared.verdict}{p}"
