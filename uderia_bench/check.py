"""Whether a document is sound, and what it holds, without a server. It tells a corpus from an experiment by what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from uderia_bench import complexity, corpus, experiment, gates, plan
from uderia_bench.documents import read, suggestion
from uderia_bench.errors import DocumentError, UsageError
from uderia_bench.expectations.judging import GROUPS
from uderia_bench.metrics import BUILT_IN
from uderia_bench.plugins import Plugins
from uderia_bench.trial import Stage


def names_are_known(checked: experiment.Experiment, plugins: Plugins) -> None:
    """Raise ``DocumentError`` with every margin that names no metric and every gate that cannot be read.

    Only the registries know the names; a gate's mistake points into the gate.
    """
    known = {metric.name for metric in plugins.metrics}
    mistakes = [
        checked.mistake(f"margins.{name}", f"no metric is named {name!r}; 'uderia-bench metrics' lists them")
        for name in checked.margins
        if name not in known
    ]
    if checked.stop is not None and checked.stop.metric not in {metric.name for metric in BUILT_IN}:
        mistakes.append(checked.mistake("stop.metric", f"no metric of ours is named {checked.stop.metric!r}"))
    names = gates.names_of(checked, plugins.metrics, [detector.name for detector in plugins.detectors])
    read: list[gates.Gate] = []
    for index, text in enumerate(checked.gates):
        try:
            read.append(gates.parse(text, names))
        except gates.Misread as wrong:
            mistakes.append(checked.mistake(f"gates.{index}", str(wrong)))
    idle = len(read) == len(checked.gates) and not any(isinstance(gate, gates.BaselineGate) for gate in read)
    if checked.baseline is not None and idle:
        mistakes.append(checked.mistake("baseline", "no gate compares with it; write one, such as vs baseline: nothing worse"))
    if mistakes:
        raise DocumentError(tuple(mistakes))


def expectations_have_judges(queries: Iterable[corpus.Query], plugins: Plugins) -> None:
    """Raise ``UsageError`` where a query expects what neither we nor an installed distribution can judge."""
    known = {*(kind.name for kind in plugins.expectations), *GROUPS}
    for query in queries:
        for expectation in query.expect:
            for _, kind, _ in expectation.named():
                if kind not in known:
                    raise UsageError(
                        f"query {query.id} expects {kind!r}, and no installed distribution brings that{suggestion(kind, known)}"
                    )


def suggestions(path: Path) -> Iterator[str]:
    """Give a line for every query of a corpus whose complexity is missing or is not what its words say."""
    if not _is_experiment(path):
        for query, proposal in complexity.differing(corpus.load(path).queries):
            has = f"is {query.complexity}" if query.complexity else "has none"
            yield f"{query.id} {has}, proposed {proposal.complexity}: {proposal.reason}"


def _is_experiment(path: Path) -> bool:
    data = read(path).data
    return isinstance(data, dict) and "queries" not in data and ("arms" in data or "server" in data)


def describe(path: Path, plugins: Plugins) -> str:
    """Return in a few words what a sound document holds; raises ``DocumentError`` with all its mistakes."""
    if _is_experiment(path):
        return _experiment(experiment.load(path), plugins)
    return _corpus(corpus.load(path), plugins)


def _corpus(loaded: corpus.Corpus, plugins: Plugins) -> str:
    expectations_have_judges(loaded.queries, plugins)
    kinds = Counter(query.complexity or "unlabelled" for query in loaded.queries)
    split = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1]))
    return f"corpus of {len(loaded.queries)} queries ({split})"


def _experiment(loaded: experiment.Experiment, plugins: Plugins) -> str:
    names_are_known(loaded, plugins)
    trials = plan.build(loaded, loaded.queries)
    measured = sum(trial.stage is Stage.MEASURED for trial in trials)
    arms = ", ".join(arm.name for arm in loaded.arms)
    asked = f"{len(loaded.queries)} queries, arms {arms}, {loaded.repeats} repeats"
    if loaded.load.sweep is not None:
        asked += f" at each of {len(loaded.load.sweep)} levels of the load"
    return f"experiment of {measured} measured trials ({asked})"
