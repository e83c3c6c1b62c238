"""Plan the next run from a finished one: for every contrast, the effects that a design can show, and its price.

``analysis.power`` has the method.
"""

from __future__ import annotations

from collections.abc import Sequence

from uderia_bench.analysis.power import Planning, plan
from uderia_bench.errors import UsageError
from uderia_bench.plugins import Plugins
from uderia_bench.report import content
from uderia_bench.runs.run import Run

QUERIES = (50, 100, 300)  # beside as many as the run had
REPEATS = (1, 3, 5)


def study(
    run: Run,
    plugins: Plugins,
    *,
    metrics: Sequence[str] = (),
    effect: float | None = None,
    queries: Sequence[int] = (),
    repeats: Sequence[int] = (),
) -> tuple[Planning, ...]:
    """Plan the next run of each contrast on ``metrics`` (default: those with margins), for ``effect`` (default: the margins).

    Raises ``UsageError`` where a metric is unknown or the run has no contrast whose arms were both measured.
    """
    experiment, trials = run.experiment, run.trials()
    known = {metric.name: metric for metric in plugins.metrics}
    wanted = tuple(metrics) or tuple(name for name in experiment.margins if name in known)
    if unknown := [name for name in wanted if name not in known]:
        raise UsageError(f"no metric {', '.join(unknown)}: see 'uderia-bench metrics'")
    measured = set(trials.filter(trials["stage"] == "measured")["arm"])
    contrasts = [(c.baseline, c.candidate) for c in experiment.contrasts if measured.issuperset((c.baseline, c.candidate))]
    if not contrasts:
        raise UsageError(f"{run.run_id} compared no two arms: a variance of differences needs a contrast")
    return tuple(
        plan(
            trials,
            baseline=baseline,
            candidate=candidate,
            metrics=tuple(known[name] for name in wanted),
            effects=dict(experiment.margins) if effect is None else dict.fromkeys(wanted, effect),
            confidence=experiment.confidence,
            queries=tuple(queries) or tuple(sorted({run.manifest.corpus.queries, *QUERIES})),
            repeats=tuple(repeats) or tuple(sorted({experiment.repeats, *REPEATS})),
        )
        for baseline, candidate in contrasts
    )


def remarks(run: Run) -> tuple[str, ...]:
    """Return the note for prices of an embedded server, whose minutes and dollars are simulated."""
    return (content.embedded(run.experiment.sim.speed),) if run.manifest.embedded else ()
