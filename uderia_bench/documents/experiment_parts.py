"""Models of the keys of an experiment: arms, contrasts, load, filter, sample, judge, budget and others."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from uderia_bench.documents.changes import Changes
from uderia_bench.documents.corpus import Complexity, Query
from uderia_bench.documents.memory import Memory
from uderia_bench.documents.yaml.checking import Written, echo, wrong
from uderia_bench.documents.yaml.quantities import Duration, Patience, Rate
from uderia_bench.documents.yaml.texts import Label, Text, Texts, one_or_more

SIM = "sim"
"""The name that stands for the embedded Uderia."""


def _address(value: Any) -> Any:
    if value == SIM:
        return value
    if not isinstance(value, str):
        raise wrong(((), f"should be an address such as http://localhost:5050, or {SIM}, not {echo(value)}"))
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, half an IPv6 address
        usable = False
    if not usable:
        raise wrong(((), f"should be an address such as http://localhost:5050, or {SIM}"))
    if parts.username is not None or parts.password is not None:
        raise wrong(((), "must not carry a password; set UDERIA_USERNAME and UDERIA_PASSWORD, or UDERIA_TOKEN"))
    if parts.query or parts.fragment:
        raise wrong(((), "should end with the path: no ? and no #"))
    return value.rstrip("/")


Server: TypeAlias = Annotated[str, BeforeValidator(_address)]
Natural: TypeAlias = Annotated[int, Field(ge=0, le=10**18)]  # within 64 bits, as JSON readers and SQLite have them
Count: TypeAlias = Annotated[Natural, Field(ge=1)]


class Arm(Written):
    """One profile, as it is compared."""

    name: Label
    """Name of the arm, as reports and gates use it."""
    profile: Text
    """The profile's tag, with or without ``@`` and in any case, or its id."""
    server: Server | None = None
    """The arm's server; by default the experiment's."""
    servers: tuple[Server, ...] = ()
    """The arm's pool of servers; by default the experiment's. Two arms share all their servers or none."""
    concurrency: Count | None = None
    """The most trials of this arm in flight on each server; by default the load's."""
    memory: Memory = "as-is"
    """The planner's memory of earlier plans in this arm's windows. ``off``: no plan is found or stored. ``frozen``: plans are
    found in a copy of ``cases``, and none is stored. ``placebo``: as ``frozen``, with each plan exchanged for that of another
    question. ``learning``: the memory begins empty and grows with the arm's trials. ``as-is``: as the server has it. All but
    ``as-is`` need ``manage_server: true``."""
    cases: Text | None = None
    """Name or id of the collection that a ``frozen`` or ``placebo`` arm copies; by default the user's first planner
    collection."""
    changes: Changes = Changes()
    """What to change in a copy of the profile, which the arm then uses. Needs ``manage_server: true``."""


def _names_another_run(value: str) -> str:
    if value == "latest":
        raise wrong(((), "latest would be the run itself; name a run with 'uderia-bench baseline save NAME RUN'"))
    return value


Baseline: TypeAlias = Annotated[Label, AfterValidator(_names_another_run)]
"""A run to compare with: a name saved with ``baseline save``, a run id or a directory."""


class Contrast(Written):
    """Two arms to compare, by name."""

    baseline: Label
    """Name of the arm to compare with."""
    candidate: Label
    """Name of the arm that is compared."""


def _arrivals(value: Any) -> Any:
    if value in ("ramp", "sweep"):
        raise wrong(((), f"should be closed, constant or poisson; {value} is a separate key of load"))
    return value


