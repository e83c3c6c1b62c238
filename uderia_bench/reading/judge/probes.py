"""Probes of a judge: calls whose right answer is known, to find its biases.

=============  ==========================================  =========================================
probe          what is asked                               it fails if
=============  ==========================================  =========================================
position       nothing more: all choices between answers   one position is chosen too often
length         an answer, or the same with idle words      the longer one is chosen too often
same answer    an answer twice                             the judge sees a difference too often
refusals       an answer, or one that declines             the refusal wins, or the judge declines
chance         a pair once more                            the choice turns too often
own family     nothing: the names of the models            it has the maker of one arm's model only
=============  ==========================================  =========================================

A judge that scores single answers is probed for length (the longer text has the higher score), for
refusals (one has the score of an answer) and for its own family.

A bias of position costs ties and no wrong winner, because both orders are asked. Still it tells that
the judge does not read closely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from uderia_bench.reading.expectations.words import refusal
from uderia_bench.reading.judge import pairs
from uderia_bench.reading.judge.asks import Ask, Case, Settings, rank
from uderia_bench.reading.judge.asks import asks as score_calls
from uderia_bench.reading.judge.blinding import family
from uderia_bench.reading.judge.matches import Match
from uderia_bench.reading.judge.pairs import FIRST, SECOND, TIE, Choice, Pair
from uderia_bench.reading.judge.scores import Kept

LENGTH, SAME, REFUSAL, AGAIN = "length", "same answer", "refusals", "chance"
POSITION, FAMILY = "position", "own family"

SURE = 2.33  # standard errors of a bias, one-sided p = .01
APART = 0.05  # share from one half from which a position matters
MOST_LONGER = 0.55  # share of choices for the longer of two equal answers
MOST_GAINED = 0.05  # of the scale, by idle words
MOST_APART = 0.5  # share of equal answers that are called different
MOST_REFUSALS = 0.1  # share of refusals that win, and of replies without a choice
MOST_CHANGED = 0.15  # share of choices that turn to the other answer when asked again
FEWEST = 10  # choices for a result
LONGEST_PADDED = 6_000  # characters of an answer that is padded

DECLINED = "I'm sorry, but I cannot help with that request. Please consult your administrator or the documentation."
_IDLE = (
    "To put it in other words, and to be as helpful as possible, here is the answer to your question once more.",
    (
        "I hope that this overview is useful to you. Please do not hesitate to ask if there is anything else that you would"
        " like to know, or if any part of the answer above should be explained in more detail."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Result of a probe: ``passed``, None where too little was asked, and what was found in one sentence."""

    name: str
    passed: bool | None
    said: str


def asks(found: Sequence[Match], settings: Settings, *, seed: int) -> Iterator[Ask]:
    """Yield the calls of the probes, on ``settings.probes`` pairs drawn by ``seed``."""
    apart_first = sorted(shuffled(found, seed=seed), key=lambda match: match.pair.same)
    distinct = {match.pair.key: match.pair for match in apart_first}
    for number, pair in enumerate(list(distinct.values())[: settings.probes]):
        text = (pair.baseline, pair.candidate)[number % 2]
        yield from pairs.asks(_of(pair, text, text), settings, repeats=range(1), probe=SAME)[:1]
        if 0 < len(text) <= LONGEST_PADDED:
            yield from pairs.asks(_of(pair, text, padded(text)), settings, repeats=range(1), probe=LENGTH)
        if text and refusal(text) is None:
            yield from pairs.asks(_of(pair, text, DECLINED), settings, repeats=range(1), probe=REFUSAL)
        if settings.repeats == 1 and not pair.same:
            yield pairs.asks(pair, settings, repeats=range(1, 2), probe=AGAIN)[0]


def score_asks(cases: Iterable[Case], settings: Settings, *, seed: int) -> Iterator[Ask]:
    """Yield the calls of the probes of scores, on ``settings.probes`` cases drawn by ``seed``."""
    usable = [case for case in cases if case.answer and refusal(case.answer) is None]
    usable.sort(key=lambda case: rank(seed, case.key))
    distinct = {(case.rubric, case.prompt): case for case in usable}  # one for each question: a refusal is the same for all
    for case in list(distinct.values())[: settings.probes]:
        once = replace(settings, repeats=1)
        if len(case.answer) <= LONGEST_PADDED:
            yield from score_calls(replace(case, answer=padded(case.answer)), once, probe=LENGTH, of=case)
        yield from score_calls(replace(case, answer=DECLINED), once, probe=REFUSAL, of=case)


