"""The designs of an experiment that reach a verdict with a wanted chance, and what each costs.

Two truths are planned for: the effect asked for, and no difference at all. A design is good enough
where both end with the right verdict often enough. ``stats.design`` has the method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log1p

from uderia_bench.analysis.pairs import Pairs
from uderia_bench.analysis.verdict import bound
from uderia_bench.documents.experiment_parts import InterimLooks
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.design import Expected, Rule, Spread, expect, fewest

CHANCES = (0.80, 0.95)
REPEATS = (1, 2, 4)
MOST_QUERIES = 20_000
LEAST_QUERIES = 16  # a verdict needs 16 blocks

# Where no run of the arms is known: standard deviations of docs/explanation/statistics.md, and for a rate
# arms that differ on a fifth of the trials.
RATIO_BETWEEN, RATIO_WITHIN = 0.15**2, 2 * 0.3**2
RATE_BETWEEN, RATE_WITHIN = 0.05, 0.15
REPEAT_SHARE = RATIO_WITHIN / (RATIO_BETWEEN + RATIO_WITHIN)  # of the variance of one trial, for a run without repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is assumed of a metric: its margin, the variance between queries and of one repeat, and where they are from.

    Both variances are on the scale of the margin: logs for a ratio, points for a rate, shares of the mean
    for an amount. ``units`` and ``repeats`` are those of the earlier run, None for a stated default.
    """

    metric: str
    kind: Assumption
    margin: float
    between: float
    within: float
    units: int | None
    repeats: float | None
    source: str

    def spread(self, repeats: int) -> Spread:
        """Return what ``stats.design`` needs to know at a number of repeats."""
        ratio = self.kind is Assumption.POSITIVE
        return Spread(
            margin=log1p(self.margin) if ratio else self.margin,
            variance=self.between + self.within / repeats,
            freedom=self._freedom(repeats),
        )

    def _freedom(self, repeats: int) -> float | None:
        """Return the degrees of freedom of the variance at a number of repeats (Satterthwaite, *Biometrics Bull.* 2, 1946).

        It is the variance that the earlier run saw, and a multiple of that of one repeat, which is
        estimated separately.
        """
        if self.units is None or self.repeats is None:
            return None
        if self.repeats <= 1:
            return self.units - 1.0
        seen, rest = self.between + self.within / self.repeats, 1 / repeats - 1 / self.repeats
        within = (rest * self.within) ** 2 / (2 * self.units * (self.repeats - 1))  # two arms, each with half of it
        return (seen + rest * self.within) ** 2 / (seen**2 / (self.units - 1) + within)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one trial costs on average over the arms, None where it is not known, and where that is from."""

    tokens: float | None
    usd: float | None
    seconds: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A sample by cost: how precise a drawn query is compared with any other, and how many tokens it needs."""

    precision: float
    tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Trials with their tokens, dollars and minutes; None where the price is not known."""

    trials: int
    tokens: float | None
    usd: float | None
    minutes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictDesign:
    """A design that ends with a verdict with at least the ``chance``, whichever of both truths holds.

    ``found`` is the rate of the right verdict with the effect, ``equivalent`` without any; the latter is
    None where the looks do not look for it. ``expected`` has the bill with the effect and without.
    """

    chance: float
    queries: int
    repeats: int
    by_cost: bool
    found: float
    equivalent: float | None
    expected: tuple[Bill, Bill]
    worst: Bill


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The designs of an experiment for a verdict. ``left_out`` says why a metric is not planned for."""

    experiment: str
    effect: float
    available: int
    stop: InterimLooks
    margins: dict[str, float]
    assumptions: tuple[Assumed, ...]
    price: Price
    designs: tuple[VerdictDesign, ...]
    left_out: tuple[str, ...]

    @property
    def best(self) -> tuple[VerdictDesign, ...]:
        """The cheapest design of each chance that the corpus has queries for; else the cheapest of all."""
        found = []
        for chance in dict.fromkeys(design.chance for design in self.designs):
            able = [design for design in self.designs if design.chance == chance]
            fit = [design for design in able if design.queries <= self.available * (_LARGEST_DRAW if design.by_cost else 1)]
            found.append(min(fit or able, key=_cost))
        return tuple(found)


def _cost(design: VerdictDesign) -> float:
    return sum(bill.trials if bill.tokens is None else bill.tokens for bill in design.expected)


def assumed(metric: Metric, margin: float, pairs: Pairs | None, *, run_id: str | None) -> Assumed | None:
    """Return the spread of a metric, from the pairs of an earlier run or the stated default; None without both."""
    components = None if pairs is None or pairs.n_units < 2 else pairs.components
    between: float | None
    within: float | None
    units, repeats, source = None, None, "stated default"
    if pairs is None or components is None or components.seen <= 0:
        defaults = {
            Assumption.POSITIVE: (RATIO_BETWEEN, RATIO_WITHIN),
            Assumption.RATE: (RATE_BETWEEN, RATE_WITHIN),
        }
        if metric.assumption not in defaults:
            return None
        between, within = defaults[metric.assumption]
    else:
        between, within = components.between, components.repeat_variance
        if between is None or within is None:
            within = components.seen * REPEAT_SHARE
            between = components.seen - within
        if metric.assumption is Assumption.AMOUNT:
            mean = bound(1.0, pairs, metric)
            if mean == 0:
                return None
            between, within = between / mean**2, within / mean**2
        units, repeats, source = pairs.n_units, pairs.repeats, f"{pairs.n_units} queries of {run_id}"
    return Assumed(
        metric=metric.name,
        kind=metric.assumption,
        margin=margin,
        between=between,
        within=within,
        units=units,
        repeats=repeats,
        source=source,
    )


