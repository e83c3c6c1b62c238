"""Verdicts on trials drawn from the embedded agent's own model: a planted effect must be found, and none invented.

The draws are those of the embedded server (``sim.agent.Draw``): pace and length by query, profile and trial,
and noise by call. A turn is that of a planning profile: a plan, a tactical call in each phase that takes no
fast path, and a report. No server is started.
"""

import numpy as np
import polars as pl

from uderia_bench.analysis.notebook import compare
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.sim.agent.draw import Draw, stream
from uderia_bench.sim.agent.llms import LLMS
from uderia_bench.sim.trouble.effects import Factors

QUERIES, REPEATS, MARGIN = 100, 5, 0.05
METRICS = ("latency_s", "total_tokens", "fastpath_rate")
MOST_PHASES = 4
OFTEN, SELDOM = 0.6, 0.2  # the chance that a phase needs its tactical call: fast paths in 40 and 80 % of phases
CONDITIONS = {
    "none": ({}, {}),
    "provider 15 % slower": ({}, {"factors": Factors(llm_s=1.15)}),
    "twice the fast path": ({}, {"tactical": SELDOM}),
}
RIGHT = {"provider 15 % slower": ("latency_s", "worse"), "twice the fast path": ("fastpath_rate", "better")}


def turn(seed, prompt, arm, repeat, *, factors=None, tactical=OFTEN):
    """Draw one trial: its metrics by name."""
    draw = Draw(
        seed=seed,
        profile_id=arm,
        profile_type="tool_enabled",
        prompt=prompt,
        asked_before=repeat,
        factors=factors,
        chance=False,
    )
    llm = LLMS[-1]
    phases = stream(seed, "phases", prompt).randint(1, MOST_PHASES)
    slow = sum(draw.happens(tactical) for _ in range(phases))
    seconds = tokens = 0.0
    for kind in ("plan", *["tactical"] * slow, "report"):
        into, out = draw.tokens(kind, llm)
        seconds += (llm.first_token_s + out * llm.token_s) * draw.llm_noise()
        tokens += into + out
    return {"latency_s": seconds, "total_tokens": int(tokens), "fastpath_rate": 1 - slow / phases}


def trials(seed, baseline, candidate):
    """Draw a run of two profiles that differ only in the given settings."""
    rows = []
    for arm, says in (("IDEAT", baseline), ("OPTIM", candidate)):
        for query in range(QUERIES):
            for repeat in range(REPEATS):
                identity = {"query_id": f"q{query}", "arm": arm, "repeat": repeat, "outcome": "answered"}
                rows.append(identity | turn(seed, f"question {query}", arm, repeat, **says))
    return pl.DataFrame(rows)


def verdicts(seed, condition):
    """Return the verdict on every metric of one run under a condition."""
    found = compare(
        trials(seed, *CONDITIONS[condition]),
        baseline="IDEAT",
        candidate="OPTIM",
        metrics=METRICS,
        margins=dict.fromkeys(METRICS, MARGIN),
        seed=seed,
        definitions=BUILT_IN,
    )
    return {comparison.metric: str(comparison.verdict) for comparison in found}


def study(runs):
    """Return, of ``runs`` runs a condition, in how many the planted effect was found, or one was invented."""
    counted = {}
    for condition in CONDITIONS:
        found = [verdicts(seed, condition) for seed in range(runs)]
        if condition in RIGHT:
            metric, verdict = RIGHT[condition]
            counted[condition] = sum(run[metric] == verdict for run in found) / runs
        else:
            counted[condition] = float(np.mean([bool({"better", "worse"} & set(run.values())) for run in found]))
    return counted
