"""Check corpora and experiments without a server. The keys of a document tell which of the two it is."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from uderia_bench.documents import complexity, corpus, experiment
from uderia_bench.documents.yaml.checking import Complaint, entries, suggestion
from uderia_bench.documents.yaml.document import Override
from uderia_bench.documents.yaml.reading import read
from uderia_bench.errors import DocumentError, Mistake, UsageError
from uderia_bench.plugins import Plugins
from uderia_bench.printable import count_of
from uderia_bench.reading.expectations.check import GROUPS
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.report.gates import grammar
from uderia_bench.report.gates.gate import BaselineGate, Gate, Misread, Names
from uderia_bench.runner import plan
from uderia_bench.trial import Stage

ALIKE = 0.85  # "list the tables of database sales" and "... hr" share five of six words: .83; one of eight differs: .875
FEWEST_WORDS = 5  # with fewer, one word is most of the question
_IDS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The result for one document. ``summary`` is None where it has mistakes; a sound one may have ``remarks``."""

    file: str
    summary: str | None
    remarks: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


def checked(path: Path, plugins: Plugins, *, suggest: bool = False) -> Checked:
    """Check a document; mistakes are returned and not raised. With ``suggest``, remarks propose complexities."""
    try:
        summary = describe(path, plugins)
        return Checked(file=str(path), summary=summary, remarks=tuple(remarks(path, suggest=suggest)), mistakes=())
    except DocumentError as error:
        mistakes = error.mistakes
    except UsageError as error:
        mistakes = (Mistake(file=str(path), line=None, path=None, message=str(error)),)
    return Checked(file=str(path), summary=None, remarks=(), mistakes=mistakes)


def load(
    path: str | os.PathLike[str],
    plugins: Plugins,
    overrides: Iterable[str | Override] = (),
    *,
    fallbacks: Iterable[Override] = (),
) -> experiment.Experiment:
    """Read an experiment as ``experiment.load`` does; mistakes in the names it uses are among all the others."""
    return experiment.load(path, overrides, fallbacks=fallbacks, checks=[partial(_names, plugins=plugins)])


def _names(data: Any, plugins: Plugins) -> Iterator[Complaint]:
    """Find unknown names in an experiment that may be wrong elsewhere. Only the registries know the names."""
    if not isinstance(data, dict):
        return
    known = {metric.name for metric in plugins.metrics}
    for name in _mapping(data, "margins"):
        if _says_something(name) and name not in known:
            yield ("margins", name), f"no metric is named {name!r}; 'uderia-bench metrics' lists them"
    yield from _looked_at(data)
    yield from _gates(data, plugins)


def _looked_at(data: dict[str, Any]) -> Iterator[Complaint]:
    """Find metrics of interim looks that are not built in: a run loads no plug-ins."""
    stop, built_in = _mapping(data, "stop"), {metric.name for metric in BUILT_IN}
    listed = stop.get("metrics")
    named: list[Complaint] = []
    named += [(("stop", "metrics", index), name) for index, name in enumerate(listed if isinstance(listed, tuple) else ())]
    if isinstance(listed, str) and listed != "primary":
        named.append((("stop", "metrics"), listed))
    for steps, name in [*named, (("stop", "metric"), stop.get("metric"))]:
        if _says_something(name) and name not in built_in:
            yield steps, f"no built-in metric is named {name!r}"
    if stop and not any(name for _, name in named) and stop.get("metric") is None:
        for name in _mapping(data, "margins"):
            if _says_something(name) and name not in built_in:
                yield (
                    ("stop",),
                    f"the margin of {name!r} is for a metric of a plug-in, which a look cannot read: list built-in metrics",
                )


def _gates(data: dict[str, Any], plugins: Plugins) -> Iterator[Complaint]:
    """Find gates that cannot be read; without the arms' names none can. What another mistake hides is taken to be there."""
    arms, written, baseline = _arms(data), data.get("gates", ()), data.get("baseline")
    if arms is None or not isinstance(written, tuple):
        return
    misspelt = not data.keys() <= experiment.Experiment.model_fields.keys()
    names = Names(
        arms=arms,
        contrasts=_contrasts(data, arms, misspelt=misspelt),
        metrics={metric.name: metric for metric in plugins.metrics},
        issues=tuple(detector.name for detector in plugins.detectors),
        baseline="baseline" if baseline is not None or misspelt else None,
    )
    read: list[Gate] = []
    for index, text in enumerate(written):
        if _says_something(text):
            try:
                read.append(grammar.parse(text, names))
            except Misread as wrong:
                yield ("gates", index), str(wrong)
    idle = len(read) == len(written) and not any(isinstance(gate, BaselineGate) for gate in read)
    if _says_something(baseline) and idle and not misspelt:
        yield ("baseline",), "no gate compares with it; write one, such as vs baseline: nothing worse"


