"""Many effects shrunk towards their mean: the winner's curse is gone, and few of those called changed have not."""

import numpy as np
import pytest

from uderia_bench.stats.shrinkage import FEWEST, shrink

BETWEEN, NOISE = 0.15, 0.3 * (2 / 5) ** 0.5  # 100 x 5 with the spreads of docs/explanation/statistics.md


@pytest.fixture(scope="module")
def simulated():
    """Return (truth, seen, shrunken) of 200 runs of 100 queries."""
    rng = np.random.default_rng(1)
    runs = []
    for _ in range(200):
        truth = rng.normal(0, BETWEEN, 100)
        seen = truth + rng.normal(0, NOISE, 100)
        runs.append((truth, seen, shrink(seen, np.full(100, NOISE**2), level=0.95)))
    return runs


def test_the_worst_five_are_as_bad_as_they_look(simulated):
    """Raw they look 63 % slower where the truth is 21 %; shrunken they are within 3 points of it."""
    worst = [(np.argsort(found.values)[-5:], truth, seen, found) for truth, seen, found in simulated]
    raw, shrunken, true = (
        float(np.mean([np.expm1(values[at].mean()) for at, values in which]))
        for which in (
            [(at, seen) for at, _, seen, _ in worst],
            [(at, found.values) for at, _, _, found in worst],
            [(at, truth) for at, truth, _, _ in worst],
        )
    )
    assert raw > 0.55
    assert shrunken == pytest.approx(true, abs=0.03)


def test_intervals_cover_and_false_discoveries_are_as_rare_as_promised(simulated):
    """95 % of the true effects lie in their intervals, and at most 10 % of those called changed have the other sign."""
    covered = np.mean([(found.lo <= truth) & (truth <= found.hi) for truth, _, found in simulated])
    assert covered == pytest.approx(0.945, abs=0.015)
    wrong = [np.sign(found.values[at]) != np.sign(truth[at]) for truth, _, found in simulated for at in [found.changed(0.10)]]
    assert np.concatenate(wrong).mean() < 0.11
    assert np.mean([one.size for one in wrong]) > 10


def test_noise_alone_is_shrunk_to_the_mean():
    """Where the effects vary no more than their noise, all are nearly the mean, and none is called changed."""
    rng = np.random.default_rng(2)
    found = shrink(rng.normal(0, 0.2, 60), np.full(60, 0.2**2), level=0.95)
    assert np.ptp(found.values) < 0.1
    assert not found.changed(0.10).any()


def test_certain_effects_stay():
    """Without noise there is nothing to shrink; a noisy effect moves more than a certain one."""
    effects = np.linspace(-1, 1, FEWEST)
    assert shrink(effects, np.zeros(FEWEST), level=0.95).values == pytest.approx(effects)
    found = shrink(effects, np.array([*[0.01] * (FEWEST - 1), 1.0]), level=0.95)
    assert abs(found.values[-1] - effects[-1]) > 3 * abs(found.values[0] - effects[0])
    equal = shrink(np.full(FEWEST, 0.3), np.zeros(FEWEST), level=0.95)
    assert equal.values == pytest.approx(0.3)
    assert equal.changed(0.1).all()


def test_swapping_the_arms_mirrors_every_effect():
    """Nothing depends on which arm is the baseline."""
    rng = np.random.default_rng(3)
    effects, noise = rng.normal(0.1, 0.2, 30), rng.uniform(0.01, 0.04, 30)
    one, other = shrink(effects, noise, level=0.9), shrink(-effects, noise, level=0.9)
    assert other.values == pytest.approx(-one.values)
    assert other.lo == pytest.approx(-one.hi)
    assert (other.changed(0.1) == one.changed(0.1)).all()
