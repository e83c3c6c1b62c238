"""Interim looks at a run: it ends at the first look at which every declared comparison has a verdict.

A look compares the same blocks whatever the trials took: the first ones of the plan, up to the end of
its part, once all of them are settled. A look at trials as they finish would see only the fast answers
of the arm whose turn it is, because its slow answers are still in flight, and would stop half of all
runs without an effect. The blocks come from the plan alone, so a run that was killed and resumed takes
the same decision as an undisturbed one.

A verdict at a look is the verdict that the report of a run that stops there has: same pairs, tests,
correction for several comparisons, and checks. A look leaves out the same trials, too: those whose
prompt had another profile's tools, as far as the trials of its blocks and the warm-ups show it.
``taken`` repeats the looks of a finished run from its trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf
from typing import Any

import polars as pl

from uderia_bench.analysis.contrast import BLOCK, Measurement, answers_less, at_look
from uderia_bench.analysis.effects import with_tails, without_selection
from uderia_bench.analysis.families import verdicts
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.strata import ALL
from uderia_bench.analysis.trials import FOREIGN_TOOLS, Trials, measured
from uderia_bench.analysis.values import Comparison, Look, Verdict
from uderia_bench.analysis.verdict import MIN_UNITS, bound
from uderia_bench.errors import UsageError
from uderia_bench.reading import foreign_tools
from uderia_bench.reading.foreign_tools import Plan, Span
from uderia_bench.reading.metrics.metric import Direction, Metric
from uderia_bench.runs.interim import Decided, Looked
from uderia_bench.trial import Outcome, Stage, Trial

_DIFFERENT = {Verdict.BETTER, Verdict.WORSE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the looks of a run compare: ``metrics`` on ``contrasts`` under ``settings``, which name the looks."""

    metrics: tuple[Metric, ...]
    contrasts: tuple[tuple[str, str], ...]
    settings: Settings

    @property
    def looked(self) -> Looked:
        """The rule of the looks."""
        assert self.settings.looked is not None, "a run without looks declares none"
        return self.settings.looked


