"""A test of changes through the product's race and report finds what helps, adopts nothing else, and asks few trials."""

import numpy as np
from calibration.trying import CHANGES, HELPFUL, PROFILE, TRUTH, one_test


def test_what_helps_is_adopted_and_nothing_else():
    """Three changes that save 15 % are adopted, with less than half of the trials of the full test."""
    found = one_test(250, np.random.default_rng(11))
    assert set(found.adopted) == set(HELPFUL)
    assert found.trials < 0.5 * 250 * len(TRUTH)


def test_without_an_effect_nothing_is_adopted():
    """The best of ten idle changes does not pass the confirmation."""
    found = one_test(120, np.random.default_rng(2), truth=dict.fromkeys((PROFILE, *CHANGES), 1.0))
    assert found.adopted == ()