class Load(Written):
    """How hard to ask."""

    concurrency: Count = 8
    """Trials in flight on each server, in a closed loop."""
    isolation: Literal["arm", "none", "trial"] = "arm"
    """``arm``: trials in flight on a server belong to one arm at a time. ``none``: arms may overlap.
    ``trial``: one trial in flight."""
    arrivals: Annotated[Literal["closed", "constant", "poisson"], BeforeValidator(_arrivals)] = "closed"
    """``closed``: a trial is sent when one ends. ``constant``, ``poisson``: trials are sent by the
    clock, at ``rate``."""
    sweep: tuple[Rate, ...] | None = None
    """Levels to ask everything at, one after the other: trials in flight, or rates in an open loop."""
    rate: Rate | None = Field(default=None, validate_default=True)
    """Trials per second, in an open loop: ``2/s``, ``30/min``."""
    ramp: Patience = 0.0
    """The time in which the load grows to its full size; 0 for none."""

    @field_validator("sweep", mode="before")
    @classmethod
    def _slots_are_whole(cls, levels: Any, info: ValidationInfo) -> Any:
        if info.data.get("arrivals") == "closed" and isinstance(levels, list | tuple):
            half = [(index, level) for index, level in enumerate(levels) if not _is_slots(level)]
            if half:
                words = "should be how many trials are in flight, a whole number from 1 on (rates need open arrivals)"
                raise wrong(*(((index,), f"{words}, not {echo(level)}") for index, level in half))
        return levels

    @field_validator("sweep")
    @classmethod
    def _rises(cls, levels: tuple[float, ...] | None, info: ValidationInfo) -> tuple[float, ...] | None:
        if levels is None:
            return None
        if len(levels) < 2:
            raise wrong(((), "needs two levels at least, as in sweep: [1, 2, 4, 8]"))
        falls = [(index, below) for index, (below, level) in enumerate(pairwise(levels), start=1) if level <= below]
        if falls:
            raise wrong(*(((index,), f"must be more than the level before it, {below:g}") for index, below in falls))
        if info.data.get("isolation") == "trial":
            raise wrong(((), "needs isolation: arm or none; isolation: trial has one trial in flight whatever the level"))
        return levels

    @field_validator("rate")
    @classmethod
    def _belongs_to_open_arrivals(cls, rate: float | None, info: ValidationInfo) -> float | None:
        arrivals, sweep = info.data.get("arrivals"), info.data.get("sweep")
        if arrivals in {"constant", "poisson"} and rate is None and info.data.get("sweep", ()) is None:
            raise wrong(((), f"is missing; arrivals: {arrivals} needs one, such as rate: 2/s"))
        if arrivals == "closed" and rate is not None:
            raise wrong(((), "needs arrivals: constant or poisson; a closed loop sends a query when an answer has arrived"))
        if rate is not None and sweep is not None:
            raise wrong(((), "is what the sweep changes; remove one of them"))
        return rate

    @field_validator("ramp")
    @classmethod
    def _has_something_to_raise(cls, ramp: float, info: ValidationInfo) -> float:
        said = info.data
        if ramp and said.get("sweep") is not None:
            raise wrong(((), "cannot be combined with a sweep, which raises the load level by level; remove one of them"))
        alone = said.get("concurrency") == 1 or said.get("isolation") == "trial"
        if ramp and said.get("arrivals") == "closed" and alone:
            raise wrong(((), "has nothing to raise: one trial is in flight at a time"))
        return ramp

    @property
    def levels(self) -> tuple[float | None, ...]:
        """The levels of the sweep, ascending; a single None without a sweep."""
        return self.sweep or (None,)

    def at(self, level: float | None) -> Load:
        """Return the load at one level of the sweep; the load itself without a level."""
        if level is None:
            return self
        own: dict[str, Any] = {"concurrency": int(level)} if self.arrivals == "closed" else {"rate": level}
        return self.model_copy(update={**own, "sweep": None})


def _is_slots(level: Any) -> bool:
    """Whether a level is a number of trials in flight, which a manifest stores as a float."""
    return not isinstance(level, bool) and isinstance(level, int | float) and level >= 1 and level == int(level)


class Sim(Written):
    """Settings of the embedded server."""

    speed: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """How many times faster than real agents the embedded ones are."""
    seed: Natural | None = None
    """Seed of the agents; by default the experiment's."""
    faults: Text | None = None
    """A file of faults, effects and server settings, relative to this one."""