def score_results(kept: Kept, model: str, arms: Mapping[str, Iterable[str]]) -> tuple[Probe, ...]:
    """Return the result of every probe of scores."""
    means: dict[str | None, dict[str, float]] = {}
    for probe in (None, LENGTH, REFUSAL):
        own: dict[str, list[float]] = {}
        for score in kept.scores.values():
            if score.probe == probe:
                own.setdefault(score.case, []).append(score.value)
        means[probe] = {case: sum(values) / len(values) for case, values in own.items()}
    plain = means[None]
    longer = [value - plain[case] for case, value in means[LENGTH].items() if case in plain]
    lost = [value > 0 and value >= plain[case] for case, value in means[REFUSAL].items() if case in plain]
    return (_longer_scores(longer), _refusal_scores(lost), _family(model, arms))


def _longer_scores(gained: Sequence[float]) -> Probe:
    if len(gained) < FEWEST:
        return _too_few(LENGTH, len(gained))
    mean = sum(gained) / len(gained)
    squares = sum((each - mean) ** 2 for each in gained)
    certain = mean * len(gained) > SURE * sqrt(squares)
    return Probe(
        name=LENGTH,
        passed=not (certain and mean > MOST_GAINED),
        said=f"idle words change the score of {len(gained)} answers by {mean:+.2f} on a scale of 0 to 1",
    )


def _refusal_scores(lost: Sequence[bool]) -> Probe:
    if len(lost) < FEWEST:
        return _too_few(REFUSAL, len(lost))
    return Probe(
        name=REFUSAL,
        passed=sum(lost) <= MOST_REFUSALS * len(lost),
        said=f"a refusal scores no less than the answer in {sum(lost)} of {len(lost)} cases",
    )


def shuffled(found: Iterable[Match], *, seed: int) -> list[Match]:
    """Return the matches in an order by ``seed``, each query's first repetition before the second.

    So a budget that ends early leaves a random part of the queries.
    """
    return sorted(found, key=lambda match: (match.baseline.repeat, rank(seed, f"{match.baseline.query_id}/{match.pair.key}")))


def padded(text: str) -> str:
    """Return an answer that is longer and says the same."""
    return f"{text}\n\n{_IDLE[0]}\n\n{text}\n\n{_IDLE[1]}"


def _of(pair: Pair, baseline: str, candidate: str) -> Pair:
    return Pair(rubric=pair.rubric, prompt=pair.prompt, baseline=baseline, candidate=candidate)


def results(kept: Kept, model: str, arms: Mapping[str, Iterable[str]]) -> tuple[Probe, ...]:
    """Return the result of every probe. ``arms`` has the models of each arm."""
    choices = list(kept.choices.values())
    by_probe: dict[str | None, list[Choice]] = {}
    for choice in choices:
        by_probe.setdefault(choice.probe, []).append(choice)
    both_orders = by_probe.get(None, [])
    return (
        _position([*both_orders, *by_probe.get(SAME, ())]),
        _length(by_probe.get(LENGTH, [])),
        _same(by_probe.get(SAME, [])),
        _refusals(by_probe.get(REFUSAL, []), len(kept.unread), len(choices)),
        _chance([*both_orders, *by_probe.get(AGAIN, ())]),
        _family(model, arms),
    )


def failed(found: Iterable[Probe]) -> str | None:
    """Return why verdicts of this judge are exploratory; None where every probe has passed."""
    probes = list(found)
    wrong = [probe.name for probe in probes if probe.passed is False]
    open_still = [probe.name for probe in probes if probe.passed is None]
    if wrong:
        return f"the judge failed the probe of {' and of '.join(wrong)}"
    return f"the judge was not probed for {', '.join(open_still)}" if open_still else None


