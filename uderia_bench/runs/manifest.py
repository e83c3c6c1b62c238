"""The manifest of a run: what was planned, on which servers, and how it went, as one frozen value.

``manifest.json`` makes a run directory complete: ``derive`` and ``report`` need neither the experiment file nor
the server. This module alone knows its JSON.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Self

import orjson
from pydantic import AfterValidator, TypeAdapter, ValidationError

from uderia_bench.documents.corpus import Query, content_hash
from uderia_bench.documents.expectation import Expectation
from uderia_bench.documents.experiment import ENDS_IT, SIM, Experiment
from uderia_bench.documents.yaml.checking import validate
from uderia_bench.documents.yaml.document import Document, Override
from uderia_bench.documents.yaml.overrides import set_values
from uderia_bench.errors import StoreError, UsageError
from uderia_bench.runs import files, generator, interim
from uderia_bench.runs.actions import Action
from uderia_bench.runs.changes import Noted
from uderia_bench.runs.generator import GeneratorRecord
from uderia_bench.runs.hook import HookRecord
from uderia_bench.runs.interim import Decided, Looked
from uderia_bench.runs.lock import Lock
from uderia_bench.runs.outage import Outage
from uderia_bench.trial import Serving, Stage, Trial

SCHEMA = "uderia-bench/manifest/1"
DISTRIBUTIONS = ("uderia-bench", "anyio", "httpx", "numpy", "polars", "pyarrow", "scipy")
"""Distributions whose version a number may depend on."""


def _printable(text: str) -> str:
    """Refuse a name that could control a terminal."""
    if not text.isprintable():
        raise ValueError("must be printable")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFacts:
    """The corpora that were asked: names, content hash, number of queries, and the expectations of each query's answers.

    ``paraphrases`` has the query that another one asks in other words, by the id of the other one.
    """

    names: tuple[str, ...]
    hash: str
    queries: int
    expect: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    paraphrases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """The plan in numbers: trials, measured trials among them, windows, and the turns of each arm on a shared server.

    ``confounded`` has the baseline, the candidate and the reason of each contrast that the plan cannot balance.
    ``looks`` has where the blocks of each interim look end, and their share of the information.
    """

    trials: int
    measured: int
    windows: int
    turns: Mapping[str, int] = field(default_factory=dict)
    confounded: tuple[tuple[str, str, str], ...] = ()
    looks: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The run that the experiment's baseline named when this run was concluded; ``path`` leads there from this run."""

    run_id: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything a run notes about itself. A field is None or empty until the run has come that far.

    ``state`` is ``running``, ``interrupted`` or ``complete``. ``left`` counts the trials left to ask when
    the run last stopped, ``stopped`` says why. ``generator`` has one record a sitting, ``outages`` those
    of the servers, ``hooks`` the commands of the experiment that were run, and ``actions`` what people
    did to the run. ``changes`` are those of the servers' state. ``lock`` is what ``try`` declared.
    ``damaged`` names settled trials that cannot be read. ``prices`` and ``metrics`` come from the last
    derivation. ``others`` are the keys of another version, kept as they are.
    """

    run_id: Annotated[str, AfterValidator(_printable)]
    state: Annotated[str, AfterValidator(_printable)]
    started_at: datetime
    ended_at: datetime | None = None
    versions: Mapping[str, str]
    seed: int
    experiment: Experiment
    experiment_hash: str
    experiment_file: str
    corpus: CorpusFacts
    plan: PlanFacts
    arms: Mapping[str, Serving]
    servers: Mapping[str, Any]
    left: int | None = None
    stopped: str | None = None
    decided: Decided | None = None
    generator: tuple[GeneratorRecord, ...] = ()
    outages: tuple[Outage, ...] = ()
    hooks: tuple[HookRecord, ...] = ()
    actions: tuple[Action, ...] = ()
    changes: tuple[Noted, ...] = ()
    lock: Lock | None = None
    damaged: tuple[str, ...] = ()
    baseline: Pinned | None = None
    prices: tuple[Mapping[str, Any], ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def experiment_folder(self) -> Path | None:
        """The directory of the experiment file, where it still exists: names of runs are kept there."""
        return folder_of(self.experiment_file)

    @property
    def embedded(self) -> bool:
        """Whether an arm was asked on the embedded Uderia."""
        return any(SIM in arm.servers for arm in self.arms.values())

    @property
    def complete(self) -> bool:
        """Whether every planned trial was settled, or a declared interim look decided the run."""
        return self.state == "complete"

    @property
    def load_record(self) -> GeneratorRecord | None:
        """What the run measured of its load generator, of several sittings the worst; None where nothing was measured."""
        return generator.worst(self.generator) if self.generator else None

    @property
    def looked(self) -> Looked | None:
        """How far a run with declared interim looks came; None without any."""
        return self.decided.at if self.decided else interim.planned(self.experiment, self.plan.looks)

    def expectations(self) -> dict[tuple[str, int], tuple[Expectation, ...]]:
        """Return what is expected of each query's turns, by query id and turn (from 1)."""
        found: dict[tuple[str, int], tuple[Expectation, ...]] = {}
        for query_id, entries in self.corpus.expect.items():
            for entry in entries:
                asked = (query_id, int(entry["turn"]))
                expectation = Expectation.model_validate(entry, strict=False)  # JSON has no tuples
                found[asked] = (*found.get(asked, ()), expectation)
        return found

    def ended(
        self,
        *,
        left: int,
        at: datetime,
        stopped: str | None,
        record: GeneratorRecord,
        decided: Decided | None,
        outages: Sequence[Outage] = (),
        hooks: Sequence[HookRecord] = (),
        actions: Sequence[Action] = (),
        changes: Sequence[Noted] = (),
    ) -> Self:
        """Return the manifest at the end of a sitting that left so many trials to ask."""
        return replace(
            self,
            state="interrupted" if left else "complete",
            left=left,
            ended_at=at,
            stopped=stopped if left else None,
            decided=decided,
            generator=(*self.generator, record),
            outages=(*self.outages, *outages),
            hooks=(*self.hooks, *hooks),
            actions=tuple(actions),
            changes=tuple(changes),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what ``manifest.json`` holds."""
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "others"}
        said["experiment"] = _experiment_to_json(self.experiment)
        said["decided"] = self.decided and {**asdict(self.decided), "reason": self.decided.reason}
        whole = {"schema": SCHEMA, **said, **self.others}
        as_json: dict[str, Any] = orjson.loads(orjson.dumps(whole, option=orjson.OPT_NON_STR_KEYS))
        return as_json


def begun(
    experiment: Experiment,
    plan: Sequence[Trial],
    *,
    run_id: str,
    arms: Mapping[str, Serving],
    servers: Mapping[str, Any],
    started_at: datetime,
    turns: Mapping[str, int] | None = None,
    confounded: tuple[tuple[str, str, str], ...] = (),
    looks: tuple[tuple[int, float], ...] = (),
) -> Manifest:
    """Return the manifest of a run that is about to start."""
    return Manifest(
        run_id=run_id,
        state="running",
        started_at=started_at,
        versions={"python": platform.python_version(), **{name: version(name) for name in DISTRIBUTIONS}},
        seed=experiment.seed,
        experiment=experiment,
        experiment_hash=experiment.content_hash,
        experiment_file=str(Path(experiment.place("").file).absolute()),
        corpus=CorpusFacts(
            names=tuple(corpus.name for corpus in experiment.corpora),
            hash=content_hash(experiment.queries),
            queries=len(experiment.queries),
            expect={query.id: _expectations(query) for query in experiment.queries if query.expect},
            paraphrases={query.id: query.paraphrase_of for query in experiment.queries if query.paraphrase_of is not None},
        ),
        plan=PlanFacts(
            trials=len(plan),
            measured=sum(trial.stage is Stage.MEASURED for trial in plan),
            windows=len({trial.window for trial in plan}),
            turns=dict(turns or {}),
            confounded=confounded,
            looks=looks,
        ),
        arms=dict(arms),
        servers=dict(servers),
    )


def from_json(said: Mapping[str, Any], overrides: Iterable[str | Override] = (), *, file: str = "manifest.json") -> Manifest:
    """Return the manifest that ``manifest.json`` holds, with the experiment validated once.

    ``overrides`` change what ends the run early (``ENDS_IT``); another field raises ``UsageError``. A manifest that lacks a
    key or has a value of another type raises ``StoreError``, which names ``file`` and the key.
    """
    known = {each.name for each in fields(Manifest)} - {"others"}
    values = {name: value for name, value in said.items() if name in known and value is not None}
    values["others"] = {name: value for name, value in said.items() if name not in known and name != "schema"}
    within: tuple[str, ...] = ("experiment",)
    try:
        if isinstance(said.get("experiment"), Mapping):
            values["experiment"] = _experiment_from_json(said["experiment"], overrides)
        if "decided" in values:
            values["decided"] = interim.of_today(values["decided"])
        within = ()
        return _reader().validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (*within, *first["loc"])))
        raise StoreError(f"{file}: {where}: {first['msg']}; was it written by another version?") from error


@cache
def _reader() -> TypeAdapter[Manifest]:
    """Make the reader of a manifest from the types of its fields; unknown keys of a record are ignored."""
    return TypeAdapter(Manifest)


def folder_of(experiment_file: object) -> Path | None:
    """Return the directory of an experiment file that a manifest names; None where it is gone or cannot be seen."""
    return Path(experiment_file).parent if isinstance(experiment_file, str) and files.is_file(experiment_file) else None


def _expectations(query: Query) -> tuple[Mapping[str, Any], ...]:
    """Return what is expected of a query's answers, each with its turn."""
    return tuple(
        {**expectation.model_dump(mode="json", exclude_unset=True), "turn": expectation.turn or len(query.turns)}
        for expectation in query.expect
    )


def _experiment_to_json(experiment: Experiment) -> dict[str, Any]:
    """Return the experiment with its defaults filled in; a list that must not be empty is left out where it is."""
    said = experiment.model_dump(mode="json")
    said["filter"] = experiment.filter.model_dump(mode="json", exclude_defaults=True)
    return said if said["corpus"] else {name: value for name, value in said.items() if name != "corpus"}


def _experiment_from_json(said: Any, overrides: Iterable[str | Override]) -> Experiment:
    """Return the experiment as it was run, without its corpora, and with ``overrides`` of what ends it early."""
    if (said.get("stop") or {}).get("metric") and "boundary" not in said["stop"]:  # of an earlier version
        said = {**said, "stop": {**said["stop"], "boundary": "obrien-fleming", "for": ["difference"]}}
    before = Document.of(said, file="manifest.json")
    after = set_values(before, overrides) if (overrides := tuple(overrides)) else before
    if changed := [key for key in after.data if key not in ENDS_IT and after.value((key,)) != before.value((key,))]:
        raise UsageError(f"a resume asks what is left of the plan: it may change {', '.join(ENDS_IT)}, not {changed[0]}")
    if after is before:
        return Experiment.model_validate(said, strict=False)  # JSON has no tuples
    return validate(Experiment, after)
