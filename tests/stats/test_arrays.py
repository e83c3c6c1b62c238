"""What counts as equal."""

import numpy as np
import pytest

from uderia_bench.stats.arrays import is_flat, mode


def test_rounding_is_no_spread():
    """Values that differ in their last bits are flat; a difference in the ninth digit is one."""
    assert is_flat(np.array([0.1 + 0.2, 0.3]))
    assert is_flat(np.array([]))
    assert not is_flat(np.array([1.0, 1.0 + 1e-9]))


@pytest.mark.parametrize(
    ("values", "common", "share"),
    [([0, 0, 0, 1], 0, 0.75), ([0.3 - 0.2, 0.1, 5.0], 0.1, 2 / 3), ([7], 7, 1.0), ([2, 1], 1, 0.5), ([5, 5, 1e6], 5, 2 / 3)],
)
def test_the_commonest_value_has_its_share(values, common, share):
    """Equal but for rounding is equal; of equally common values it is the smallest."""
    assert mode(np.array(values, dtype=float)) == pytest.approx((common, share))