def _position(choices: Sequence[Choice]) -> Probe:
    chosen = [choice for choice in choices if choice.said != TIE]
    if len(chosen) < FEWEST:
        if len(choices) >= FEWEST:
            return Probe(name=POSITION, passed=True, said=f"{len(choices) - len(chosen)} of {len(choices)} choices are ties")
        return _too_few(POSITION, len(choices))
    first = sum(choice.said == FIRST for choice in chosen) / len(chosen)
    bias = abs(_errors(chosen, lambda choice: choice.said == FIRST))
    return Probe(
        name=POSITION,
        passed=bias < SURE or abs(first - 0.5) <= APART,
        said=f"the answer shown first is chosen in {first:.0%} of {len(chosen)} choices (50% without a bias)",
    )


def _length(choices: Sequence[Choice]) -> Probe:
    chosen = [choice for choice in choices if choice.said != TIE]
    if len(choices) < FEWEST:
        return _too_few(LENGTH, len(choices))
    longer = sum(map(_candidate, chosen)) / len(choices)
    bias = _errors(chosen, _candidate)
    return Probe(
        name=LENGTH,
        passed=bias < SURE or sum(map(_candidate, chosen)) <= MOST_LONGER * len(chosen),
        said=f"idle words make an answer win {longer:.0%} and lose {len(chosen) / len(choices) - longer:.0%} of"
        f" {len(choices)} choices",
    )


def _same(choices: Sequence[Choice]) -> Probe:
    if len(choices) < FEWEST:
        return _too_few(SAME, len(choices))
    apart = sum(choice.said != TIE for choice in choices)
    return Probe(
        name=SAME,
        passed=apart <= MOST_APART * len(choices),
        said=f"the same answer twice is called a tie in {len(choices) - apart} of {len(choices)} pairs",
    )


def _refusals(choices: Sequence[Choice], unread: int, read: int) -> Probe:
    wins = [both for both in _by_case(choices).values() if len(both) == 2]
    if len(wins) < FEWEST:
        return _too_few(REFUSAL, len(wins))
    lost = sum(all(map(_candidate, both)) for both in wins)
    share = unread / (unread + read)
    return Probe(
        name=REFUSAL,
        passed=lost <= MOST_REFUSALS * len(wins) and share <= MOST_REFUSALS,
        said=f"an answer loses to a refusal in {lost} of {len(wins)} pairs, and {share:.0%} of the replies have no choice",
    )


def _chance(choices: Sequence[Choice]) -> Probe:
    again = [both for both in _by_case(choices, by_order=True).values() if len(both) > 1]
    if len(again) < FEWEST:
        return _too_few(AGAIN, len(again))
    changed = sum({FIRST, SECOND} <= {choice.said for choice in both} for both in again)
    return Probe(
        name=AGAIN,
        passed=changed <= MOST_CHANGED * len(again),
        said=f"{changed} of {len(again)} choices turn to the other answer when the same pair is asked again",
    )


def _family(model: str, arms: Mapping[str, Iterable[str]]) -> Probe:
    own = family(model)
    makers = {arm: {family(each) for each in models} for arm, models in arms.items()}
    relatives = sorted(arm for arm, known in makers.items() if own in known) if own else []
    if not relatives:
        said = f"{model} shares its maker with no arm" if own else f"the maker of {model} is not known"
        return Probe(name=FAMILY, passed=True, said=said)
    said = f"{model} and the models of {' and '.join(relatives)} are by {own}"
    return Probe(name=FAMILY, passed=len(relatives) == len(makers), said=said)


def _too_few(name: str, count: int) -> Probe:
    return Probe(name=name, passed=None, said=f"not probed: {count} of the {FEWEST} choices that are needed")


def _candidate(choice: Choice) -> bool:
    """Whether the second answer of the pair was chosen, wherever it was shown."""
    return choice.said == (FIRST if choice.swapped else SECOND)


def _by_case(choices: Iterable[Choice], *, by_order: bool = False) -> dict[tuple[str, bool], list[Choice]]:
    found: dict[tuple[str, bool], list[Choice]] = {}
    for choice in choices:
        found.setdefault((choice.case, by_order and choice.swapped), []).append(choice)
    return found


def _errors(chosen: Sequence[Choice], wanted: Callable[[Choice], bool]) -> float:
    """Return how many standard errors the share of ``wanted`` is above one half. Choices of one pair depend on each other."""
    net: dict[str, int] = {}
    for choice in chosen:
        net[choice.case] = net.get(choice.case, 0) + (1 if wanted(choice) else -1)
    squares = sum(each * each for each in net.values())
    return sum(net.values()) / sqrt(squares) if squares else 0.0
