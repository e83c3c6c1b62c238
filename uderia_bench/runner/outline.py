"""Counts a plan, and names the contrasts that it cannot balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from uderia_bench.analysis.verdict import MIN_UNITS
from uderia_bench.documents.experiment import Experiment
from uderia_bench.printable import count_of
from uderia_bench.runner import plan
from uderia_bench.runner.turns import LEAST_BLOCKS, LEAST_TURNS, balanced_chunks
from uderia_bench.trial import Stage, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmShare:
    """The part of a plan that one arm has.

    ``windows`` are its windows, warm-up included. ``turns`` are the measured stretches in which it has
    the server to itself, at the level with the fewest, and ``longest`` the trials of the longest. Both are
    None where arms do not take turns.
    """

    arm: str
    measured: int
    warmups: int
    windows: int
    turns: int | None = None
    longest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbalanced:
    """A contrast that is confounded with the order of asking: its differences can be drift or memory of the server."""

    baseline: str
    candidate: str
    reason: str

    @property
    def warning(self) -> str:
        """The reason as a message for people."""
        return f"no verdict between {self.baseline} and {self.candidate}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A plan in numbers, for ``--dry-run`` and the manifest.

    ``levels`` are those of a sweep. ``looks`` has where the blocks of each interim look end, and their
    share of the information; the last is the end of the plan.
    """

    trials: int
    queries: int
    blocks: int
    windows: int
    arms: tuple[ArmShare, ...]
    levels: tuple[float, ...] = ()
    unbalanced: tuple[Unbalanced, ...] = ()
    looks: tuple[tuple[int, float], ...] = ()


def describe(trials: Sequence[Trial], experiment: Experiment) -> Outline:
    """Count a plan, and name the contrasts that it cannot balance."""
    stages = Counter((trial.arm, trial.stage) for trial in trials)
    windows = {(trial.arm, trial.window) for trial in trials}
    by_arm = Counter(arm for arm, _ in windows)
    turns = _turns(trials, experiment)
    return Outline(
        trials=len(trials),
        queries=len({trial.query_id for trial in trials}),
        blocks=len({trial.block for trial in trials if trial.stage is Stage.MEASURED}),
        windows=len({window for _, window in windows}),
        arms=tuple(
            ArmShare(
                arm=arm,
                measured=stages[arm, Stage.MEASURED],
                warmups=stages[arm, Stage.WARMUP],
                windows=by_arm[arm],
                turns=min((len(sizes) for (name, _), sizes in turns.items() if name == arm), default=None),
                longest=max((max(sizes) for (name, _), sizes in turns.items() if name == arm), default=None),
            )
            for arm in sorted(by_arm)
        ),
        levels=tuple(sorted({trial.level for trial in trials if trial.level is not None})),
        unbalanced=unbalanced(trials, experiment),
        looks=plan.looks(experiment, len({trial.query_id for trial in trials if trial.stage is Stage.MEASURED})),
    )


def unbalanced(trials: Sequence[Trial], experiment: Experiment) -> tuple[Unbalanced, ...]:
    """Return the contrasts whose arms take too few turns, each with the number to change.

    Only arms that share a server and take turns there can be confounded with the order of asking.
    """
    turns = _turns(trials, experiment)
    levels = sorted({level for _, level in turns}, key=lambda level: (level is not None, level))
    blocks = Counter(level for level, _ in {(trial.level, trial.block) for trial in trials if trial.stage is Stage.MEASURED})
    found = []
    for contrast in experiment.contrasts:
        arms = contrast.baseline, contrast.candidate
        shared = [level for level in levels if all((arm, level) in turns for arm in arms)]
        fewest = {level: min(len(turns[arm, level]) for arm in arms) for level in shared}
        short = [level for level in shared if fewest[level] < LEAST_TURNS or blocks[level] < LEAST_BLOCKS]
        if short:  # of a sweep, the level that needs the most blocks, so that its advice holds for every level
            level = max(short, key=lambda level: _needed_blocks(experiment, level))
            reason = _too_few(experiment, level, blocks[level], fewest[level])
            found.append(Unbalanced(baseline=arms[0], candidate=arms[1], reason=reason))
    return tuple(found)


def _needed_blocks(experiment: Experiment, level: float | None) -> int:
    """Return how many blocks give each arm enough turns at a level."""
    shortest = 1 if level is None else experiment.load.at(level).concurrency
    return max(LEAST_BLOCKS, shortest * balanced_chunks(experiment))


def _too_few(experiment: Experiment, level: float | None, blocks: int, turns: int) -> str:
    """Say how few turns a contrast has, and which number to raise."""
    needed = _needed_blocks(experiment, level)
    queries = -(-blocks // experiment.repeats)
    ask = -(-needed // experiment.repeats)
    several_too_few = 1 < queries < MIN_UNITS  # the units of a single query are its repeats
    change = (
        f"ask {max(ask, MIN_UNITS)} queries"
        if several_too_few
        else f"set repeats to {-(-needed // queries)}, or ask {ask} queries"
    )
    at = "" if level is None else f" at level {level:g}"
    return (
        f"confounded with the order of asking, as {count_of(blocks, 'block')} (queries x repeats){at} "
        f"give{'s' * (blocks == 1)} each arm {count_of(turns, 'turn')} "
        f"where {LEAST_TURNS} turns and {count_of(needed, 'block')} are needed: "
        f"{change}"
    )


def _turns(trials: Sequence[Trial], experiment: Experiment) -> dict[tuple[str, float | None], list[int]]:
    """Return the sizes of the turns of each arm at each level; arms that do not take turns are left out."""
    sharing = {arm for arms in experiment.pools.values() if len(arms) > 1 for arm in arms}
    if experiment.load.isolation != "arm":
        return {}
    lanes: dict[str | None, list[Trial]] = {}
    for trial in trials:
        if trial.stage is Stage.MEASURED and trial.arm in sharing:
            lanes.setdefault(trial.server, []).append(trial)
    found: dict[tuple[str, float | None], list[int]] = {}
    for lane in lanes.values():
        for key, turn in groupby(lane, key=lambda trial: (trial.arm, trial.level)):
            found.setdefault(key, []).append(sum(1 for _ in turn))
    return found
