"""The table of a calibration as Markdown. A figure outside its required range is marked and explained."""

import numpy as np
from calibration.arms import TRUTHS
from calibration.conditions import CONDITIONS
from calibration.designs import DESIGNS
from scipy.stats import binom

from uderia_bench.stats.permutation import sign_flip_p

ASKED = {"rejected": (0.035, 0.065), "covered": (0.935, 0.965), "wrong": (0.0, 0.06)}
HONEST = {"rejected": (0.0, 0.065), "covered": (0.935, 1.0), "wrong": (0.0, 0.06)}  # at 8 queries honest or refused is enough
FEWEST_ASKED = 20  # queries
FEWEST_SEEN = 100  # replications, of which a share has a standard error of two points
TIED = (5, 6, 7, 8, 9, 10, 12, 15, 20)  # numbers of queries that differ by as much, whose attainable levels are shown

# Why a figure is outside what is asked: by the beginning of a design's name, and the queries it holds for.
REASONS = {
    ("drift, one arm after the other", (8, 20, 50, 200)): "two long turns, which no plan has.",
    ("skewed differences", (8,)): "the sign flip assumes as many differences above their mean as below. Few exponential ones "
    "are not so, and no test of 8 can find that.",
    ("rare amounts", (20,)): "an interval needs six queries that differ. Runs with so many cover more than all runs would.",
    ("rare amounts", (50,)): "the sign flip assumes as many differences above their mean as below, and here ten queries of "
    "fifty have all of the amount.",
}

UNKNOWN = "the reason is not known yet."

HEAD = """{replications} replications a cell, seed {seed}; per cent. `-` below and `+` above what is asked: A/A rejection 3.5 to
6.5, coverage 93.5 to 96.5, equivalence wrongly declared at most 6; at 8 queries only what is not honest is marked. A share of
4,000 has a standard error of up to 0.4 points. The planted effect is as large as the margin: 10 % for ratios, 20 % for
amounts, 10 points for rates.

*Undecided*: too few queries differ at all (fewer than 6, of rates 5) for any p to be below .05, so that no test is made and no
verdict given; *A/A rejects* is of the others. Where fewer than half could be decided, up to eight times as many were drawn.
*Covers* is of the intervals given: of no effect, and of the planted one. Where few queries differ a rate has a *bound* in
place of an interval, which is to hold too much, and an amount has *none*. *Power*, *equivalent* (without effect) and *wrongly*
(equivalent, with it) are of all.

| trials | queries | undecided | A/A rejects | covers 0 | covers effect | bound covers | none | power | equivalent | wrongly |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""
CONDITIONS_HEAD = """
Trials that are not ideal, planned by the runner and judged by ``compare``, in per cent of runs with the Monte-Carlo error (one
standard error). Time is the place of a trial in the plan. Drift is AR(1) with a time constant of a sixteenth of the run. `!`
marks a share that is outside what is asked by more than two standard errors.

| condition and what is counted | share | asked | runs |
|---|---:|---:|---:|
"""
ARMS_HEAD = """
Coverage of the intervals of one arm, by number of queries, with five repeats each. Times are log-normal, see the page
Statistics. A cell is empty where no interval exists. With one repeat per query, Wilson's interval covers too little or too
much at some sizes near 1 (Brown, Cai & DasGupta, *Stat. Sci.* 16, 2001). The percentile bootstrap of a median covers too little
below 20 queries.

| estimate | {sizes} |
|---|{rules}|
"""
FOOT = """
- 15 correlated metrics under Holm, no effect: any false alarm in {family:.1%}.
- Five O'Brien-Fleming looks at 100 x 5: no effect rejected in {alarm:.1%}; at a true -10 % in {crossed:.1%} (without looks
  {fixed:.1%}), saving {saved:.0%} of the trials.
- At a true -10 %, 100 x 5: p < .05 in {ours:.1%} of runs; a Mann-Whitney test that pools all trials {pooled:.1%}.
- {runs} runs of 100 x 5 drawn from the embedded agent's model, margin 5 %: a provider 15 % slower is called worse in
  {slower:.0%}, twice the fast path better in {faster:.0%}; with no difference some metric is called either in {invented:.0%}.
