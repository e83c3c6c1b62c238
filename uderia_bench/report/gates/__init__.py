"""Gates: what a run must keep to, written in the experiment, judged by the report's own numbers.

::

    OPTIM.latency_s.p95 < 20s                   one number of one arm; without an arm, of every arm
    OPTIM.answered >= 99%                       a share of the trials, by outcome
    OPTIM vs IDEAT: total_tokens not worse      the verdict of a planned contrast, over all queries
    OPTIM vs IDEAT: latency_s surely not worse  the whole interval inside the margin
    issues.recursion == 0                       how many trials a detector found something in
    OPTIM vs baseline: latency_s not worse      an arm, or without one every arm, against its namesake in the baseline run
    vs baseline: nothing worse                  no verdict over all queries on any metric

``grammar`` reads a gate and points into it where it is wrong; ``judging`` holds it against an analysis. Neither decides an exit
code: the report's standing does.
"""

from uderia_bench.report.gates.evaluate import evaluate, nothing_worse
from uderia_bench.report.gates.gate import (
    Against,
    BaselineGate,
    ContrastGate,
    Gate,
    IssueGate,
    MetricGate,
    Misread,
    Names,
    OutcomeGate,
    names_of,
)
from uderia_bench.report.gates.grammar import parse

__all__ = [
    "Against",
    "BaselineGate",
    "ContrastGate",
    "Gate",
    "IssueGate",
    "MetricGate",
    "Misread",
    "Names",
    "OutcomeGate",
    "evaluate",
    "names_of",
    "nothing_worse",
    "parse",
]
