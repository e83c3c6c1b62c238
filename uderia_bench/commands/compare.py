"""The two files of a quick comparison, read from the run itself: one pair of files a query.

Source: docs/reference/seed.md, "Quick comparison".
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import exp, sqrt

from uderia_bench.analysis.verdict import MIN_UNITS
from uderia_bench.plugins import Plugins
from uderia_bench.printable import count_of
from uderia_bench.reading import profile_types as type_registry
from uderia_bench.reading.metrics import observe
from uderia_bench.report.content import Report
from uderia_bench.report.seed.files import SeedComparison, SeedProfile, SeedTrial, to_test_run
from uderia_bench.report.seed.markdown import to_comparison_markdown
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run
from uderia_bench.stats.sample_size import effect_seen
from uderia_bench.trace import Trace
from uderia_bench.trial import Stage, TrialRecord

Read = tuple[TrialRecord, Trace]


REPEAT_SD = 0.3  # of log times of one query between repeats (docs/explanation/statistics.md, "Unit and design")
QUERY_SD = 0.15  # of the log ratio of two arms between queries (the same place)
_ALPHA = 0.05 / 3  # the three planned metrics share 5 %


def outlook(*, queries: int, repeats: int) -> tuple[str, ...]:
    """Return which difference of times this many queries and repeats can show, and what to ask where that is too little.

    Assumes the usual spread of times; ``power`` computes the same from a finished run.
    """
    units, what = (repeats, "repeat") if queries == 1 else (queries, "query")
    if units < MIN_UNITS:
        way_out = "--repeats 10" if queries == 1 else f"{MIN_UNITS} queries or more, or one query with --repeats 10"
        return (f"{count_of(units, what)} cannot give a verdict, which needs at least {MIN_UNITS}: use {way_out}",)
    variance = 2 * REPEAT_SD**2 if queries == 1 else QUERY_SD**2 + 2 * REPEAT_SD**2 / repeats
    effect = exp(effect_seen(units, alpha=_ALPHA) * sqrt(variance))
    return (
        f"{count_of(units, what)} can show a difference of {effect:.2g} times (80 % power, with the usual spread of times)",
    )


def write(plugins: Plugins, run: Run, made: Report) -> None:
    """Write ``test_run_<timestamp>.json`` and ``comparison_<timestamp>.md``, numbered from the second query on."""
    at = datetime.now(UTC)
    speed = run.experiment.sim.speed if run.manifest.embedded else None
    by_query: dict[str, list[Read]] = {}
    with Ledger.open(run.directory.ledger) as ledger:
        for record in ledger.records():
            if record.trial.stage is Stage.MEASURED:
                read = (record, type_registry.read(record, plugins.profile_types))
                by_query.setdefault(record.trial.query_id, []).append(read)
    for number, reads in enumerate(by_query.values(), 1):
        sides = [[read for read in reads if read[0].trial.arm == arm.name] for arm in run.experiment.arms]
        if not all(sides):
            continue  # an interrupted run: one profile was never asked this
        comparison = SeedComparison(
            query=reads[0][0].trial.prompt,
            at=at,
            profile1=_profile(sides[0], plugins),
            profile2=_profile(sides[1], plugins),
            embedded_speed=speed,
            analysis=made.analysis if len(by_query) == 1 else None,
        )
        stamp = f"{at:%Y%m%d_%H%M%S}" + (f"_{number}" if number > 1 else "")
        run.directory.write(f"test_run_{stamp}.json", to_test_run(comparison))
        run.directory.write(f"comparison_{stamp}.md", to_comparison_markdown(comparison))


def _profile(reads: list[Read], plugins: Plugins) -> SeedProfile:
    record, trace = reads[0]
    return SeedProfile(
        arm=record.trial.arm,
        profile_id=record.expected.profile_id,
        profile_tag=trace.profile_tag or record.expected.profile_tag,
        profile_type=trace.profile_type or record.expected.profile_type,
        provider=trace.provider,
        model=trace.model,
        trials=tuple(_trial(*read, plugins) for read in sorted(reads, key=lambda read: read[0].trial.repeat)),
    )


def _trial(record: TrialRecord, trace: Trace, plugins: Plugins) -> SeedTrial:
    return SeedTrial(
        repeat=record.trial.repeat,
        outcome=trace.outcome.value,
        session_id=record.session_id,
        task_id=record.task_id,
        execution_path=trace.execution_path,
        tools_used=tuple(dict.fromkeys(call.name for call in trace.tool_calls)),
        llm_call_s=tuple(call.duration_s for call in trace.llm_calls if call.duration_s is not None),
        metrics=observe(trace, plugins.metrics),
    )
