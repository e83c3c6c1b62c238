"""Expectations of a run by query, and the checks of one trial against them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from uderia_bench.documents.expectation import Expectation
from uderia_bench.reading.expectations import Answer, Check, ExpectationKind, check, passed_ratio, plain_text
from uderia_bench.reading.judge import matches
from uderia_bench.reading.judge.asks import Case, Opinion, Score, Settings, opinion
from uderia_bench.reading.judge.matches import Answered, Match, Preferred
from uderia_bench.reading.judge.pairs import Choice
from uderia_bench.reading.judge.scores import Kept
from uderia_bench.runs.manifest import Manifest
from uderia_bench.trace import Trace
from uderia_bench.trial import Outcome, Stage, Trial

Asked = tuple[str, int]
"""A query's id and the number of the turn in its conversation, from 1."""

Round = tuple[str, Stage, int]
"""Arm, stage and repetition. Within one, answers to different queries may be compared."""

JUDGED = "llm_judge"
"""The kind of expectation that needs a judge's scores."""

SOURCES = "sources"
"""The kind of expectation that names the documents which retrieval should find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Expectations of a run's answers by turn, the installed kinds, and the judge's settings and replies.

    ``contrasts`` and ``arms`` (with the tags of each) say which answers a pairwise judge compares.
    ``preferences`` are its results by trial.
    """

    of: Mapping[Asked, tuple[Expectation, ...]] = field(default_factory=dict)
    kinds: Mapping[str, ExpectationKind] = field(default_factory=dict)
    judge: Settings | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    choices: Mapping[str, Choice] = field(default_factory=dict)
    contrasts: tuple[tuple[str, str], ...] = ()
    arms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    preferences: Mapping[str, float] = field(default_factory=dict)

    @property
    def references(self) -> frozenset[str]:
        """Queries whose answers others are compared with (``same_as``). They must be read first."""
        return frozenset(
            value
            for expectations in self.of.values()
            for expectation in expectations
            for _, kind, value in expectation.named()
            if kind == "same_as"
        )

    def judged(self, trial: Trial, trace: Trace, others: Mapping[Round, Mapping[str, str]]) -> tuple[Trace, tuple[Check, ...]]:
        """Return the trace with ``checks_passed_ratio``, and its checks. ``others`` are plain answers by round and query."""
        trace = replace(trace, preference=self.preferences.get(trial.trial_id))
        expectations = self.of.get((trial.query_id, trial.turn), ())
        if not expectations:
            return trace, ()
        text = plain_text(trace.answer)

        def opinion_of(rubric: str) -> Opinion | None:
            return opinion(Case(rubric=rubric, prompt=trial.prompt, answer=text), self.judge, self.scores)

        answer = Answer(trace=trace, text=text, others=others.get(round_of(trial), {}), opinion_of=opinion_of)
        checks = check(answer, expectations, self.kinds)
        sources = (value.documents for each in expectations for _, kind, value in each.named() if kind == SOURCES)
        wanted = tuple(dict.fromkeys(name.casefold() for names in sources for name in names))
        return replace(trace, checks_passed_ratio=passed_ratio(checks), expected_sources=wanted), checks

    def rubrics(self, trial: Trial) -> tuple[str, ...]:
        """Return the rubrics by which a judge scores a trial's answer."""
        return self._rubrics((trial.query_id, trial.turn))

    @property
    def rubrics_by_turn(self) -> dict[Asked, tuple[str, ...]]:
        """The rubrics of every query's turn that has expectations."""
        return {asked: self._rubrics(asked) for asked in self.of}

    def _rubrics(self, asked: Asked) -> tuple[str, ...]:
        return tuple(
            value.rubric for expectation in self.of.get(asked, ()) for _, kind, value in expectation.named() if kind == JUDGED
        )

    def cases(self, trial: Trial, trace: Trace) -> tuple[Case, ...]:
        """Return the cases that a judge scores in a trial; none without an answer."""
        if trace.outcome is not Outcome.ANSWERED:
            return ()
        text = plain_text(trace.answer)
        return tuple(Case(rubric=rubric, prompt=trial.prompt, answer=text) for rubric in self.rubrics(trial))

    def matches(self, found: Sequence[Answered]) -> tuple[Match, ...]:
        """Return the pairs of answers to compare, without the names of arms and models."""
        hidden = matches.blind(found, self.arms)
        return matches.matches(found, self.contrasts, hidden, self.rubrics_by_turn, self.judge)

    def preferred(self, found: Sequence[Answered]) -> tuple[Preferred, ...]:
        """Return the pairs with the preferences of a pairwise judge; () without a judge."""
        if self.judge is None:
            return ()
        return matches.preferred(self.matches(found), self.judge, self.choices)


def round_of(trial: Trial) -> Round:
    """Return the round a trial belongs to."""
    return trial.arm, trial.stage, trial.repeat


def plain_answers(read: Iterable[tuple[Trial, Trace]]) -> dict[Round, dict[str, str]]:
    """Return the plain answers of answered trials by round and query; the last turn's of a conversation."""
    answers: dict[Round, dict[str, str]] = {}
    for trial, trace in sorted(read, key=lambda pair: pair[0].turn):
        if trace.outcome is Outcome.ANSWERED and trace.answer:
            answers.setdefault(round_of(trial), {})[trial.query_id] = plain_text(trace.answer)
    return answers


def of(manifest: Manifest, kinds: Sequence[ExpectationKind], kept: Kept | None = None) -> Expected:
    """Return what a run expects of each query's turns, checked by ``kinds`` and by the replies its judge has given."""
    judge = manifest.experiment.judge
    kept = kept or Kept()
    tags = {name: (serving.profile_tag, manifest.experiment.arm(name).profile) for name, serving in manifest.arms.items()}
    return Expected(
        of=manifest.expectations(),
        kinds={kind.name: kind for kind in kinds},
        judge=None
        if judge is None
        else Settings(
            model=judge.model,
            pairwise=judge.mode == "pairwise",
            probes=judge.probes,
            rubric=judge.rubric,
            repeats=judge.repeats,
            swap=judge.swap,
        ),
        scores=kept.scores,
        choices=kept.choices,
        contrasts=tuple((each.baseline, each.candidate) for each in manifest.experiment.contrasts),
        arms=tags,
    )
