"""The states of the pages as data: the JSON of the view's addresses, channels and recordings, with its published schema."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

SCHEMA = "uderia-bench/view/1"
LEFT = "left"
"""The state of a trial that was in flight when its run stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run of the list. ``settled`` of ``planned`` trials are done in a run in progress, warm-ups included.

    In a run that has ended, both are the number of measured trials in its report. ``tokens`` and ``cost_usd`` are those of its
    ``spending`` while it goes on, and then those of its report, which leaves out what is not known.
    """

    run_id: str
    experiment: str
    state: str
    started_at: str
    planned: int | None = None
    settled: int | None = None
    answered: int | None = None
    gates: int = 0
    gates_passed: int = 0
    tokens: int | None = None
    cost_usd: float | None = None
    headline: tuple[str, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsState:
    """The runs of a folder, those in progress first, then the newest."""

    folder: str
    runs: tuple[RunRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Facts of a run from its manifest. ``state``: running, paused, abandoned, interrupted or complete.

    In the replay of a recording that ends before the report, the last ``state`` is cut.
    """

    run_id: str
    experiment: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    servers: tuple[str, ...]
    stopped: str | None
    has_report: bool
    controlled: bool
    """Whether the run takes commands of ``uderia-bench ctl`` now."""
    judged: bool = False
    """Whether a judge scores the answers before the report."""
    recorded: bool = False
    """Whether this is the replay of a recording, which has no pages of trials and answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The measured trials of one arm and class of queries. ``left_s`` is at their share of the run's present rate."""

    arm: str
    complexity: str | None
    planned: int
    settled: int
    answered: int
    left_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressState:
    """How far a run is. ``read`` trials of ``settled`` are in the numbers; after a start of the view it catches up."""

    planned: int
    settled: int
    read: int
    outcomes: dict[str, int]
    per_second: float | None
    left_s: float | None
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A trial on its way to the server or there. ``sent_at`` is None until it was sent."""

    trial_id: str
    arm: str
    query_id: str
    state: str
    attempt: int
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the servers carry: the oldest trials ``in_flight`` of ``count``, of at most ``slots`` in a closed loop.

    ``rate_limited`` counts the trials that a server answered HTTP 429, and those that a quota ended.
    """

    count: int
    slots: int | None
    in_flight: tuple[Flight, ...]
    rate_limited: int
    timeout_s: float | None = None
    """Age at which the run cancels a trial; None in recordings of earlier versions."""
    waits_for: str | None = None
    """Why nothing is in flight: the run waits until a server that is ``unreachable`` or ``rate_limited`` takes trials again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A trial that has ended. ``done_at`` is the last moment that is known of one whose server went away."""

    trial_id: str
    arm: str
    query_id: str
    outcome: str
    detail: str | None
    done_at: datetime | None
    latency_s: float | None
    total_tokens: float | None
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The mean of a metric over an arm's answers so far, with its 95 % interval. ``n`` is the number of queries."""

    metric: str
    value: float | None
    lo: float | None
    hi: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmState:
    """An arm in preliminary numbers: means, percentiles of latency, and latencies that draw its distribution."""

    arm: str
    answered: int
    numbers: tuple[Number, ...]
    latency_percentiles: dict[str, float]
    latencies: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCourse:
    """Percentiles of an arm's latency over time, one per part of the course. None for a part without an answer of the arm."""

    arm: str
    p50: tuple[float | None, ...]
    p95: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseState:
    """A run over time, in at most 60 parts of ``width_s`` seconds from ``began_at``, in UTC. The last part may be shorter.

    Trials belong to the part in which they ended, without an end to that in which they were sent. ``in_flight`` is the mean
    over a part. ``rate_limited`` counts the trials that met a rate limit, ``unreachable`` those that ended so. With
    ``after_break`` the course begins after the last break of more than an hour.
    """

    began_at: datetime
    after_break: bool
    width_s: float
    answered_per_s: tuple[float, ...]
    unanswered_per_s: tuple[float, ...]
    in_flight: tuple[float, ...]
    rate_limited: tuple[int, ...]
    unreachable: tuple[int, ...]
    arms: tuple[ArmCourse, ...]
    actions_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a run has spent of one budget: trials, tokens, usd or time_s. ``limit`` is None where it has none.

    As in a budget, a trial whose tokens are not known, such as one that timed out, counts as the largest of its arm.
    """

    what: str
    spent: float
    limit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueState:
    """A kind of issue, the number of trials with it so far, and the newest of them."""

    kind: str
    severity: str
    trials: int
    newest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """A gate of the experiment. ``metric`` and ``limit`` are those of a gate on one number, ``arm`` None for every arm."""

    text: str
    metric: str | None = None
    statistic: str | None = None
    arm: str | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookState:
    """A declared interim look, due when the first ``blocks`` of the plan are settled.

    A difference stops the run at a two-sided p of at most ``boundary``. ``found`` has a comparison in each of its words,
    and is None until the look was taken.
    """

    look: int
    blocks: int
    boundary: float
    found: tuple[str, ...] | None
    stops: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksState:
    """The declared interim looks of a run at some metrics. A ``race`` drops arms at them."""

    metrics: tuple[str, ...]
    looks: tuple[LookState, ...]
    race: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelState:
    """An arm at one finished level of a sweep: trials in flight and answers per second while any was, and latency."""

    arm: str
    level: float
    trials: int
    in_flight: float | None
    per_second: float | None
    latency_percentiles: dict[str, float | None]
    unanswered: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """The finished levels of a sweep. ``knees`` says for each arm where its knee is so far, or why there is none."""

    levels: tuple[LevelState, ...]
    knees: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run at one moment. ``actions`` are what people did to it. ``note`` says why its numbers decide nothing yet."""

    run: RunFacts
    progress: ProgressState
    load: Load
    latest: tuple[Settled, ...]
    failures: tuple[Settled, ...]
    arms: tuple[ArmState, ...]
    spending: tuple[Spending, ...]
    issues: tuple[IssueState, ...]
    gates: tuple[GateState, ...]
    looks: LooksState | None
    sweep: SweepState | None = None
    course: CourseState | None = None
    actions: tuple[str, ...]
    note: str

    @property
    def slots(self) -> int | None:
        """The most trials in flight on all servers together in a closed loop."""
        return None if self.load.slots is None else self.load.slots * len(self.run.servers)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventState:
    """An event of a trial in flight: its kind, and the words of the server for it."""

    at: datetime | None
    kind: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialState:
    """One trial. ``state``: planned, sending, asked, settled, or left: in flight when its run stopped.

    ``found`` has the JSON of ``uderia-bench inspect --json`` once it has ended.

    ``so_far`` has the plan, phases, llm_calls and tools of a trial in flight, as far as the server has told them, its newest
    ``events``, and the profiles that its coordinator ``waits_for``.
    """

    run_id: str
    trial_id: str
    query_id: str
    prompt: str
    arm: str
    repeat: int
    turn: int = 1
    stage: str
    state: str
    attempt: int
    sent_at: datetime | None
    so_far: dict[str, Any] | None
    found: dict[str, Any] | None
    controlled: bool = False
    """Whether the run takes commands of ``uderia-bench ctl`` now."""


State = RunsState | RunState | TrialState


def schema() -> dict[str, Any]:
    """Return the JSON Schema of what ``/runs``, ``/runs/{run}`` and ``/runs/{run}/trials/{trial}`` answer."""
    return {**TypeAdapter(State).json_schema(mode="serialization"), "title": "uderia-bench view", "$id": SCHEMA}
