"""Draw the answers that people label: by a seed, in the proportions of complexities, without names.

A sample is systematic: the answers are put in an order by complexity and chance, and every k-th is
taken. So every query has the same chance, which the correction by labels needs, and each complexity
has its share. A query is drawn twice only when all others are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from uderia_bench.reading.judge.asks import digest, rank
from uderia_bench.reading.judge.blinding import Blind
from uderia_bench.reading.judge.matches import Answered, Match, Rubrics
from uderia_bench.trial import Trial

PAIRS, ANSWERS = "pairs", "answers"
LABELS = {PAIRS: ("1", "2", "tie"), ANSWERS: ("pass", "fail")}
"""Labels that a rater may give: the better of two answers, or whether one answer meets its rubric."""

RUBRIC = "The answer is right, complete and to the point."
"""The rubric of an answer whose query has none."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a rater sees, and whose answers they are.

    ``answers``, ``trials`` and ``arms`` are in the order shown. ``contrast`` has the baseline and the
    candidate of a pair, and is empty for a single answer.
    """

    id: str
    kind: str
    question: str
    rubric: str
    answers: tuple[str, ...]
    trials: tuple[str, ...]
    arms: tuple[str, ...]
    query_id: str
    group: str | None
    turn: int
    contrast: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The unit of inference: the query, or its group."""
        return self.group or self.query_id

    def value(self, label: str) -> float:
        """Return a label as a number: 1 for the candidate or a pass, 0 for the baseline or a fail, .5 for a tie."""
        if self.kind == ANSWERS:
            return float(label == "pass")
        if label == "tie":
            return 0.5
        return float(self.arms[int(label) - 1] == self.contrast[1])


def pairs(found: Iterable[Match], n: int, *, seed: int) -> list[Item]:
    """Draw ``n`` pairs of answers that differ; fewer where there are not as many."""
    by_unit: dict[tuple[object, ...], list[Match]] = {}
    for match in found:
        if not match.pair.same:
            by_unit.setdefault((*match.contrast, match.baseline.query_id, match.baseline.turn), []).append(match)
    return [_pair(match, seed) for match in _drawn(list(by_unit.values()), n, seed, lambda match: match.baseline)]


def answers(found: Iterable[Answered], hidden: Blind, rubrics: Rubrics, n: int, *, seed: int) -> list[Item]:
    """Draw about ``n`` answers: those of every arm to the same query and repetition, so that arms can be compared."""
    rounds: dict[tuple[str, int, int], list[Answered]] = {}
    for each in found:
        rounds.setdefault((each.trial.query_id, each.trial.turn, each.trial.repeat), []).append(each)
    arms = max((len(each) for each in rounds.values()), default=1)
    by_unit: dict[tuple[str, int], list[list[Answered]]] = {}
    for (query, turn, _), asked in rounds.items():
        if len(asked) == arms:
            by_unit.setdefault((query, turn), []).append(asked)
    drawn = _drawn(list(by_unit.values()), max(n // arms, 1), seed, lambda each: each[0].trial)
    items = [_answer(one, hidden, rubrics, seed) for each in drawn for one in each]
    return sorted(items, key=lambda item: rank(seed, item.id))


def _drawn(units: list[list[T]], n: int, seed: int, trial: Callable[[T], Trial]) -> list[T]:
    """Draw one member of each unit, and a second one only when every unit is drawn."""
    for unit in units:
        unit.sort(key=lambda member: rank(seed, f"repeat {trial(member).repeat} of {trial(member).query_id}"))
    drawn: list[T] = []
    for level in range(max(map(len, units), default=0)):
        here = [unit[level] for unit in units if len(unit) > level]
        here.sort(key=lambda member: (trial(member).complexity or "", rank(seed, trial(member).trial_id)))
        drawn += _systematic(here, n - len(drawn), seed)
    return sorted(drawn, key=lambda member: rank(seed, f"order of {trial(member).trial_id}"))


def _systematic(members: Sequence[T], n: int, seed: int) -> Sequence[T]:
    if n >= len(members):
        return members
    start = int(rank(seed, "start")[:8], 16) / 0xFFFFFFFF
    return [members[int((place + start) * len(members) / n) % len(members)] for place in range(n)]


def _pair(match: Match, seed: int) -> Item:
    trials = match.baseline, match.candidate
    texts = match.pair.baseline, match.pair.candidate
    if int(rank(seed, match.pair.key)[0], 16) % 2:
        trials, texts = trials[::-1], texts[::-1]
    return Item(
        id=digest(str(seed), *(trial.trial_id for trial in trials), match.pair.key)[:16],
        kind=PAIRS,
        question=match.pair.prompt,
        rubric=match.pair.rubric,
        answers=texts,
        trials=tuple(trial.trial_id for trial in trials),
        arms=tuple(trial.arm for trial in trials),
        query_id=match.baseline.query_id,
        group=match.baseline.group,
        turn=match.baseline.turn,
        contrast=match.contrast,
    )


def _answer(one: Answered, hidden: Blind, rubrics: Rubrics, seed: int) -> Item:
    trial = one.trial
    text = hidden.hide(one.text, trial.prompt)
    return Item(
        id=digest(str(seed), trial.trial_id, text)[:16],
        kind=ANSWERS,
        question=trial.prompt,
        rubric="\n".join(rubrics.get((trial.query_id, trial.turn), ())) or RUBRIC,
        answers=(text,),
        trials=(trial.trial_id,),
        arms=(trial.arm,),
        query_id=trial.query_id,
        group=trial.group,
        turn=trial.turn,
    )
