"""Check that the arms of a contrast were asked at the same time, from when their trials were sent.

A plan lets the arms take turns. Trials that the server did not accept are asked again by ``resume``, which may be a day
later. If most of them are of one arm, a drift of the provider looks like a difference between the arms.
"""

from __future__ import annotations

import numpy as np

from uderia_bench.analysis.trials import Trials

SENT = "sent_at"

# Arms that take turns are at 50 %, and the trials in flight when a small run is killed can make 62 %. With a drift of sd .10
# as AR(1) over the whole time, 100 x 2 trials of equal arms reject in 4 % of 100 runs at 60 %, 10 % at 65 % and 21 % at 100 %.
MOST_AFTER = 0.65


def asked_apart(trials: Trials, baseline: str, candidate: str) -> str | None:
    """Return why a contrast is confounded with the time of asking; None where it is not, or the trials do not say when.

    Arms on different servers do not take turns: there the servers are compared too.
    """
    if SENT not in trials.frame.columns or (order := trials.order()) is None:
        return None
    arms = [trials.arm(baseline), trials.arm(candidate)]
    if (servers := trials.servers()) is not None:
        known = [np.unique(servers[:, arm][np.isfinite(servers[:, arm])]) for arm in arms]
        if all(one.size for one in known) and not np.isin(known[0], known[1]).any():
            return None
    both = trials.asked[:, arms].all(axis=1)
    before, after = (np.sort(order[:, arm][both & trials.answered[:, arm] & np.isfinite(order[:, arm])]) for arm in arms)
    if not before.size or not after.size:
        return None
    share = float(np.searchsorted(before, after).mean()) / before.size
    later, first = (candidate, baseline) if share >= 0.5 else (baseline, candidate)
    share = max(share, 1 - share)
    if share <= MOST_AFTER:
        return None
    return (
        f"confounded with the time of asking: {later} was mostly asked after {first} (in {share:.0%} of the pairs of their "
        "trials; arms that take turns have 50%). A drift of the provider would look like a difference: "
        "resume the run if it has trials left, else run the experiment again"
    )
