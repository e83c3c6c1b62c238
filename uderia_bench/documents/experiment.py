"""Experiment files: servers, arms, load, and the effects that are worth acting on.

``load`` reads the file, its overrides (``--set``, flags, the environment) and its corpora, and reports the mistakes of
all of them together. Names from other rooms (metrics in ``margins``, the grammar of ``gates``) are checked by functions
that the caller passes.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, field_validator

from uderia_bench.documents import changes, corpus, memory, sampling
from uderia_bench.documents import experiment_forms as forms
from uderia_bench.documents.corpus import Corpus, Query
from uderia_bench.documents.experiment_parts import (
    SIM,
    Arm,
    Baseline,
    Budget,
    Commands,
    Contrast,
    Count,
    Filter,
    InterimLooks,
    Judge,
    Load,
    Natural,
    Price,
    Race,
    Sample,
    Server,
    Sim,
    WrittenCommands,
    WrittenShard,
)
from uderia_bench.documents.experiment_rules import RULES, filter_finds_nothing
from uderia_bench.documents.yaml.checking import Rule, Written, validate, wrong
from uderia_bench.documents.yaml.document import Document, Override, Place, steps_of
from uderia_bench.documents.yaml.overrides import set_values
from uderia_bench.documents.yaml.quantities import Duration, Patience, Share, Traffic
from uderia_bench.documents.yaml.reading import read
from uderia_bench.documents.yaml.texts import Label, Text, one_or_more
from uderia_bench.errors import DocumentError, Mistake

__all__ = ["ENDS_IT", "SIM", "Experiment", "load", "parse"]

_RACE_LOOKS = InterimLooks(looks=20, boundary="pocock")  # many early looks: most of the trials are those of arms to drop
ENDS_IT = ("grace", "outage", "on_quota", "budget")
"""Keys that only end a run early. They do not change the questions, so ``resume`` may set them again."""


_BEFORE: dict[str, Any] = {
    "weights": "equal",
    "race": False,
    "servers": [],
    "manage_server": False,
    "memory": memory.AS_IS,
    "changes": changes.Changes().model_dump(mode="json"),
    "cases": None,
}
"""Choices of an experiment and its arms that came later, each as it was before."""


def _on_or_off(said: Any) -> Any:
    """Accept true and false for ``on`` and ``off``, as YAML before 1.2 does."""
    return ("off", "on")[said] if isinstance(said, bool) else said


def _first_against_the_others(validated: dict[str, Any]) -> tuple[Contrast, ...]:
    first, *others = validated["arms"]
    return tuple(Contrast(baseline=first.name, candidate=other.name) for other in others)


class Experiment(Written):
    """One experiment, complete: every default is filled in.

    Paths in ``corpus`` and ``sim.faults`` are relative to the current directory, not to the file. Times are in seconds.
    """

    version: Literal[1]
    """Version of the document format."""
    name: Label
    """Name of the experiment; by default the file's name."""
    server: Server
    """Address of the Uderia server, or ``sim`` for the embedded one."""
    servers: tuple[Server, ...] = ()
    """A pool of servers, in place of ``server``. Each query and repeat is asked on one of them, on all arms."""
    sim: Sim = Sim()
    """Settings of the embedded server."""
    corpus: Annotated[tuple[Text, ...], BeforeValidator(one_or_more)] = ()
    """The corpus, or several, relative to this file."""
    filter: Filter = Filter()
    """Which queries of the corpora to ask."""
    sample: Sample | None = None
    """How many of these queries to draw."""
    weights: Literal["equal", "traffic"] = "equal"
    """Whether every query counts the same, or as often as users ask it (``weight`` in the corpus)."""
    shard: WrittenShard | None = None
    """Which part of the queries this process asks: ``2/4``."""
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    """The profiles to compare. One arm alone is measured without a comparison."""
    contrasts: tuple[Contrast, ...] = Field(default_factory=_first_against_the_others)
    """Which arms to compare; by default the first arm with each other one."""
    repeats: Count = 5
    """How often each query is asked on each arm."""
    warmup: Natural = 1
    """Trials of each arm before measuring. They are stored and not counted."""
    seed: Natural = 7
    """Seed of the plan and of the statistics."""
    load: Load = Load()
    """How hard to ask."""
    timeout: Duration = 600.0
    """How long a trial may take. Then it is cancelled on the server."""
    grace: Patience = 30.0
    """How long trials in flight may go on after a stop."""
    outage: Patience = 120.0
    """How long a server may be unreachable before the run stops."""
    on_quota: Literal["pause", "stop", "continue"] = "pause"
    """At an hourly or daily quota of the user: wait for its end, stop the run, or go on with the next
    trial."""
    budget: Budget = Budget()
    """What the whole run may spend. It stops before it exceeds one of these."""
    stop: InterimLooks | None = None
    """Interim looks at which the run may end early."""
    race: Annotated[bool | Text | Race, Field(union_mode="left_to_right")] = False
    """Whether a look drops an arm that is surely not the best, with three arms or more. ``true`` races on
    the first metric of the looks; a name races on that metric. The run ends when one arm is left. The
    looks are those of ``stop``, else 20 with the boundary ``pocock``. ``{keep: 4}`` drops the worse half of
    the candidates at each look instead, until four are left."""
    prepare: WrittenCommands = Commands()
    """Commands of the shell before the run (``run``) and before each window (``window``). One that fails stops the run.
    Needs ``--allow-commands``."""
    cleanup: WrittenCommands = Commands()
    """Commands after each window and after the run, however they end. Needs ``--allow-commands``."""
    manage_server: bool = False
    """Whether the run may change the state of the server: fields and copies of the user's profiles, skills, and the user's
    collections of cases. It undoes every change at the end, and ``uderia-bench restore`` does so after a crash."""
    sessions: Literal["keep", "archive"] = "keep"
    """Whether to archive sessions when the run is over. Many sessions slow a server down."""
    session_profile: Literal["auto", "arm", "default"] = "auto"
    """The profile a session is created with. ``auto``: the arm's where trials overlap, else none."""
    keep_answers: bool = True
    """Whether ``answers/*.parquet`` and the HTML report contain the text of the answers. The ledger always does."""
    notifications: Annotated[Literal["off", "on"], BeforeValidator(_on_or_off)] = "off"
    """Whether to listen to the server's stream of events, which saves polls."""
    margins: dict[Text, Share] = Field(default_factory=lambda: {"latency_s": 0.10, "total_tokens": 0.05, "cost_usd": 0.05})
    """The smallest effect worth acting on, for each metric. These metrics are the primary ones. By default
    10% of ``latency_s`` and 5% of ``total_tokens`` and ``cost_usd``."""
    traffic: Traffic | None = None
    """Questions in production: ``20000/day``, ``600000/month``; a plain number is a day's. The report then has the
    cost per month."""
    correction: Literal["holm", "bh", "none"] = "holm"
    """How p-values are adjusted for the number of primary metrics."""
    confidence: Annotated[Share, Field(gt=0, lt=1)] = 0.95
    """Confidence level of intervals and tests."""
    baseline: Baseline | None = None
    """A run to compare with: a name saved with ``baseline save``, a run id or a directory."""
    gates: tuple[Text, ...] = ()
    """Conditions that the run must keep; a missed one is exit code 1."""
    prices: dict[Text, Price] = Field(default_factory=dict)
    """Prices of models by the server's names, for ``list_cost_usd``."""
    judge: Judge | None = None
    """A language model that scores answers."""

    _document: Document = PrivateAttr(default=Document(file="", data=None, places={}))
    _corpora: tuple[Corpus, ...] = PrivateAttr(default=())
    _tokens: dict[str, float] = PrivateAttr(default_factory=dict)

    @field_validator("session_profile")
    @classmethod
    def _sessions_do_not_switch_profiles_under_trials(cls, value: str, info: ValidationInfo) -> str:
        # Creating a session without a profile changes the server's state for the trials in flight. 17 of
        # 48 reports came from the wrong model; with the arm's profile on the session, 0 of 48
        # (docs/reference/measured.md, "Overlapping arms contaminate each other").
        load, arms = info.data.get("load"), info.data.get("arms")
        if value == "default" and load and arms and _overlap(load, arms):
            raise wrong(((), "default needs one trial at a time: write arm, load.isolation: trial or load.concurrency: 1"))
        return value

    @property
    def corpora(self) -> tuple[Corpus, ...]:
        """The corpora as they were read, before the filter."""
        return self._corpora

    @property
    def queries(self) -> tuple[Query, ...]:
        """The queries to ask, in the order of the files: filter first, then sample, then shard."""
        kept = self._filtered
        if (drawn := self.sample) is not None:
            seed = self.seed if drawn.seed is None else drawn.seed
            if drawn.by == "cost":
                tokens = sampling.expected_tokens(kept, self._tokens)
                kept = sampling.by_cost(kept, drawn.n, seed=seed, tokens=tokens, traffic=self.weights == "traffic")
            else:
                kept = sampling.sample(kept, drawn.n, seed=seed, by_complexity=drawn.by == "complexity")
        if self.weights == "traffic":
            kept = tuple(replace(query, counts=query.weight * (query.counts or 1.0)) for query in kept)
        return kept if self.shard is None else sampling.shard(kept, self.shard.index, self.shard.of)

    @property
    def _filtered(self) -> tuple[Query, ...]:
        return tuple(query for each in self._corpora for query in each.queries if self.filter.keeps(query))

    def knowing(self, tokens: Mapping[str, float]) -> Self:
        """Return this experiment with the mean tokens of queries in earlier runs, by id, for a sample by cost."""
        other = self.model_copy()
        other._tokens = dict(tokens)  # noqa: SLF001  # the model's own attribute
        return other

    @property
    def looks(self) -> InterimLooks | None:
        """The interim looks: those of ``stop``, or the default ones of a race."""
        return self.stop or (_RACE_LOOKS if self.race else None)

    @property
    def race_metric(self) -> str | None:
        """The metric that arms race on, None without a race."""
        if self.race is False or self.looks is None:
            return None
        named = self.race.metric if isinstance(self.race, Race) else None if self.race is True else self.race
        return named or next(iter(self.looks.names(self.margins)), None)

    @property
    def race_keeps(self) -> int | None:
        """The number of candidates that a race keeps, None for one that drops only arms which are surely beaten."""
        return self.race.keep if isinstance(self.race, Race) else None

    @property
    def known_tokens(self) -> Mapping[str, float]:
        """The mean tokens of queries in earlier runs, by id; empty without ``knowing``."""
        return self._tokens

    @property
    def trials_overlap(self) -> bool:
        """Whether two trials may be in flight on one server at a time."""
        return _overlap(self.load, self.arms)

    @property
    def session_carries_profile(self) -> bool:
        """Whether a session is created with the arm's profile (``session_profile``, ``auto`` resolved)."""
        return self.trials_overlap if self.session_profile == "auto" else self.session_profile == "arm"

    @property
    def content_hash(self) -> str:
        """SHA-256 of the settings and the queries, without the paths of files, what ends a run, and what it stores.

        For a sample by cost these are all queries, because the ones that are drawn depend on earlier runs too.
        """
        said = self.model_dump(
            mode="json",
            exclude={"corpus": True, "sim": {"faults"}, **dict.fromkeys((*ENDS_IT, "keep_answers", "traffic"), True)},
        )
        for where in (said, *said["arms"]):  # a hash from before there was a choice stays
            for key in _BEFORE.keys() & where.keys():
                if where[key] == _BEFORE[key]:
                    del where[key]
        by_cost = self.sample is not None and self.sample.by == "cost"
        said["queries"] = corpus.content_hash(self._filtered if by_cost else self.queries)
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def commands(self) -> tuple[str, ...]:
        """Every command that a run of the experiment gives to the shell, each once."""
        return tuple(dict.fromkeys((*self.prepare.run, *self.prepare.window, *self.cleanup.window, *self.cleanup.run)))

    @property
    def changes(self) -> tuple[str, ...]:
        """What a run changes on its servers for the memory of its arms and for their copies of profiles, a sentence each."""
        told = ((arm.name, memory.changes(arm.memory, profile=arm.profile, cases=arm.cases)) for arm in self.arms)
        on = {arm.name: ", ".join(self.servers_of(arm.name)) for arm in self.arms}
        copied = (f"changes {on[arm.name]} for {arm.name}: {arm.changes.said(arm.profile)}" for arm in self.arms if arm.changes)
        return (*(f"changes {on[name]} in the windows of {name}: {said}" for name, said in told if said), *copied)

    def arm(self, name: str) -> Arm:
        """Return the arm of that name; raises ``KeyError`` for an unknown one."""
        return {arm.name: arm for arm in self.arms}[name]

    def servers_of(self, arm: str) -> tuple[str, ...]:
        """Return the servers of an arm, one or a pool: its own, or else the experiment's."""
        own = self.arm(arm)
        return own.servers or ((own.server,) if own.server else self.servers or (self.server,))

    @property
    def pools(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """The arms that share servers, by these servers. Arms of two pools share no server."""
        found: dict[tuple[str, ...], tuple[str, ...]] = {}
        for arm in self.arms:
            servers = self.servers_of(arm.name)
            key = next((pool for pool in found if set(pool) == set(servers)), servers)
            found[key] = (*found.get(key, ()), arm.name)
        return found

    @property
    def asked_servers(self) -> tuple[str, ...]:
        """The names of all servers, each once."""
        return tuple(server for pool in self.pools for server in pool)

    @property
    def shares(self) -> int:
        """The number of parts that the blocks are dealt into: every server of every pool gets the same number of parts."""
        return math.lcm(*map(len, self.pools))

    def place(self, path: str) -> Place:
        """Return the file and line of a dotted path such as ``margins.latency_s``."""
        return self._document.place(steps_of(path))


def load(
    path: str | os.PathLike[str],
    overrides: Iterable[str | Override] = (),
    *,
    fallbacks: Iterable[Override] = (),
    checks: Iterable[Rule] = (),
) -> Experiment:
    """Read an experiment and its corpora. Raises ``DocumentError`` with every mistake in any of them.

    ``overrides`` replace values of the file (``"load.concurrency=4"`` as in ``--set``, or an ``Override`` with
    another origin). ``fallbacks`` fill in values that are not set. An override of a path that does not exist
    is a ``UsageError``. ``checks`` find further mistakes, which are reported with the others.
    """
    overrides = tuple(overrides)
    written = read(path)
    if isinstance(written.data, dict) and "queries" in written.data and not written.data.keys() & {"arms", "corpus"}:
        is_corpus = "is a corpus, not an experiment; name it in an experiment, as corpus: FILE ('uderia-bench init' writes one)"
        raise DocumentError((written.mistake((), is_corpus),))
    document = set_values(forms.one_form(written), overrides, named={"prices": Price.model_fields})
    document = forms.with_server_of(document, overrides)
    return parse(set_values(document, [each for each in fallbacks if document.value(each.steps) is None]), checks=checks)


def parse(document: Document, corpora: tuple[Corpus, ...] | None = None, *, checks: Iterable[Rule] = ()) -> Experiment:
    """Make an experiment from a document, with ``corpora`` instead of the files it names; raises as ``load``."""
    document = forms.one_form(document)
    document = forms.from_here(document) if corpora is None else document
    mistakes: list[Mistake] = []
    experiment: Experiment | None = None
    try:
        experiment = validate(Experiment, document, *RULES, *checks)
    except DocumentError as error:
        mistakes.extend(error.mistakes)
    if corpora is None and isinstance(document.data, dict):
        try:
            corpora = _corpora(document)
        except DocumentError as error:
            mistakes.extend(error.mistakes)
    if experiment is None or corpora is None:
        raise DocumentError(tuple(mistakes))
    if findings := tuple(filter_finds_nothing(experiment.filter, corpora)):
        raise DocumentError(tuple(document.mistake(*finding) for finding in findings))
    experiment._document, experiment._corpora = document, corpora  # noqa: SLF001  # the module's own model
    return experiment


def _corpora(document: Document) -> tuple[Corpus, ...]:
    said = {steps: document.value(steps) for steps in forms.corpus_steps(document)}
    if not said or None in said.values():
        raise DocumentError((document.mistake(("corpus",), "is missing"),))
    files = {steps: path for steps, path in said.items() if isinstance(path, str) and path.strip()}  # the model rejects others
    there = os.path.exists  # Path.exists raises where no path can be so long
    if missing := [document.mistake(steps, f"no such file: {path}") for steps, path in files.items() if not there(path)]:
        raise DocumentError(tuple(missing))
    return corpus.load_all(list(files.values()))


def _overlap(load: Load, arms: tuple[Arm, ...]) -> bool:
    if load.isolation == "trial":
        return False
    if load.arrivals != "closed":
        return True
    load = load.at(load.levels[-1])
    slots = [min(load.concurrency, arm.concurrency or load.concurrency) for arm in arms]
    return max(slots) > 1 or (load.isolation == "none" and load.concurrency > 1 and len(arms) > 1)