class Looks:
    """The planned looks of one run. ``settled`` takes each trial once, in any order, also those of an earlier sitting.

    A look waits for the warm-ups, too, because their prompts show how large those of the other trials should be.
    ``taken`` has the looks so far.
    """

    def __init__(self, declared: Declared, *, plan: Sequence[Trial]) -> None:
        self.taken: list[Look] = []
        self._declared = declared
        self._trials = {trial.trial_id: trial for trial in plan}
        self._next = 1
        self._rows: dict[str, dict[str, Any]] = {}
        self._prompts: dict[str, tuple[Plan | None, Span | None]] = {}
        self._open = self._unsettled()

    def settled(
        self,
        trial: Trial,
        values: Mapping[str, float | None],
        *,
        outcome: Outcome = Outcome.ANSWERED,
        times: Mapping[str, Any] | None = None,
        planning: Plan | None = None,
        span: Span | None = None,
    ) -> Decided | None:
        """Take a trial's values by metric, None where it has none; return the decision of a look that stops the run.

        ``times`` has the ``sent_at`` and ``done_at`` of the trial, for the limit of those that timed out.
        ``planning`` and ``span`` show whether another profile's tools were in a prompt.
        The values of a trial that was asked again replace its earlier ones, for the looks to come.
        """
        if trial.trial_id not in self._trials:
            return None
        again = trial.trial_id in self._rows
        self._rows[trial.trial_id] = {
            "trial_id": trial.trial_id,
            "query_id": trial.query_id,
            "arm": trial.arm,
            "repeat": trial.repeat,
            "stage": trial.stage.value,
            "outcome": outcome.value,
            BLOCK: trial.block,
            "window": trial.window,
            "server": trial.server,
            "group": trial.group,
            "weight": trial.weight,
            **values,
            **(times or {}),
        }
        self._prompts[trial.trial_id] = planning, span
        if again:
            return None
        if self._asks(trial):
            for look, end in enumerate(self._declared.looked.before):
                self._open[look] -= trial.block < end
        while self._next < self._declared.looked.looks and self._open[self._next - 1] == 0:
            look, self._next = self._next, self._next + 1
            if decided := self._decision(look):
                return decided
        return self._last_decision() if self.dropped and not self._open[-1] else None

    @property
    def dropped(self) -> Mapping[str, int]:
        """The arms that a race has dropped, and the look that dropped each."""
        return dict(self._declared.looked.dropped)

    def _asks(self, trial: Trial) -> bool:
        """Whether a trial is still asked: not where a look before it has dropped its arm."""
        look = self.dropped.get(trial.arm)
        return look is None or trial.block < self._declared.looked.before[look - 1]

    def _unsettled(self) -> list[int]:
        """Count the trials of each look that are still to settle."""
        left = [trial for trial in self._trials.values() if trial.trial_id not in self._rows and self._asks(trial)]
        return [sum(trial.block < end for trial in left) for end in self._declared.looked.before]

    def _last_decision(self) -> Decided:
        """Return how a race without a single winner ends, with its plan."""
        looked = self._declared.looked
        left = sorted({trial.arm for trial in self._trials.values()} - set(self.dropped))
        return Decided(at=looked.at(looked.looks), verdicts=(f"{' and '.join(left)} are left",), saved=self.saved())

    def saved(self) -> int:
        """Return how many planned measured trials are not settled."""
        return sum(trial.stage is Stage.MEASURED and name not in self._rows for name, trial in self._trials.items())

    def _decision(self, look: int) -> Decided | None:
        """Return the decision of a look, None where it does not stop the run."""
        at = self._declared.looked.at(look)
        names = [
            name
            for name, trial in self._trials.items()
            if name in self._rows and trial.block < self._declared.looked.before[look - 1] and self._asks(trial)
        ]
        trials = measured(pl.DataFrame(self._marked(names), infer_schema_length=None))
        if at.race is not None:
            return self._race(trials, at)
        found = at_this_look(trials, self._declared, at)
        decides = stops(found, at)
        self.taken.append(Look(look=look, of=at.looks, trials=trials.frame.height, comparisons=found, stops=decides))
        if not decides:
            return None
        decided = [each for each in found if each.metric in at.metrics and each.verdict in {*_DIFFERENT, Verdict.EQUIVALENT}]
        several = len(self._declared.contrasts) > 1
        said = (
            f"{each.candidate} {each.metric} {each.verdict}" if several else f"{each.metric} {each.verdict}" for each in decided
        )
        return Decided(at=at, verdicts=tuple(said), saved=self.saved())

    def _marked(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of some trials, and mark those with another profile's tools in their prompt as a report does."""
        plans, spans = zip(*(self._prompts[name] for name in names), strict=True)
        suspects = foreign_tools.suspects(filter(None, plans), list(filter(None, spans)))
        rows = [{**self._rows[name], FOREIGN_TOOLS: name in suspects} for name in names]
        for row in rows:
            if row[FOREIGN_TOOLS] and suspects[row["trial_id"]].sure:
                row["outcome"] = Outcome.MISROUTED.value
        return rows

    def _race(self, trials: Trials, at: Looked) -> Decided | None:
        """Drop arms; return the decision of a race that is over."""
        out = losers(trials, self._declared, at) if at.keep is None else worse_half(trials, self._declared, at)
        left = sorted({trial.arm for trial in self._trials.values()} - {*self.dropped, *out})
        if at.keep is None:
            over, verdict = len(left) == 1, f"{left[0]} is the best on {at.race}"
        else:
            kept = [candidate for _, candidate in self._declared.contrasts if candidate in left]
            over, verdict = len(kept) <= at.keep, f"kept {', '.join(kept)}"
        asked = trials.frame.height
        self.taken.append(Look(look=at.look, of=at.looks, trials=asked, comparisons=(), stops=over, dropped=out))
        if not out and not over:
            return None
        dropped = (*at.dropped, *((arm, at.look) for arm in out))
        settings = replace(self._declared.settings, looked=replace(self._declared.looked, dropped=dropped))
        self._declared = replace(self._declared, settings=settings)
        self._open = self._unsettled()
        if not over:
            return None
        return Decided(at=replace(at, dropped=dropped), verdicts=(verdict,), saved=self.saved())


def losers(trials: Trials, declared: Declared, at: Looked) -> tuple[str, ...]:
    """Return the arms that another arm, still in the race, surely beats on its metric at this look.

    The best arm is compared with each other arm once, and each comparison has an equal part of the
    chance of an error. So the best arm is dropped at most that often over all looks and arms. An arm
    that answers less often beats none: it may look better because it fails the hard queries.
    """
    metric = next(one for one in declared.metrics if one.name == at.race)
    left = [arm for arm in trials.arms if arm not in dict(at.dropped)]
    settings = replace(declared.settings, looked=at)
    limit = settings.alpha / (len(trials.arms) - 1)
    sign = 1 if metric.direction is Direction.LOWER else 0
    out = set()
    for pair in combinations(left, 2):
        found = at_look(trials, metric, at, baseline=pair[0], candidate=pair[1], settings=settings)
        test = found.measured.inference
        if test is None or found.invalid or found.only_shown or found.pairs.n_units < MIN_UNITS:
            continue
        tails = test.tails(0.0)
        beaten = {arm for arm, p in zip(pair, (tails[sign], tails[1 - sign]), strict=True) if p <= limit}
        if beaten and answers_less(trials, baseline=pair[0], candidate=pair[1], settings=settings) not in {None, *beaten}:
            continue
        out |= beaten
    return tuple(arm for arm in left if arm in out)


def worse_half(trials: Trials, declared: Declared, at: Looked) -> tuple[str, ...]:
    """Return the candidates that a screening race drops at this look: the worse half, as compared with their baselines.

    A screening tests nothing, so it has no chance of an error to keep to. Successive halving spends most
    trials on the candidates that are hardest to tell apart (Karnin, Koren and Somekh, ICML 2013).
    """
    assert at.keep is not None
    metric = next(one for one in declared.metrics if one.name == at.race)
    sign = 1 if metric.direction is Direction.LOWER else -1
    settings = replace(declared.settings, looked=at)
    worst_first = []
    for place, (baseline, candidate) in enumerate(declared.contrasts):
        if candidate not in dict(at.dropped) and {baseline, candidate} <= set(trials.arms):
            found = at_look(trials, metric, at, baseline=baseline, candidate=candidate, settings=settings)
            centre = found.measured.centre
            worst_first.append((inf if centre is None else sign * centre, place, candidate))
    worst_first.sort(reverse=True)
    kept = max(at.keep, -(-len(worst_first) // 2))
    return tuple(candidate for _, _, candidate in worst_first[:-kept])


def at_this_look(trials: Trials, declared: Declared, at: Looked) -> tuple[Comparison, ...]:
    """Return the comparisons that the report of a run that stops at this look has, of all declared metrics."""
    settings = replace(declared.settings, looked=at)
    found = [
        at_look(trials, metric, at, baseline=baseline, candidate=candidate, settings=settings)
        for baseline, candidate in declared.contrasts
        if {baseline, candidate} <= set(trials.arms)
        for metric in declared.metrics
        if trials.has(metric.name)
    ]
    quick = verdicts(found, settings)
    if not stops(quick, at):  # a total or a tail can only take a verdict away
        return quick
    return verdicts([_confirmed(one, settings) for one in found], settings)


def _confirmed(found: Measurement, settings: Settings) -> Measurement:
    if found.only_shown or found.measured.centre is None:
        return found
    return replace(found, measured=with_tails(found.measured, found.pairs, seed=settings.seed))


def stops(found: Sequence[Comparison], at: Looked) -> bool:
    """Whether every comparison on the metrics of the looks has a verdict that they look for.

    One that can have none in this run does not keep it going: neither arm has the metric, or only one does.
    """
    needed = [each for each in found if each.metric in at.metrics and not _never(each)]
    return bool(needed) and all(_is_decided(each, at) for each in needed)


def _never(found: Comparison) -> bool:
    return found.verdict is Verdict.STRUCTURAL or found.n_pairs == 0


def _is_decided(found: Comparison, at: Looked) -> bool:
    if found.verdict in _DIFFERENT:
        return at.difference
    return found.verdict is Verdict.EQUIVALENT and at.equivalence


def taken(trials: Trials, declared: Declared) -> tuple[Look, ...]:
    """Return the looks that a run took, from its trials; () where they do not name their blocks.

    A look of a race compares the arms that were still asked.
    """
    looked = declared.looked
    if not looked.before or BLOCK not in trials.frame.columns:
        return ()
    looks = []
    for number in range(1, looked.look + 1):
        at = looked.at(number)
        rows = trials.frame.filter(pl.col(BLOCK) < looked.before[number - 1])
        try:
            compared = measured(rows)
        except UsageError:  # a ledger that lost trials may have none of these blocks
            continue
        out = {arm for arm, look in looked.dropped if look < number}
        asked = replace(declared, contrasts=tuple(pair for pair in declared.contrasts if out.isdisjoint(pair)))
        found = at_this_look(compared, asked, at)
        ends = number == looked.look and looked.early if looked.race else stops(found, at)
        dropped = tuple(arm for arm, look in looked.dropped if look == number)
        looks.append(Look(look=number, of=looked.looks, trials=rows.height, comparisons=found, stops=ends, dropped=dropped))
    return tuple(looks)


def corrected(
    comparisons: Sequence[Comparison], found: Sequence[Measurement], looks: Sequence[Look], declared: Declared
) -> tuple[Comparison, ...]:
    """Correct the effects for the stop, where this look was the first with a verdict on them.

    Where an earlier look had the same verdict already, another comparison kept the run going, and its
    stop does not select this effect.
    """
    return tuple(
        _corrected(comparison, finding, looks, declared) for comparison, finding in zip(comparisons, found, strict=True)
    )


def _corrected(comparison: Comparison, found: Measurement, looks: Sequence[Look], declared: Declared) -> Comparison:
    settings, effect = declared.settings, comparison.effect
    looked = declared.looked.of(comparison.baseline, comparison.candidate)
    if comparison.stratum != ALL or comparison.metric not in looked.metrics or comparison.p is None:
        return comparison
    if any(
        _is_decided(each, looked)
        for look in looks
        if look.look < looked.look
        for each in look.comparisons
        if _same(each, comparison)
    ):
        return comparison
    share = 1.0 if not comparison.p or not comparison.p_adjusted else comparison.p / comparison.p_adjusted
    limit = 0.0 if looked.race else bound(settings.margins.get(comparison.metric), found.pairs, found.metric)
    value = without_selection(found.measured, looked, limit=limit, alpha=settings.alpha * share)
    if value is None or effect.value is None or value == effect.value:
        return comparison
    seen = f"{effect.value:.3g}"
    where = f"stopped at look {looked.look} of {looked.looks}: " if looked.early else ""
    note = f"{where}the effect is corrected for the stop (median unbiased); the blocks compared show {seen}"
    return replace(
        comparison,
        effect=replace(effect, value=value),
        beside={**comparison.beside, "as_seen": effect.value},
        warnings=(*comparison.warnings, *((note,) if looked.early else ())),
    )


def _same(one: Comparison, other: Comparison) -> bool:
    return (one.baseline, one.candidate, one.metric) == (other.baseline, other.candidate, other.metric)
