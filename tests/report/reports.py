"""Builders of reports by hand: every number that a test rests on is given in the test, the rest has a default."""

from datetime import UTC, datetime

from uderia_bench.analysis.values import Analysis, ArmSummary, Comparison, MetricSummary, Verdict, Winner
from uderia_bench.reading.metrics.metric import Across, Assumption, Direction, Metric
from uderia_bench.report.content import Report, RunFacts
from uderia_bench.stats.estimate import Effect, Estimate

LOW, HIGH, NEUTRAL = Direction.LOWER, Direction.HIGHER, Direction.NEUTRAL


def metric(name, unit="1", *, kind=float, direction=LOW, assumption=Assumption.POSITIVE, across=Across.TESTED, **rest):
    """Define a metric that reads nothing."""
    return Metric(
        name=name,
        family="test",
        doc=f"{name}, as a test defines it.",
        unit=unit,
        kind=kind,
        direction=direction,
        assumption=assumption,
        read=lambda _: None,
        across=across,
        **rest,
    )


METRICS = (
    metric("latency_s", "s"),
    metric("total_tokens", "tokens", kind=int),
    metric("cost_usd", "usd"),
    metric("answered", kind=bool, direction=HIGH, assumption=Assumption.RATE),
    metric("checks_passed_ratio", direction=HIGH, assumption=Assumption.RATE),
    metric("ms_per_token", "ms"),
    metric("fastpath_rate", direction=HIGH, assumption=Assumption.RATE),
    metric(
        "direct_tool_rate", direction=HIGH, assumption=Assumption.RATE, across=Across.STRUCTURAL, across_reason="architecture"
    ),
    metric(
        "llm_calls",
        kind=int,
        direction=NEUTRAL,
        assumption=Assumption.AMOUNT,
        across=Across.SHOWN,
        across_reason="architecture",
    ),
)


def estimate(value, half=None, *, n=24, missing=0, warnings=(), method="bootstrap-t"):
    """Make an estimate with a symmetric interval, none where ``half`` is None."""
    lo, hi = (None, None) if half is None or value is None else (value - half, value + half)
    return Estimate(value=value, lo=lo, hi=hi, level=0.95, n=n, missing=missing, method=method, warnings=tuple(warnings))


def summary(name, mean, half=None, *, n=120, missing=0, percentiles=None, warnings=()):
    """Say one metric of one arm; percentiles as {50: (value, half), …}, by default the mean stretched."""
    if percentiles is None:
        stretch = {50: 0.9, 90: 1.5, 95: 1.8, 99: 2.4}
        floors = {90: 29, 95: 59, 99: 299}
        percentiles = {}
        for p, by in stretch.items():
            around = None if p in floors else mean * 0.05
            percentiles[p] = estimate(mean * by, around, warnings=_floor(p, floors))
    return MetricSummary(
        metric=name, n=n, missing=missing, mean=estimate(mean, half), percentiles=percentiles, warnings=tuple(warnings)
    )


def _floor(p, floors):
    return (f"no 95% interval for p{p}: needs {floors[p]} queries, has 24",) if p in floors else ()


def arm(name, *metrics, answered=120, profile_type="llm_only", **others):
    """Make an arm whose trials ended as named."""
    outcomes = {"answered": answered, **others}
    return ArmSummary(
        arm=name,
        profile_type=profile_type,
        trials=sum(outcomes.values()),
        outcomes=outcomes,
        metrics={m.metric: m for m in metrics},
    )


def ratio(value, lo=None, hi=None):
    """Make a ratio effect."""
    return Effect(kind="ratio", value=value, lo=lo, hi=hi, level=0.95, method="bootstrap-t")


def difference(value, lo=None, hi=None):
    """Make a difference effect."""
    return Effect(kind="difference", value=value, lo=lo, hi=hi, level=0.95, method="bootstrap-t")


def comparison(name, effect, verdict, *, stratum="all", pair=("IDEAT", "OPTIM"), p=0.0002, p_adjusted=None, **rest):
    """Make a comparison of OPTIM against IDEAT in the primary family."""
    given = {"family": "primary", "n_queries": 24, "n_pairs": 118, "margin": 0.05, "test": "sign-flip permutation"} | rest
    return Comparison(
        baseline=pair[0],
        candidate=pair[1],
        metric=name,
        stratum=stratum,
        effect=effect,
        p=p,
        p_adjusted=p if p_adjusted is None else p_adjusted,
        verdict=Verdict(verdict),
        **given,
    )


def winner(stratum, arm_name, reason="because", pair=("IDEAT", "OPTIM")):
    """Say who wins a class of queries."""
    return Winner(stratum=stratum, baseline=pair[0], candidate=pair[1], arm=arm_name, reason=reason)


def facts(**given):
    """Give the facts of a run on the embedded server."""
    default = {
        "run_id": "20261124-130700-7",
        "experiment": "quickstart",
        "servers": ("sim",),
        "embedded_speed": 20.0,
        "corpus": "starter",
        "corpus_hash": "a1b2c3d4e5f60718293a",
        "queries": 24,
        "repeats": 5,
        "seed": 7,
        "isolation": "arm",
        "concurrency": 8,
        "planned": 240,
        "settled": {"answered": 236, "failed": 3, "timed_out": 1},
        "started_at": datetime(2026, 11, 24, 13, 7, tzinfo=UTC),
        "ended_at": datetime(2026, 11, 24, 13, 7, 38, tzinfo=UTC),
        "versions": {"uderia-bench": "0.1.0", "python": "3.11"},
        "files": ("output/20261124-130700-7/report.md", "output/20261124-130700-7/report.json"),
    }
    return RunFacts(**(default | given))


