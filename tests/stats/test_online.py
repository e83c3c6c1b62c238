"""Levels of tests that follow each other: their sum stays below what the discoveries pay for."""

import numpy as np
import pytest

from uderia_bench.stats.online import level


def test_levels_without_a_discovery_add_up_to_alpha():
    """They are alpha times 6 / (pi^2 k^2)."""
    levels = [level([False] * done, 0.05) for done in range(2_000)]
    assert levels[:3] == pytest.approx([0.05 * 6 / np.pi**2, 0.05 * 6 / np.pi**2 / 4, 0.05 * 6 / np.pi**2 / 9])
    assert sum(levels) < 0.05
    assert sum(levels) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_levels_add_up_to_at_most_alpha_for_each_discovery(rate):
    """After any number of tests the sum is at most alpha times the discoveries, or alpha before the first."""
    rng = np.random.default_rng(3)
    discovered, total = [], 0.0
    for _ in range(300):
        total += level(discovered, 0.05)
        discovered.append(bool(rng.random() < rate))
        assert total <= 0.05 * max(sum(discovered), 1) + 1e-12


def test_the_second_discovery_gives_a_level_back():
    """The first one was paid for in advance, so the level after it falls further."""
    assert level([True], 0.05) == level([False], 0.05)
    assert level([True, True], 0.05) == pytest.approx(0.05 * 6 / np.pi**2 * (1 / 9 + 1))


def test_false_discoveries_stay_rare_over_many_nights():
    """100 series of 60 nights, each with a chance of 30 % to hold a real effect: false ones are 5 % or fewer of those found."""
    rng = np.random.default_rng(8)
    false = found = 0
    for _ in range(100):
        discovered = []
        for real in rng.random(60) < 0.3:
            p = rng.beta(0.03, 1) if real else rng.random()
            discovered.append(bool(p <= level(discovered, 0.05)))
            found += discovered[-1]
            false += discovered[-1] and not real
    assert found > 300
    assert false <= 0.05 * found