def designs(
    assumptions: Sequence[Assumed],
    *,
    effect: float,
    rule: Callable[[int, int], Rule],
    arms: int,
    warmups: int,
    price: Price,
    slots: int,
    draw: Draw | None,
    repeats: Sequence[int] = REPEATS,
) -> tuple[VerdictDesign, ...]:
    """Return the smallest design of each chance and number of repeats, and one that draws by cost.

    ``effect`` is a share, as margins are: 0.10 is a candidate that needs 10 % less. ``rule`` gives the
    looks for a number of queries and repeats. ``slots`` are the trials in flight, ``warmups`` the trials
    before measuring.
    """
    found = []
    for chance in CHANCES:
        for count in repeats:
            one = _smallest(assumptions, effect=effect, rule=rule, chance=chance, repeats=count)
            if one is None:
                continue
            queries, with_effect, without = one
            bills = _bills(queries * count * arms, warmups, (with_effect.asked, without.asked), price, slots)
            found.append(_design(chance, queries, count, with_effect, without, bills, rule(queries, count), by_cost=False))
            if count == 1 and draw is not None:
                drawn = ceil(queries / draw.precision)
                asked = with_effect.asked, without.asked
                bills = _bills(drawn * arms, warmups, asked, price, slots, tokens=draw.tokens)
                found.append(_design(chance, drawn, 1, with_effect, without, bills, rule(queries, 1), by_cost=True))
    return tuple(found)


def _smallest(
    assumptions: Sequence[Assumed], *, effect: float, rule: Callable[[int, int], Rule], chance: float, repeats: int
) -> tuple[int, Expected, Expected] | None:
    """Find the fewest queries that reach the chance, with what is expected with the effect and without any."""
    spreads = [one.spread(repeats) for one in assumptions]
    ratio = any(one.kind is Assumption.POSITIVE for one in assumptions)
    difference = log1p(-effect) if ratio else -effect

    def both(queries: int) -> tuple[Expected, Expected]:
        looks = rule(queries, repeats)
        return tuple(expect(looks, spreads, effect=true, queries=queries) for true in (difference, 0.0))  # type: ignore[return-value]

    def reaches(queries: int) -> bool:
        looks = rule(queries, repeats)
        with_effect, without = both(queries)
        return with_effect.rate >= chance and (not looks.equivalence or without.rate >= chance)

    queries = fewest(reaches, least=LEAST_QUERIES, most=MOST_QUERIES)
    return None if queries is None else (queries, *both(queries))


def _design(
    chance: float,
    queries: int,
    repeats: int,
    with_effect: Expected,
    without: Expected,
    bills: tuple[Bill, Bill, Bill],
    rule: Rule,
    *,
    by_cost: bool,
) -> VerdictDesign:
    return VerdictDesign(
        chance=chance,
        queries=queries,
        repeats=repeats,
        by_cost=by_cost,
        found=with_effect.rate,
        equivalent=without.rate if rule.equivalence else None,
        expected=bills[:2],
        worst=bills[2],
    )


def _bills(
    trials: int, warmups: int, asked: tuple[float, float], price: Price, slots: int, *, tokens: float = 1.0
) -> tuple[Bill, Bill, Bill]:
    """Return the bills of both truths and of the whole plan; ``tokens`` is the relative need of a drawn query."""

    def bill(share: float) -> Bill:
        count = ceil(trials * share) + warmups
        return Bill(
            trials=count,
            tokens=None if price.tokens is None else count * price.tokens * tokens,
            usd=None if price.usd is None else count * price.usd * tokens,
            minutes=None if price.seconds is None else count * price.seconds / slots / 60,
        )

    return bill(asked[0]), bill(asked[1]), bill(1.0)


def draw_by_cost(tokens: Sequence[float]) -> Draw | None:
    """Return what a sample by cost gains over queries with these expected tokens; None where a plain sample is as good.

    With probabilities proportional to one over the square root of the tokens, weights are that root.
    """
    if len(tokens) < 2:
        return None
    roots = [value**0.5 for value in tokens]
    mean_root, mean_inverse = sum(roots) / len(roots), sum(1 / root for root in roots) / len(roots)
    precision = 1 / (mean_root * mean_inverse)
    relative = mean_root / mean_inverse / (sum(tokens) / len(tokens))
    return Draw(precision=precision, tokens=relative) if relative / precision < _WORTH_IT else None


_WORTH_IT = 0.95  # of the tokens of a plain sample: less is not worth the weights
_LARGEST_DRAW = 0.7  # of the corpus: a larger sample by cost cannot leave many expensive queries out
