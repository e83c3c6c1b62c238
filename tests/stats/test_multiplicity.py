"""Adjusted p-values: laws, and agreement with statsmodels."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from uderia_bench.stats.multiplicity import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(P_VALUES)
def test_both_are_statsmodels(p_values):
    """Adjusted values agree with statsmodels' in the order given."""
    with patch("gc.collect"):  # statsmodels collects garbage in every Holm, which takes 100 ms
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])


@given(P_VALUES)
def test_adjusting_is_monotone_and_never_helps(p_values):
    """The order of p-values is kept, none becomes smaller, none exceeds 1."""
    for adjust in (holm, benjamini_hochberg):
        adjusted = np.array(adjust(p_values))
        assert (adjusted >= np.array(p_values) - 1e-15).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= -1e-15).all()


@given(P_VALUES)
def test_holm_is_never_kinder_than_benjamini_hochberg(p_values):
    """Controlling any false alarm costs at least as much as controlling their share."""
    assert all(a >= b - 1e-12 for a, b in zip(holm(p_values), benjamini_hochberg(p_values), strict=True))


def test_an_empty_family_is_fine():
    """A family without tests has no p-values to adjust."""
    assert holm([]) == ()
    assert benjamini_hochberg([]) == ()