class Filter(Written):
    """Which queries of the corpora to ask."""

    tags: Annotated[tuple[Text, ...], BeforeValidator(one_or_more)] = ()
    """Only queries with at least one of these tags; empty for all."""
    complexity: Annotated[tuple[Complexity, ...], BeforeValidator(one_or_more)] = ()
    """Only queries of these classes; empty for all."""

    def keeps(self, query: Query) -> bool:
        """Whether a query is asked."""
        tagged = not self.tags or not set(self.tags).isdisjoint(query.tags)
        return tagged and (not self.complexity or query.complexity in self.complexity)


class Sample(Written):
    """A random sample of the queries."""

    n: Count
    """How many queries to ask."""
    seed: Natural | None = None
    """Seed of the draw; by default the experiment's."""
    by: Literal["complexity", "cost"] | None = None
    """``complexity``: draw in the proportions of the classes. ``cost``: draw queries that are expected to
    need few tokens more often, and weight the estimates back to the whole corpus."""


def _shard(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    index, slash, of = value.partition("/")
    if not (slash and index.isascii() and index.isdigit() and of.isascii() and of.isdigit()):
        raise wrong(((), f"should be a part of the queries such as 2/4, not {echo(value)}"))
    return {"index": int(index), "of": int(of)}


class Shard(Written):
    """The part of the queries that this process asks. Written ``2/4``."""

    index: Count
    """Which part this process asks, from 1."""
    of: Count
    """The number of parts."""

    @field_validator("of")
    @classmethod
    def _has_the_index(cls, of: int, info: ValidationInfo) -> int:
        if info.data.get("index", 1) > of:
            raise wrong(((), f"there is no part {info.data['index']} of {of}"))
        return of


WrittenShard: TypeAlias = Annotated[Shard, BeforeValidator(_shard)]
"""A shard as people write it: ``2/4``."""


class Price(Written):
    """The price of a model's tokens."""

    input_cost_per_million: Annotated[float, Field(ge=0)]
    """US dollars per million input tokens."""
    output_cost_per_million: Annotated[float, Field(ge=0)]
    """US dollars per million output tokens."""
    cached_input_cost_per_million: Annotated[float, Field(ge=0)] | None = None
    """US dollars per million input tokens from the provider's cache; the price of other input tokens without it."""


def _judges(value: str) -> str:
    if value == SIM:
        raise wrong(((), "should be an address; the embedded Uderia cannot judge"))
    return value


class JudgeBudget(Written):
    """The most that judging may spend, apart from the budget of the run."""

    usd: Annotated[float, Field(gt=0)] | None = None
    """The most US dollars, by the judge's ``price``."""
    calls: Count | None = None
    """The most calls."""


class Judge(Written):
    """A language model that judges answers: it scores each one, or chooses between those of two arms."""

    mode: Literal["score", "pairwise"] = "score"
    """``score``: the judge scores each answer by the ``llm_judge`` rubrics. ``pairwise``: it chooses
    between the answers of the two arms of each contrast, in both orders and without their names."""

    url: Annotated[Server, AfterValidator(_judges)]
    """Address of an OpenAI-compatible endpoint, to which ``/chat/completions`` is appended."""
    model: Text
    """Name of the judging model."""
    rubric: Text | None = None
    """A rubric for every answer, beside those of the corpus."""
    repeats: Annotated[Count, Field(le=20)] = 1
    """How often each answer is scored, or each pair compared in both orders."""
    swap: bool = True
    """Whether each answer is also scored as often with the scale turned round. Pairs are always
    compared in both orders."""
    probes: Annotated[Natural, Field(le=1000)] = 30
    """How many answers are used to probe the judge for biases, such as of position, length and refusals.
    A judge that fails makes its verdicts exploratory, and so does a pairwise judge without probes."""
    looks: Annotated[Count, Field(ge=2, le=20)] | None = None
    """How many looks a pairwise judge takes at its own results: it stops at the first one at which
    ``preference`` has a verdict on every contrast. By default it judges every pair."""
    concurrency: Count = 4
    """Requests in flight."""
    timeout: Duration = 60.0
    """How long a request may take."""
    price: Price | None = None
    """Price of the judging model's tokens, to compute the cost of judging."""
    budget: JudgeBudget = JudgeBudget()
    """What judging may spend. It stops before it exceeds one of these."""

    @field_validator("budget")
    @classmethod
    def _can_be_counted(cls, budget: JudgeBudget, info: ValidationInfo) -> JudgeBudget:
        if budget.usd is not None and info.data.get("price") is None:
            raise wrong((("usd",), "needs judge.price; without it the cost of a call is not known"))
        return budget


class Race(Written):
    """How looks drop arms."""

    metric: Text | None = None
    """The metric to race on; by default the first one of the looks."""
    keep: Count | None = None
    """Drop the worse half of the candidates at each look, until this many are left and the run ends. Candidates are
    ranked by their contrasts, so an arm that no contrast has as candidate stays. A second run has to compare the arms that
    are left.
    Without ``keep``, an arm is dropped when another one surely beats it."""


Goal: TypeAlias = Literal["difference", "equivalence"]


class InterimLooks(Written):
    """Planned looks at the data: the run ends at the first one at which every metric has a verdict."""

    model_config = ConfigDict(serialize_by_alias=True)

    metrics: Annotated[Literal["primary"] | Texts, Field(union_mode="left_to_right")] = "primary"
    """The metrics that must have a verdict: ``primary`` for all with margins, or a list of names."""
    metric: Text | None = None
    """A single metric that must have a verdict, in place of ``metrics``."""
    looks: Annotated[Count, Field(ge=2, le=20)] = 10
    """How many looks are planned, the end of the run included. A look before the smallest design with
    a verdict is left out."""
    boundary: Literal["wang-tsiatis", "obrien-fleming", "pocock"] = "wang-tsiatis"
    """How the chance of an error is spread over the looks. ``obrien-fleming`` rarely stops early, ``pocock``
    stops large differences first, ``wang-tsiatis`` lies between them and saves most."""
    goals: Annotated[tuple[Goal, ...], Field(min_length=1), BeforeValidator(one_or_more)] = Field(
        default=("difference", "equivalence"), alias="for"
    )
    """Which verdicts end the run: a difference (``better`` or ``worse``), ``equivalence``, or both."""

    @field_validator("metric")
    @classmethod
    def _names_once(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("metrics", "primary") != "primary":
            raise wrong(((), "says the same as metrics; remove one of them"))
        return value

    def names(self, margins: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the metrics that must have a verdict."""
        if self.metric is not None:
            return (self.metric,)
        return tuple(margins) if self.metrics == "primary" else tuple(self.metrics)


def _around_the_run(value: Any) -> Any:
    return value if isinstance(value, dict) else {"run": value}


class Commands(Written):
    """Commands for the shell. A single command, or a list, is ``run``."""

    run: Annotated[tuple[Text, ...], BeforeValidator(one_or_more)] = ()
    """Commands around the whole run."""
    window: Annotated[tuple[Text, ...], BeforeValidator(one_or_more)] = ()
    """Commands around each window, which is the time when a server gets the trials of one arm."""


WrittenCommands: TypeAlias = Annotated[Commands, BeforeValidator(_around_the_run)]
"""Commands as people write them: ``make reset-cache``, or a list."""


class Budget(Written):
    """The most that a run may spend. It stops before it exceeds one of these."""

    usd: Annotated[float, Field(gt=0)] | None = None
    """The most US dollars, by the server's costs."""
    tokens: Count | None = None
    """The most tokens."""
    trials: Count | None = None
    """The most trials."""
    time: Duration | None = None
    """The longest time."""
