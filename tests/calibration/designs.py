"""What the calibration draws: trials of two arms under every complication the statistics claim to bear. Numbers only.

A draw is two arrays ``(replications, queries, repeats)`` with NaN where a trial is missing. Spreads
are those of docs/explanation/statistics.md: logs with sd 0.8 between queries, 0.3 within, and 0.15
of a query's own difference between the arms.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BETWEEN, WITHIN, INTERACTION = 0.8, 0.3, 0.15
REPEATS = 5
TYPICAL_S = 8.0  # a median answer; against it a poll of 2 s makes ties
POLL_S = 2.0
TURNS, LONGEST_TURN = 16, 32  # plan.CHUNKS_WANTED, and plan.MOST_PER_SLOT trials in each of 8 slots
# sd of the provider's walk over the run: two blocks of 100 x 5 then reject 58.6 %, as in
# docs/explanation/statistics.md, "Unit and design"
WANDER = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One way trials come about. ``kind`` picks the method: ratio, amount, rate or binary; ``effect`` is what is planted.

    ``draw(rng, replications, queries, effect)`` returns both sides with ``effect`` on the second: added to the logs of a
    ratio or to the mean of a rate, a share of an amount. ``mean`` is the amount's, by which the share becomes a difference.
    Where ``known`` is False the planted effect is not the true one, which is then found by a large draw.
    """

    name: str
    kind: str
    draw: Callable
    effect: float
    mean: float = 1.0
    known: bool = True

    def truth(self):
        """Return the difference of means that ``effect`` makes."""
        if self.known:
            return self.effect * self.mean
        first, second = self.draw(np.random.default_rng(0), 4_000, 200, self.effect)
        return float((np.log(second) - np.log(first)).mean())


def log_times(rng, replications, queries, effect, *, repeats=REPEATS, noise=None, interaction=None):
    """Draw the logs of both sides; ``noise`` and ``interaction`` replace the normal ones."""
    level = rng.normal(0, BETWEEN, (replications, queries, 1))
    own = (rng.normal(0, INTERACTION, level.shape) if interaction is None else interaction(rng, level.shape)) + effect
    draw = noise or (lambda rng, shape: rng.normal(0, WITHIN, shape))
    shape = (replications, queries, repeats)
    return level + draw(rng, shape), level + own + draw(rng, shape)


def _plain(rng, replications, queries, effect):
    return tuple(map(np.exp, log_times(rng, replications, queries, effect)))


def _once(rng, replications, queries, effect):
    return tuple(map(np.exp, log_times(rng, replications, queries, effect, repeats=1)))


def _ties(rng, replications, queries, effect):
    """See every time at the next poll of 2 s: one repeat, so that many pairs are equal."""
    sides = log_times(rng, replications, queries, effect, repeats=1)
    return tuple(np.ceil(TYPICAL_S * np.exp(side) / POLL_S) * POLL_S for side in sides)


def _skewed(rng, replications, queries, effect):
    """Let the arms differ on few queries, by much: differences lean, with a mean of 0."""
    return tuple(
        map(
            np.exp,
            log_times(
                rng,
                replications,
                queries,
                effect,
                interaction=lambda rng, shape: 2 * INTERACTION * (rng.exponential(1, shape) - 1),
            ),
        )
    )


def _outliers(rng, replications, queries, effect):
    """Let one trial in twenty take three to thirty times as long."""

    def noise(rng, shape):
        return rng.normal(0, WITHIN, shape) + np.where(rng.random(shape) < 0.05, rng.uniform(np.log(3), np.log(30), shape), 0)

    return tuple(map(np.exp, log_times(rng, replications, queries, effect, noise=noise)))


def _missing(rng, replications, queries, effect):
    """Lose every tenth trial, and every tenth query on one arm altogether."""
    sides = _plain(rng, replications, queries, effect)
    lost = [np.where(rng.random(side.shape) < 0.1, np.nan, side) for side in sides]
    lost[1] = np.where(rng.random((replications, queries, 1)) < 0.1, np.nan, lost[1])
    return tuple(lost)


def _unequal(rng, replications, queries, effect):
    """Give every cell one to five repeats."""
    sides = _plain(rng, replications, queries, effect)
    places = np.arange(REPEATS)
    return tuple(np.where(places < rng.integers(1, REPEATS + 1, (replications, queries, 1)), side, np.nan) for side in sides)


