"""Every row of the recipe's known answers that the statistics implement, from the literature or from R."""

from pathlib import Path

import numpy as np
import pytest
import statsmodels

from uderia_bench.stats import bootstrap, percentile
from uderia_bench.stats.difference import student_test
from uderia_bench.stats.estimate import Interval
from uderia_bench.stats.multiplicity import benjamini_hochberg, holm
from uderia_bench.stats.permutation import sign_flip_p
from uderia_bench.stats.proportion import wilson
from uderia_bench.stats.rank import hodges_lehmann, wilcoxon_p
from uderia_bench.stats.sample_size import units_for_difference

MEAN = np.array([10, 12, 12.5, 12.5, 13.9, 15, 21, 22, 23, 34, 50, 81, 89, 121, 134, 213])
DEPRESSION = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
DEPRESSION_AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
SLEEP = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_OTHER = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
FIFTEEN = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]


def ends(interval: Interval) -> tuple[float, float]:
    """Return both ends, which must exist."""
    assert interval.lo is not None
    assert interval.hi is not None
    return interval.lo, interval.hi


@pytest.fixture(scope="module")
def mean_draws():
    """200,000 bootstrap means of the example, enough for half a percent."""
    return bootstrap.weighted_sums(bootstrap.resample_counts(16, 200_000, 1), MEAN[:, None])[:, 0] / 16


def test_the_basic_interval_of_the_draws_is_that_of_r_boot(mean_draws):
    """Reflecting our draws' percentiles about the mean gives R's basic interval: the resampling itself is right."""
    lo, hi = np.quantile(mean_draws, [0.025, 0.975])
    assert (2 * MEAN.mean() - hi, 2 * MEAN.mean() - lo) == pytest.approx((23.77, 79.12), rel=0.005)


def test_the_percentile_interval_is_that_of_r_boot(mean_draws):
    """Percentile ends agree with R's boot within half a percent."""
    assert ends(bootstrap.percentile_interval(mean_draws, 0.95)) == pytest.approx((28.86, 84.21), rel=0.005)


def test_the_bca_interval_is_that_of_r_boot(mean_draws):
    """BCa ends, bias and acceleration included, agree with R's boot within half a percent."""
    left_out = bootstrap.weighted_sums(1 - np.eye(16, dtype=np.uint16), MEAN[:, None])[:, 0] / 15
    interval = bootstrap.bca_interval(mean_draws, value=float(MEAN.mean()), jackknife=left_out, level=0.95)
    assert ends(interval) == pytest.approx((32.31, 91.43), rel=0.005)


def test_wilcoxon_and_hodges_lehmann_are_those_of_hollander_and_wolfe():
    """The signed-rank p, the shift and its exact interval are the textbook's."""
    differences = DEPRESSION - DEPRESSION_AFTER
    assert wilcoxon_p(differences) == pytest.approx(0.0390625, abs=1e-12)
    shift = hodges_lehmann(differences, level=0.95)
    assert (shift.value, shift.lo, shift.hi) == pytest.approx((0.46, 0.010, 0.786), abs=5e-4)


def test_the_sleep_data_give_students_interval_and_the_exact_permutation_p():
    """Student's own example: his interval, and the p of all 1,024 sign patterns."""
    differences = SLEEP - SLEEP_OTHER
    assert ends(student_test(differences).interval(0.95)) == pytest.approx((-2.4598858, -0.7001142), abs=1e-7)
    assert sign_flip_p(differences, seed=0) == pytest.approx(0.00390625, abs=1e-12)


def test_the_fifteen_p_values_of_benjamini_and_hochberg():
    """Their procedure rejects four hypotheses, Holm's three, with the adjusted values of the paper's data."""
    by_rate, by_error = benjamini_hochberg(FIFTEEN), holm(FIFTEEN)
    assert sum(p <= 0.05 for p in by_rate) == 4
    assert sum(p <= 0.05 for p in by_error) == 3
    assert by_rate[:4] == pytest.approx((0.0015, 0.003, 0.0095, 0.035625), abs=1e-12)
    assert by_error[:4] == pytest.approx((0.0015, 0.0056, 0.0247, 0.1140), abs=1e-12)


def test_proportions_are_those_of_newcombe():
    """Wilson's interval, all successes included."""
    assert ends(wilson(81, 263, level=0.95)) == pytest.approx((0.25529, 0.36621), abs=5e-6)
    assert ends(wilson(15, 15, level=0.95)) == pytest.approx((0.79612, 1.0), abs=5e-6)


def test_power_is_that_of_the_noncentral_t():
    """33.4 pairs for 80 % at d = .5."""
    assert units_for_difference(0.5, alpha=0.05) == pytest.approx(33.367, abs=5e-4)


def test_percentiles_have_their_floors():
    """Two-sided 95 % intervals begin at 6, 29, 59 and 299 independent observations."""
    assert [percentile.floor(percent, 0.95) for percent in (50, 90, 95, 99)] == [6, 29, 59, 299]


def test_the_clustered_standard_error_is_that_of_petersen():
    """His 500 firms in 10 years: the slope is a ratio of sums over firms, and its clustered error the linearised one."""
    table = np.loadtxt(Path(statsmodels.__file__).parent / "stats" / "tests" / "test_data.txt")
    firm = np.unique(table[:, 0], return_inverse=True)[1]
    x, y = (table[:, column] - table[:, column].mean() for column in (2, 3))
    studied = bootstrap.studentised_mean(
        np.bincount(firm, weights=x * y), sizes=np.bincount(firm, weights=x**2), seed=1, draws=9
    )
    assert studied.value == pytest.approx(1.03483, abs=5e-6)
    of_two_parameters = np.sqrt(4_999 / 4_998)  # Stata's correction, by which the published error is larger
    assert studied.standard_error * of_two_parameters == pytest.approx(0.05059573, abs=5e-9)


def test_the_clustered_standard_error_of_a_mean_is_statsmodels():
    """Statsmodels' cluster-robust error of a mean is ours, on unequal clusters."""
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 6, 40)
    groups = np.repeat(np.arange(40), sizes)
    values = rng.normal(10, 2, 40)[groups] + rng.normal(0, 1, groups.size)
    fitted = sm.OLS(values, np.ones(values.size)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    studied = bootstrap.studentised_mean(np.bincount(groups, weights=values), sizes=np.bincount(groups).astype(float), seed=1)
    assert studied.value == pytest.approx(fitted.params[0])
    assert studied.standard_error == pytest.approx(fitted.bse[0], rel=1e-9)
