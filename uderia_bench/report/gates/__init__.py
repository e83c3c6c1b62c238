"""Gates: conditions that a run must meet, written in the experiment.

::

    OPTIM.latency_s.p95 < 20s                   one number of one arm; without an arm, of every arm
    OPTIM.answered >= 99%                       a share of the trials, by outcome
    OPTIM vs IDEAT: total_tokens not worse      the verdict of a planned contrast, over all queries
    OPTIM vs IDEAT: latency_s surely not worse  the whole interval inside the margin
    issues.recursion == 0                       number of trials with this kind of issue
    OPTIM vs baseline: latency_s not worse      an arm (or every arm) against the same arm in the baseline run
    vs baseline: nothing worse                  no planned metric is worse over all queries
    vs baseline: nothing worse in any metric    no tested metric is worse

``grammar`` reads a gate and points to a mistake in it. ``evaluate`` compares it with the analysis.
The exit code comes from the standing of the report.
"""
