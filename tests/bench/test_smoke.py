"""The benchmark smoke measures ratios of CPU time and fails on a threefold slow-down."""

import pytest
from bench import smoke


@pytest.mark.parametrize("name", smoke.USUAL)
def test_a_threefold_slow_down_fails_and_a_noisy_machine_passes(name):
    """The error names the function and the factor."""
    assert smoke.too_slow({name: 1.5 * smoke.USUAL[name]}) == []
    (error,) = smoke.too_slow({name: 3 * smoke.USUAL[name]})
    assert error.startswith(f"{name} takes 3.0 times its usual CPU time")


@pytest.mark.no_cover
def test_a_ratio_is_cpu_time_over_that_of_the_reference():
    """Three references take about three times as long as one, whatever else the machine does."""
    measured = smoke.ratios({"thrice": lambda: [smoke.reference() for _ in range(3)]}, rounds=2)
    assert 2 < measured["thrice"] < 4.5


@pytest.mark.no_cover
def test_derive_and_analyse_are_measured(tmp_path):
    """Both works run on the data that is built for them."""
    works = smoke.works(tmp_path)
    assert works.keys() == smoke.USUAL.keys()
    assert works["derive"]() == smoke.TRIALS
    assert len(works["analyse"]().comparisons) >= 1