def _drift(rng, replications, queries, effect, *, turns=None):
    """Let the provider wander by a random walk over the run; the arms take turns in random order, by default as planned."""
    first, second = log_times(rng, replications, queries, effect)
    blocks = queries * REPEATS
    walk = rng.normal(0, WANDER / np.sqrt(2 * blocks), (replications, 2 * blocks)).cumsum(axis=1)
    order = np.argsort(rng.random((replications, blocks)), axis=1)  # the block in each place
    size = min(max(blocks // TURNS, 1), LONGEST_TURN) if turns is None else -(-blocks // turns)
    turn, within = np.divmod(np.arange(blocks), size)
    length = np.bincount(turn)[turn]
    swapped = rng.random((replications, turn[-1] + 1)) < 0.5
    sides = []
    for second_arm, logs in enumerate((first, second)):
        late = swapped[:, turn] ^ bool(second_arm)
        place = 2 * size * turn + within + late * length
        at = np.take_along_axis(walk, place, axis=1)
        drift = np.empty_like(at)
        np.put_along_axis(drift, order, at, axis=1)
        sides.append(np.exp(logs + drift.reshape(logs.shape)))
    return tuple(sides)


def _two_blocks(rng, replications, queries, effect):
    """Run one arm whole and then the other, which is a bad design."""
    return _drift(rng, replications, queries, effect, turns=1)


def _counts(rng, replications, queries, effect):
    """Count tool calls: Poisson with a mean by query, 3 on average; ``effect`` is a share of it."""
    mean = 3 * np.exp(rng.normal(-0.125, 0.5, (replications, queries, 1)))
    return tuple(rng.poisson(mean * share, (replications, queries, REPEATS)).astype(float) for share in (1, 1 + effect))


def _rare(rng, replications, queries, effect):
    """Cost tokens on one query in five only (a correction), a few hundred each."""
    on = rng.random((replications, queries, 1)) < 0.2
    amounts = [np.where(on, rng.gamma(2, 200, (replications, queries, REPEATS)), 0.0) for _ in range(2)]
    return amounts[0], amounts[1] * (1 + effect)


def _moved(chance, middle, effect):
    """Move every query's chance so that the mean of all moves by ``effect`` and none leaves 0..1."""
    return chance * (1 + effect / middle) if effect < 0 else chance + effect * (1 - chance) / (1 - middle)


def _rates(middle, spread, repeats=REPEATS):
    def draw(rng, replications, queries, effect):
        """Succeed or not, with a chance by query."""
        chance = rng.beta(middle * spread, (1 - middle) * spread, (replications, queries, 1))
        shape = (replications, queries, repeats)
        return tuple(rng.binomial(1, c, shape).astype(float) for c in (chance, _moved(chance, middle, effect)))

    return draw


SLOWER = float(np.log(1.1))  # ten per cent, and the margin that wide
DESIGNS = (
    Design(name="plain", kind="ratio", draw=_plain, effect=SLOWER),
    Design(name="one repeat", kind="ratio", draw=_once, effect=SLOWER),
    Design(name="ties (2 s poll, one repeat)", kind="ratio", draw=_ties, effect=SLOWER, known=False),
    Design(name="skewed differences", kind="ratio", draw=_skewed, effect=SLOWER),
    Design(name="outliers", kind="ratio", draw=_outliers, effect=SLOWER),
    Design(name="missing trials and queries", kind="ratio", draw=_missing, effect=SLOWER),
    Design(name="unequal repeats", kind="ratio", draw=_unequal, effect=SLOWER),
    Design(name="drift, interleaved", kind="ratio", draw=_drift, effect=SLOWER),
    Design(name="drift, one arm after the other (never do)", kind="ratio", draw=_two_blocks, effect=SLOWER),
    Design(name="counts", kind="amount", draw=_counts, effect=0.2, mean=3.0),
    Design(name="rare amounts (4 of 5 queries none)", kind="amount", draw=_rare, effect=0.2, mean=80.0),
    Design(name="rate around .6", kind="rate", draw=_rates(0.6, 4), effect=0.1),
    Design(name="rate around .95", kind="rate", draw=_rates(0.95, 10), effect=-0.1),
    Design(name="success, one repeat", kind="binary", draw=_rates(2 / 3, 6, repeats=1), effect=-0.1),
)
