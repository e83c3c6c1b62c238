"""The lines of a report on human labels."""

from uderia_bench.analysis.labelled import Labelled
from uderia_bench.reading.labels.draw import ANSWERS
from uderia_bench.report.labels import told
from uderia_bench.stats.estimate import Interval


def test_an_agreement_without_an_interval_has_the_reason():
    """As where the raters always agree."""
    alpha = Interval.none("no interval: too much alike").about(1.0, level=0.95, n=12)
    found = Labelled(
        kind=ANSWERS,
        items=12,
        raters={"ann": 12, "bob": 12},
        between=alpha,
        pairs_of_raters={"ann and bob": alpha},
        shares={},
        judge_shares={},
        judge_kappa=None,
    )
    assert told((found,))[1:] == (
        "Raters agree with each other: Krippendorff's alpha 1.00 (no interval: too much alike)",
        "ann and bob: Cohen's kappa 1.00 (no interval: too much alike)",
    )