def _arms(data: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the arms' names; None where they cannot all be read."""
    listed = data.get("arms")
    names = [name for _, arm in entries(data, "arms") if _says_something(name := arm.get("name"))]
    return tuple(dict.fromkeys(names)) if names and isinstance(listed, tuple) and len(names) == len(listed) else None


def _contrasts(data: dict[str, Any], arms: tuple[str, ...], *, misspelt: bool) -> tuple[tuple[str, str], ...]:
    """Return the planned contrasts; where they cannot all be read, any may have been meant."""
    if "contrasts" not in data and not misspelt:
        return tuple((arms[0], other) for other in arms[1:])
    listed = data.get("contrasts")
    any_two = tuple(permutations(arms, 2))
    said: list[Any] = [(each.get("baseline"), each.get("candidate")) for _, each in entries(data, "contrasts")]
    sound = isinstance(listed, tuple) and len(said) == len(listed) and all(pair in any_two for pair in said)
    return tuple(said) if sound else any_two


def _mapping(data: dict[str, Any], key: str) -> dict[Any, Any]:
    return found if isinstance(found := data.get(key), dict) else {}


def _says_something(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


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


def remarks(path: Path, *, suggest: bool = False) -> Iterator[str]:
    """Yield the warnings about a corpus, one for each set of queries of different groups that are nearly the same question.

    With ``suggest``, add each query whose complexity is missing or is not what its words suggest.
    """
    if _is_experiment(path):
        return
    queries = corpus.load(path).queries
    for ids in near_duplicates(queries):
        shown = ", ".join(ids[:_IDS_SHOWN]) + (f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else "")
        yield (
            f"warning: {len(ids)} queries are nearly the same ({shown}). Counted as independent, they make intervals too "
            "narrow. Give them one `group`."
        )
    for query, proposal in complexity.differing(queries) if suggest else ():
        has = f"is {query.complexity}" if query.complexity else "has none"
        yield f"{query.id} {has}, proposed {proposal.complexity}: {proposal.reason}"


def near_duplicates(queries: Sequence[corpus.Query]) -> list[tuple[str, ...]]:
    """Return the ids of queries that share most of their words, directly or by way of others, and are not of one group.

    Two queries are alike where twice their common words are ``ALIKE`` of the words of both.
    """
    words = [frozenset(re.findall(r"\w+", " ".join(query.turns).lower())) for query in queries]
    place = {word: number for number, word in enumerate(sorted(frozenset().union(*words)))}
    holds = np.zeros((len(queries), len(place)), dtype=np.float32)
    for row, own in enumerate(words):
        holds[row, [place[word] for word in own]] = 1
    sizes = holds.sum(axis=1)
    leader = list(range(len(queries)))

    def lead(number: int) -> int:
        while leader[number] != number:
            leader[number] = number = leader[leader[number]]
        return number

    for row in range(len(queries)):
        common = holds[row + 1 :] @ holds[row]
        alike = (2 * common >= ALIKE * (sizes[row + 1 :] + sizes[row])) & (sizes[row] >= FEWEST_WORDS)
        for other in (np.flatnonzero(alike) + row + 1).tolist():
            if queries[row].group is None or queries[row].group != queries[other].group:
                leader[lead(other)] = lead(row)
    sets: dict[int, list[str]] = {}
    for number, query in enumerate(queries):
        sets.setdefault(lead(number), []).append(query.id)
    return [tuple(ids) for ids in sets.values() if len(ids) > 1]


def _is_experiment(path: Path) -> bool:
    data = read(path).data
    return isinstance(data, dict) and "queries" not in data and ("arms" in data or "server" in data)


def describe(path: Path, plugins: Plugins) -> str:
    """Return in a few words what a sound document holds; raises ``DocumentError`` with all its mistakes."""
    if _is_experiment(path):
        return _experiment(load(path, plugins))
    return _corpus(corpus.load(path), plugins)


def _corpus(loaded: corpus.Corpus, plugins: Plugins) -> str:
    expectations_have_judges(loaded.queries, plugins)
    kinds = Counter(query.complexity or "unlabelled" for query in loaded.queries)
    split = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1]))
    return f"corpus of {count_of(len(loaded.queries), 'query')} ({split})"


def _experiment(loaded: experiment.Experiment) -> str:
    trials = plan.build(loaded, loaded.queries)
    measured = sum(trial.stage is Stage.MEASURED for trial in trials)
    arms = ", ".join(arm.name for arm in loaded.arms)
    named = f"arm{'s' * (len(loaded.arms) > 1)} {arms}"
    asked = f"{count_of(len(loaded.queries), 'query')}, {named}, {count_of(loaded.repeats, 'repeat')}"
    if loaded.load.sweep is not None:
        asked += f" at each of {len(loaded.load.sweep)} levels of the load"
    return f"experiment of {count_of(measured, 'measured trial')} ({asked})"