"""
LEVELS = """
If k queries all differ by the same amount, a test can reject only at some levels.
For k of {ks} these are the highest levels below 5 %.
The exact test reaches {exact}. The mid-p test reaches {mid}.
If every query differs by another amount, the levels are closer to 5 %: 3.1 to 5.0 for k of at least 6.
"""


def as_markdown(found):
    """Return the table, the results that follow it, and the reasons for figures outside their range."""
    cells = in_order(found["cells"])
    text = HEAD.format(**found) + "".join(f"| {' | '.join(row(cell))} |\n" for cell in cells)
    return (
        text
        + footnotes(cells)
        + levels()
        + of_conditions(found.get("conditions", {}))
        + of_arms(found["arms"])
        + beside(found["parts"])
    )


def of_conditions(found):
    """Return the table of trials that are not ideal, in the order of the conditions."""
    lines = []
    for condition in (condition for condition in CONDITIONS if condition.name in found):
        one = found[condition.name]
        low, high = condition.asked
        asked = "" if condition.asked == (0.0, 1.0) else f"{100 * low:g} to {100 * high:g}"
        seen = "" if one["share"] is None else f"{100 * one['share']:.1f} ± {100 * one['error']:.1f}"
        missed = one["share"] is not None and not low - 2 * one["error"] <= one["share"] <= high + 2 * one["error"]
        lines.append(f"| {condition.name} | {seen}{' !' if missed else ''} | {asked} | {one['of']:,} |\n")
    return CONDITIONS_HEAD + "".join(lines) if lines else ""


def in_order(cells):
    """Sort cells as the designs are, then by queries, whatever the order they were measured in."""
    names = [design.name for design in DESIGNS]
    return sorted(cells.values(), key=lambda cell: (names.index(cell["design"]), cell["queries"]))


def marked(share, target, queries):
    """Write a share as per cent, with ``-`` or ``+`` where it lies below or above what is asked; nothing of None."""
    if share is None:
        return ""
    low, high = (ASKED if queries >= FEWEST_ASKED else HONEST)[target]
    return f"{100 * share:.1f}{' -' if share < low else ' +' if share > high else ''}"


def row(cell):
    """Return a cell's columns."""
    none, some, queries = cell["none"], cell["some"], cell["queries"]
    seen = none["decidable"] >= FEWEST_SEEN
    intervals = [1 - part["bare"] - part["by_bound"] for part in (none, some)]
    covers = [
        marked(part["covered"] if share * part["drawn"] >= FEWEST_SEEN else None, "covered", queries)
        for part, share in zip((none, some), intervals, strict=True)
    ]
    bounded = min((part["bounded"] for part in (none, some) if part["bounded"] is not None), default=None)
    return (
        cell["design"],
        str(queries),
        whole(none["undecidable"]),
        marked(none["rejected"] if seen else None, "rejected", queries),
        *covers,
        "" if bounded is None else f"{100 * bounded:.1f}",
        whole(none["bare"]),
        f"{100 * some['power']:.0f}",
        f"{100 * none['equivalent']:.0f}",
        marked(some["equivalent"], "wrong", queries),
    )


def whole(share):
    """Write a share without decimals, nothing of 0."""
    return f"{100 * share:.0f}" if share else ""


def outside(cell):
    """Whether any figure of a cell is marked."""
    return any(column.endswith((" -", " +")) for column in row(cell))


def reason(cell):
    """Return why a cell is outside what is asked."""
    for (name, queries), words in REASONS.items():
        if cell["design"].startswith(name) and cell["queries"] in queries:
            return words
    return UNKNOWN


def footnotes(cells):
    """Return the reason for every marked cell."""
    notes = {}
    for cell in filter(outside, cells):
        notes.setdefault((cell["design"], reason(cell)), []).append(str(cell["queries"]))
    return "\n" + "".join(f"- {name}, {', '.join(queries)} queries: {words}\n" for (name, words), queries in notes.items())


def levels():
    """Say what a test of few and equal differences can attain."""
    exact, mid = (", ".join(f"{100 * attainable_level(k, mid=mid):.1f}" for k in TIED) for mid in (False, True))
    return LEVELS.format(ks=", ".join(map(str, TIED)), exact=exact, mid=mid)


def attainable_level(votes, *, mid):
    """Return how often the sign test of so many votes has a p below .05 when they are as likely either way."""
    ways = [n for n in range(votes + 1) if sign_flip_p(np.repeat([1.0, -1.0], [n, votes - n]), seed=0, mid=mid) < 0.05]
    return float(binom.pmf(ways, votes, 0.5).sum())


def of_arms(found):
    """Return the coverage of the intervals of one arm, with a column per number of queries."""
    sizes = sorted(found, key=int)
    lines = (
        " | ".join((name, *(marked(found[size][name]["covered"], "covered", int(size)) for size in sizes))) for name in TRUTHS
    )
    head = ARMS_HEAD.format(sizes=" | ".join(sizes), rules="|".join("---:" for _ in sizes))
    return head + "".join(f"| {line} |\n" for line in lines)


def beside(parts):
    """Say what was found of families, looks, power and verdicts."""
    stopping = parts["early stopping"]
    ours, pooled = parts["power"].values()
    invented, slower, faster = (parts["verdicts"][name] for name in ("none", "provider 15 % slower", "twice the fast path"))
    return FOOT.format(
        family=parts["family-wise"],
        alarm=stopping["none"]["crossed"],
        **stopping["some"],
        ours=ours,
        pooled=pooled,
        runs=parts["verdicts"]["runs"],
        slower=slower,
        faster=faster,
        invented=invented,
    )
