"""Calibration of judges and labels: the third part of ``make calibrate``.

A scripted judge with a known bias gets the messages of a real one. Its choices go through the swap
rule, the paired test and the probes of the product. Labels of a few queries correct a judge whose
errors differ between the arms. The table goes into ``judges.md``, which the docs show.
"""

import argparse
import json
from dataclasses import dataclass
from math import log, sqrt
from pathlib import Path

import numpy as np
import traces

from uderia_bench.reading.judge import pairs, probes
from uderia_bench.reading.judge.asks import Settings
from uderia_bench.reading.judge.blinding import Blind
from uderia_bench.reading.judge.matches import Answered, matches
from uderia_bench.reading.judge.scores import Kept
from uderia_bench.stats import ppi
from uderia_bench.stats.difference import mean_test
from uderia_bench.stats.inference import two_sided_p

SEED = 20261129
QUERIES = 200
TRUTH = 0.05  # difference of the arms that labels find
SETTINGS = Settings(model="scripted", pairwise=True, probes=30)
HEAD = """A scripted judge chooses between 200 pairs of answers that are equally good and of random length. Shares are in per
cent, with the Monte-Carlo error (one standard error). The bottom rows have 300 queries, of which 80 are labelled, and a
judge that is right in 80 % and passes 10 points too many answers of one arm.

| judge | counted | share | asked | draws |
|---|---|---:|---|---:|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Log-odds of a judge for the answer that is shown first.

    ``position`` is added, ``length`` times the log of the ratio of lengths, and ``refusal`` where the
    second answer declines. ``ties`` is the share of equal pairs that it calls so. ``noise`` is the
    share of its replies that are a coin.
    """

    position: float = 0.0
    length: float = 0.0
    refusal: float = 4.0
    ties: float = 0.8
    noise: float = 0.05

    def choose(self, first, second, rng):
        """Return the position of the answer that it prefers, or a tie."""
        if rng.random() < self.noise:
            return (pairs.FIRST, pairs.SECOND)[int(rng.random() < 0.5)]
        declines = (probes.DECLINED in second) - (probes.DECLINED in first)
        pull = self.position + self.length * log(len(first) / len(second)) + self.refusal * declines
        if rng.random() < self.ties * (2 * min(1 / (1 + np.exp(-abs(pull))), 1) - 1 < 0.1):
            return pairs.TIE
        return pairs.FIRST if rng.random() < 1 / (1 + np.exp(-pull)) else pairs.SECOND


SOUND = Judge()
POSITION = Judge(position=log(0.7 / 0.3), ties=0.0, noise=0.0)  # 70 % for the first of two equal answers
LENGTH = Judge(length=1.2, ties=0.3)  # 79 % for an answer three times as long
NOISE = Judge(noise=0.8)
REFUSALS = Judge(refusal=-1.0)
ALL = Judge(position=log(0.7 / 0.3), length=1.2, ties=0.0, noise=0.2)
BIASES = {"position": POSITION, "length": LENGTH, "chance": NOISE, "refusals": REFUSALS}


def answers(rng, queries):
    """Return the pairs of equally good answers of two arms, with lengths of a factor of two and more."""
    found = []
    for number in range(queries):
        for arm in ("A", "B"):
            trial = traces.trial(trial_id=f"{arm}{number}", query_id=f"q{number}", arm=arm)
            found.append(Answered(trial=trial, text=f"{number} " + "word " * int(rng.integers(10, 40)) + arm, models=()))
    return matches(found, [("A", "B")], Blind(()), {}, SETTINGS)


def replies(asks, judge, rng):
    """Return the judge's choices by key, each message read as a real judge gets it."""
    found = {}
    for ask in asks:
        shown = json.loads(ask.messages[1]["content"])
        said = judge.choose(shown["answer 1"], shown["answer 2"], rng)
        found[ask.key] = pairs.Choice(case=ask.case, swapped=ask.swapped, said=said, reason="", probe=ask.probe)
    return found


def preferences(found, judge, rng):
    """Return the preference in each pair by the swap rule, and the naive one of the first order alone."""
    choices = replies([ask for match in found for ask in pairs.asks(match.pair, SETTINGS)], judge, rng)
    swapped = np.array([pairs.decided(match.pair, SETTINGS, choices).value for match in found])
    naive = {pairs.FIRST: 0.0, pairs.TIE: 0.5, pairs.SECOND: 1.0}
    raw = np.array([naive[choices[pairs.asks(match.pair, SETTINGS)[0].key].said] for match in found])
    return swapped, raw


