"""Pairs of answers that a judge or a human rater compares: the same query, turn and repetition on both arms of a contrast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from uderia_bench.reading import profile_types as type_registry
from uderia_bench.reading.expectations.plain_text import plain_text
from uderia_bench.reading.judge.asks import Settings
from uderia_bench.reading.judge.blinding import Blind
from uderia_bench.reading.judge.pairs import Choice, Decided, Pair, decided, rubric_of
from uderia_bench.reading.profile_types import ProfileType
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Stage, Trial, TrialRecord

Rubrics = Mapping[tuple[str, int], tuple[str, ...]]
"""Rubrics of a query's turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A measured, answered trial: its plain answer, and the models that took part."""

    trial: Trial
    text: str
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two answers to one query: of a contrast's baseline and candidate."""

    baseline: Trial
    candidate: Trial
    pair: Pair

    @property
    def contrast(self) -> tuple[str, str]:
        """The names of the arms."""
        return self.baseline.arm, self.candidate.arm


def answers(records: Iterable[TrialRecord], types: tuple[ProfileType, ...]) -> list[Answered]:
    """Return the trials whose answers can be compared, in order."""
    return [each for record in records if (each := answered(record, type_registry.read(record, types))) is not None]


def answered(record: TrialRecord, trace: Trace) -> Answered | None:
    """Return a trial whose answer can be compared, or None."""
    if record.trial.stage is not Stage.MEASURED or trace.outcome is not Outcome.ANSWERED:
        return None
    own = (f"{trace.provider}/{trace.model}",) if trace.provider and trace.model else ()
    models = dict.fromkeys((*record.expected.models, *trace.models_used, *own))
    return Answered(trial=record.trial, text=plain_text(trace.answer), models=tuple(models))


def blind(found: Iterable[Answered], arms: Mapping[str, Sequence[str]]) -> Blind:
    """Return the names to remove: those of arms with their tags, and all models that took part."""
    names = dict.fromkeys(name for arm, tags in arms.items() for name in (arm, *tags) if name)
    models = dict.fromkeys(model for each in found for model in each.models)
    return Blind(tuple(names), tuple(models))


def matches(
    found: Sequence[Answered],
    contrasts: Iterable[tuple[str, str]],
    hidden: Blind,
    rubrics: Rubrics,
    settings: Settings | None = None,
) -> tuple[Match, ...]:
    """Return every pair of answers of the contrasts, in the order of the contrasts and of the plan."""
    texts = {each.trial.trial_id: hidden.hide(each.text, each.trial.prompt) for each in found}
    by_arm: dict[str, dict[tuple[object, ...], Answered]] = {}
    for each in found:
        by_arm.setdefault(each.trial.arm, {})[_place(each.trial)] = each
    settings = settings or Settings(model="", pairwise=True)
    return tuple(
        Match(
            baseline=first.trial,
            candidate=second.trial,
            pair=Pair(
                rubric=rubric_of(settings, rubrics.get((first.trial.query_id, first.trial.turn), ())),
                prompt=first.trial.prompt,
                baseline=texts[first.trial.trial_id],
                candidate=texts[second.trial.trial_id],
            ),
        )
        for baseline, candidate in contrasts
        for place, first in by_arm.get(baseline, {}).items()
        if (second := by_arm.get(candidate, {}).get(place)) is not None
    )


def _place(trial: Trial) -> tuple[object, ...]:
    """Return what two trials share that are compared."""
    return trial.query_id, trial.turn, trial.repeat, trial.level


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """A match with the judge's preference, None where it has not chosen yet."""

    match: Match
    decided: Decided | None


def preferred(found: Iterable[Match], settings: Settings, choices: Mapping[str, Choice]) -> tuple[Preferred, ...]:
    """Return the matches with the judge's preferences.

    Equal answers are ties without a call. They have no preference where the judge has chosen in no other
    match, because these ties alone would show two equally good arms.
    """
    every = tuple(Preferred(match=match, decided=decided(match.pair, settings, choices)) for match in found)
    differ = [each.decided for each in every if not each.match.pair.same]
    if differ and not any(differ):
        return tuple(replace(each, decided=None) for each in every)
    return every


def by_trial(found: Iterable[Preferred]) -> dict[str, float]:
    """Return each trial's mean preference over its matches: 1 where its answer won, 0 where the other did, .5 for a tie."""
    values: dict[str, list[float]] = {}
    for each in found:
        if each.decided is not None:
            values.setdefault(each.match.candidate.trial_id, []).append(each.decided.value)
            values.setdefault(each.match.baseline.trial_id, []).append(1 - each.decided.value)
    return {trial_id: sum(own) / len(own) for trial_id, own in values.items()}
