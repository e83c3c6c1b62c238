"""A small run of the calibration of judges: the models are what their names say, and the product does not confirm a bias."""

from pathlib import Path

import numpy as np
import pytest
from calibration import judges

from uderia_bench.reading.judge import pairs

pytestmark = pytest.mark.no_cover  # a simulation: thousands of judgements of the same kind
HERE = Path(__file__).parent


def test_the_judges_have_the_biases_that_they_are_named_for():
    """Of equal answers, one chooses the first in 70 %, one the longer one in 79 %, and a sound one mostly sees a tie."""
    rng = np.random.default_rng(1)
    first = [judges.POSITION.choose("a b", "c d", rng) == pairs.FIRST for _ in range(4_000)]
    assert abs(np.mean(first) - 0.7) < 0.025
    longer = [judges.LENGTH.choose("a" * 30, "a" * 10, rng) for _ in range(4_000)]
    assert abs(longer.count(pairs.FIRST) / (4_000 - longer.count(pairs.TIE)) - 0.79) < 0.03
    assert [judges.SOUND.choose("a", "b", rng) for _ in range(1_000)].count(pairs.TIE) > 700


def test_the_swap_removes_a_bias_of_position():
    """Equal arms stay near one half in both orders, where one order alone is far off, and no difference is found."""
    rng = np.random.default_rng(2)
    values, raw = judges.preferences(judges.answers(rng, 200), judges.POSITION, rng)
    assert abs(values.mean() - 0.5) < 0.08
    assert raw.mean() < 0.4
    assert not judges.rejects(values, 1)


def test_a_biased_judge_fails_its_probe_and_a_sound_one_passes():
    """Once each; the table has the shares of a hundred."""
    rng = np.random.default_rng(3)
    for name, judge in judges.BIASES.items():
        assert name in judges.failed(judge, rng)
    assert judges.failed(judges.SOUND, rng) == set()


def test_labels_correct_a_judge_that_errs_more_on_one_arm():
    """Its own interval misses the truth far more often than the corrected one."""
    rng = np.random.default_rng(4)
    drawn = [judges.labelled(rng) for _ in range(100)]
    assert sum(lo <= judges.TRUTH <= hi for (lo, hi), _, _ in drawn) >= 88
    assert sum(lo <= judges.TRUTH <= hi for _, (lo, hi), _ in drawn) <= 70


def test_the_table_has_every_row():
    """The page that the docs show is what a run of the calibration writes."""
    rows = [line for line in (HERE / "judges.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    found = [row[:2] for row in judges.study(4)]
    assert [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in rows[1:]] == [tuple(row) for row in found]