def failed(judge, rng, queries=40):
    """Return the names of the probes that a judge fails in one run."""
    found = answers(rng, queries)
    asked = [*(ask for match in found for ask in pairs.asks(match.pair, SETTINGS)), *probes.asks(found, SETTINGS, seed=1)]
    kept = Kept(choices=replies(asked, judge, rng))
    return {probe.name for probe in probes.results(kept, SETTINGS.model, {}) if probe.passed is False}


def rejects(values, seed):
    """Return whether the paired test finds a preference."""
    return two_sided_p(mean_test(2 * values - 1, bounded=True, may_be_0=False, seed=seed)) < 0.05


def labelled(rng, *, perfect=False, queries=300, labels=80):
    """Draw a difference of ``TRUTH``; return its corrected interval, the judge's, and the width with labels everywhere."""
    hard = rng.normal(0, 0.1, queries)
    people = np.stack([rng.random(queries) < rate + hard for rate in (0.5, 0.5 + TRUTH)]).astype(float)
    wrong = rng.random((2, queries)) < (0.0 if perfect else np.where(people == 1, 0.15, np.array([[0.15], [0.35]])))
    judge = np.where(wrong, 1 - people, people)
    truth, judged = people[1] - people[0], judge[1] - judge[0]
    known = np.full(queries, np.nan)
    drawn = rng.choice(queries, labels, replace=False)
    known[drawn] = truth[drawn]
    found = ppi.corrected(known, judged, judged).test.interval(0.95)
    half = 1.968 * judged.std(ddof=1) / sqrt(queries)
    everywhere = 2 * 1.968 * truth.std(ddof=1) / sqrt(queries)
    return (found.lo, found.hi), (judged.mean() - half, judged.mean() + half), everywhere


def study(size):
    """Yield the rows of the table: the judge, what is counted, its share, what is asked of it, and of how many draws."""
    rng = np.random.default_rng(SEED)
    runs = [preferences(answers(rng, QUERIES), POSITION, rng) for _ in range(20)]
    first, pairs_drawn = "70 % for the first", 20 * QUERIES
    yield first, "preference of equal arms, both orders", np.mean([both for both, _ in runs]), "48 to 52", pairs_drawn
    yield first, "preference of equal arms, one order", np.mean([one for _, one in runs]), "", pairs_drawn
    for name, judge in ((first, POSITION), ("position, length and noise", ALL), ("sound", SOUND)):
        rejected = [rejects(preferences(answers(rng, QUERIES), judge, rng)[0], number) for number in range(3 * size)]
        yield name, "equal arms called different", np.mean(rejected), "at most 6", len(rejected)
    for name, judge in BIASES.items():
        found = [name in failed(judge, rng) for _ in range(max(size // 4, 10))]
        yield f"biased by {name}", f"the probe of {name} fails", np.mean(found), "at least 95", len(found)
    sound = [bool(failed(SOUND, rng)) for _ in range(max(size // 4, 10))]
    yield "sound", "any probe fails", np.mean(sound), "", len(sound)
    corrected, own, _ = zip(*(labelled(rng) for _ in range(5 * size)), strict=True)
    apart = "errors differ by 10 points"
    yield apart, "corrected interval covers", np.mean([lo <= TRUTH <= hi for lo, hi in corrected]), "94 to 96", len(own)
    yield apart, "judge's own interval covers", np.mean([lo <= TRUTH <= hi for lo, hi in own]), "at most 60", len(own)
    perfect = [labelled(rng, perfect=True) for _ in range(size)]
    wider = np.mean([(hi - lo) / everywhere for (lo, hi), _, everywhere in perfect]) - 1
    yield "perfect", "wider than labels everywhere", abs(wider), "at most 5", size


def as_row(name, counted, share, asked, size):
    """Write a row with the Monte-Carlo error (one standard error) of its share."""
    return f"| {name} | {counted} | {100 * share:.1f} ± {100 * sqrt(share * (1 - share) / size):.1f} | {asked} | {size} |"


def main():
    """Measure everything and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--replications", type=int, default=400)
    options.add_argument("--output", type=Path, default=Path(__file__).parent / "judges.md")
    asked = options.parse_args()
    lines = []
    for row in study(asked.replications):
        lines.append(as_row(*row))
        print(lines[-1], flush=True)  # noqa: T201
    asked.output.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