def report(*, arms=(), comparisons=(), winners=(), warnings=(), metrics=METRICS, learning=(), looks=(), **given):
    """Make a report of what is given; the rest has a default."""
    analysis = Analysis(
        arms=tuple(arms),
        comparisons=tuple(comparisons),
        winners=tuple(winners),
        warnings=tuple(warnings),
        confidence=0.95,
        correction="holm",
        seed=7,
        learning=tuple(learning),
        looks=tuple(looks),
    )
    return Report(**({"facts": facts(), "analysis": analysis, "metrics": tuple(metrics)} | given))


def ideat_and_optim():
    """Make two arms: IDEAT takes three seconds and OPTIM twenty, with fewer tokens. Both answer nearly everything."""
    ideat = arm(
        "IDEAT",
        summary("latency_s", 3.21, 0.16),
        summary("total_tokens", 16437, 480),
        summary("cost_usd", 0.00212, 0.00007),
        summary("answered", 0.9917, 0.012, percentiles={}),
        summary("checks_passed_ratio", 0.953, 0.031, percentiles={}),
        summary("ms_per_token", 0.196, 0.011),
        summary("direct_tool_rate", 0.0, percentiles={}),
        summary("llm_calls", 1.72, 0.09),
        answered=119,
        failed=1,
    )
    optim = arm(
        "OPTIM",
        summary("latency_s", 20.14, 1.2, missing=3, n=117),
        summary("total_tokens", 11998, 640, missing=3, n=117),
        summary("cost_usd", 0.00214, 0.00011, missing=3, n=117),
        summary("answered", 0.975, 0.021, percentiles={}),
        summary("checks_passed_ratio", 0.984, 0.012, percentiles={}),
        summary("ms_per_token", 1.694, 0.12, missing=3, n=117),
        summary("fastpath_rate", 0.643, 0.041, percentiles={}, missing=3, n=117),
        summary("direct_tool_rate", 0.881, 0.02, percentiles={}),
        summary("llm_calls", 3.9, 0.2),
        profile_type="tool_enabled",
        answered=117,
        failed=2,
        timed_out=1,
    )
    return ideat, optim


def seed_story(**given):
    """Make a whole report of a plausible run: a winner each, everything that can be footnoted footnoted."""
    more = "about 40 more queries would settle it"
    comparisons = (
        comparison("latency_s", ratio(6.26, 5.88, 6.66), "worse", p=0.0001, p_adjusted=0.0003),
        comparison("total_tokens", ratio(0.731, 0.69, 0.774), "better", p=0.0001, p_adjusted=0.0003),
        comparison("cost_usd", ratio(1.012, 0.961, 1.066), "inconclusive", p=0.64, advice=more),
        comparison("answered", difference(-0.0167, -0.05, 0.017), "inconclusive", p=0.41, family="exploratory", margin=None),
        comparison("checks_passed_ratio", difference(0.031, 0.004, 0.058), "better", p=0.021, family="exploratory",
                   margin=None),
        comparison("ms_per_token", ratio(8.6, 7.9, 9.4), "worse", family="exploratory", margin=None),
        comparison("fastpath_rate", difference(None), "structural", p=None, family="structural", margin=None,
                   warnings=("structural: no phases in IDEAT",)),
        comparison("direct_tool_rate", difference(0.881, 0.86, 0.902), "structural", family="structural", margin=None,
                   warnings=("restates architecture: data tools without an LLM's choice",)),
        comparison("llm_calls", difference(None), "structural", p=None, family="structural", margin=None,
                   warnings=("not compared across profile types: the architectures differ",)),
        comparison("latency_s", ratio(6.9, 6.4, 7.4), "worse", stratum="complexity=simple", n_queries=12, n_pairs=59),
        comparison("total_tokens", ratio(0.68, 0.63, 0.73), "better", stratum="complexity=simple", n_queries=12, n_pairs=59),
        comparison("cost_usd", ratio(1.13, 1.08, 1.19), "worse", stratum="complexity=simple", n_queries=12, n_pairs=59),
        comparison("latency_s", ratio(5.1, 4.6, 5.7), "worse", stratum="complexity=complex", n_queries=9, n_pairs=43),
        comparison("total_tokens", ratio(0.81, 0.74, 0.89), "better", stratum="complexity=complex", n_queries=9, n_pairs=43),
        comparison("cost_usd", ratio(0.94, 0.87, 1.02), "inconclusive", stratum="complexity=complex", n_queries=9, p=0.12,
                   advice="about 25 more queries would settle it"),
        comparison("answered", difference(0.0, -0.02, 0.02), "inconclusive", stratum="complexity=complex", p=1.0,
                   family="exploratory", n_queries=9),
        comparison("checks_passed_ratio", difference(0.081, 0.034, 0.128), "better", stratum="complexity=complex", p=0.004,
                   family="exploratory", n_queries=9),
    )  # fmt: skip
    default = {
        "arms": ideat_and_optim(),
        "comparisons": comparisons,
        "winners": (
            winner("simple", "IDEAT", "better on time, not worse on cost"),
            winner("complex", "OPTIM", "no difference in success, better checks"),
        ),
        "warnings": ("repeats get faster: the planner keeps plans (lag-1 autocorrelation 0.12)",),
    }
    return report(**(default | given))
