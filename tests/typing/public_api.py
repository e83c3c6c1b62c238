"""Types of the public API as a user's type checker sees them; ``make lint`` checks this file with mypy and never runs it.

Each ``type: ignore`` marks a call that must be an error: mypy reports an ignore that is not needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import polars as pl

import uderia_bench as ub
from uderia_bench import plugins
from uderia_bench.analysis.values import Comparison
from uderia_bench.documents.corpus import Corpus, Query
from uderia_bench.plugins import (
    Answer,
    Assumption,
    Candidate,
    Detector,
    Direction,
    Evidence,
    Exchange,
    ExpectationKind,
    Finding,
    Judged,
    Kind,
    Lever,
    Metric,
    ProfileType,
    Setting,
    Severity,
    Thresholds,
    Trace,
    assemble,
    of_turn,
)


def notebook() -> None:
    """Load runs, compare two arms, and read percentiles."""
    assert_type(ub.__version__, str)
    assert_type(ub.load(), pl.DataFrame)
    assert_type(ub.load(Path("output/a")), pl.DataFrame)
    assert_type(ub.scan(["a", "b*"], table="steps"), pl.LazyFrame)
    trials = ub.load(["a", "b*"], output=Path("runs"))
    assert_type(ub.percentiles(trials, "latency_s"), pl.DataFrame)
    assert_type(ub.percentiles(trials.lazy(), ["latency_s"], by=["arm", "model"], percents=[50, 99]), pl.DataFrame)
    assert_type(ub.query_effects(trials, "latency_s", baseline="A", candidate="B"), pl.DataFrame)
    assert_type(ub.steps("a"), pl.DataFrame)
    assert_type(ub.checks(["a", "b"]), pl.DataFrame)
    assert_type(ub.answers(Path("output/a")), pl.DataFrame)
    assert_type(ub.columns(), pl.DataFrame)
    assert_type(ub.diff("a", "b", arm="OPTIM"), list[Comparison])
    result = ub.compare(
        trials, baseline="IDEAT", candidate="OPTIM", metrics=["latency_s"], margins={"latency_s": 0.1, "answered": "5%"}
    )
    assert_type(result, list[Comparison])
    assert_type(result[0].effect.value, float | None)
    assert_type(result[0].effect.lo, float | None)
    assert_type(result[0].effect.hi, float | None)
    assert_type(result[0].p_adjusted, float | None)
    assert_type(result[0].warnings, tuple[str, ...])
    assert_type(ub.corpus.load(Path("corpus.yaml")), Corpus)
    assert_type(ub.corpus.load(Path("corpus.yaml")).queries, tuple[Query, ...])


def mistakes() -> None:
    """Make the mistakes that a type checker should find."""
    trials = ub.load(3)  # type: ignore[arg-type]
    ub.compare(trials, baseline="IDEAT", metrics="latency_s")  # type: ignore[call-arg]
    ub.compare(trials, baseline="A", candidate="B", metrics="latency_s", correction="none at all")  # type: ignore[arg-type]
    ub.percentiles([1, 2], "latency_s")  # type: ignore[arg-type]
    ub.compare(trials, baseline="A", candidate="B", metrics="latency_s")[0].effect.value + 1  # type: ignore[operator]
    Metric(name="answer_words")  # type: ignore[call-arg]


def words(trace: Trace) -> int | None:
    """Count the words of an answer."""
    assert_type(trace.answer, str | None)
    return None if trace.answer is None else len(trace.answer.split())


def long_answer(trace: Trace, _: Thresholds) -> tuple[Finding, ...]:
    """Find long answers."""
    assert_type(of_turn("too long"), Evidence)
    return (Finding(evidence=(of_turn("too long"),)),) if (words(trace) or 0) > 200 else ()


def recognise(exchange: Exchange) -> bool:
    """Recognise a profile type by one of its events."""
    return "echo_complete" in exchange.by_kind


def read(exchange: Exchange) -> Trace:
    """Read a turn of that type."""
    return assemble(exchange, Kind(profile_type="echo", execution_path="echo"))


def at_most(answer: Answer, limit: int) -> Judged:
    """Judge the length of an answer."""
    found = len(answer.text.split())
    return Judged(passed=found <= limit, found=f"{found} words")


WORDS = Metric(
    name="answer_words",
    family="answer",
    doc="Words in the answer's text.",
    unit="1",
    kind=int,
    direction=Direction.NEUTRAL,
    assumption=Assumption.AMOUNT,
    read=words,
)
LONG = Detector(
    name="long_answer",
    doc="The answer has more than 200 words.",
    severity=Severity.INFO,
    recommendation="Ask for a shorter answer.",
    find=long_answer,
)
ECHO = ProfileType(name="echo", doc="A profile that repeats the question.", recognises=recognise, read=read)
AT_MOST = ExpectationKind(name="max_words", doc="The answer has at most this many words.", judge=at_most)


def fewer_tools(setting: Setting) -> tuple[Candidate, ...]:
    """Propose the tools that the profile called."""
    assert_type(setting.called, tuple[str, ...])
    return (Candidate(name="called", changes={"fields": {"tools": list(setting.called)}}),)


FEWER = Lever(name="fewer", doc="Keep the tools that were called.", answers=("long_answer",), propose=fewer_tools)


def installed() -> None:
    """Read the plug-ins that are installed."""
    assert_type(plugins.load().metrics, tuple[Metric, ...])
    assert_type(plugins.load().detectors, tuple[Detector, ...])
    assert_type(plugins.load().profile_types, tuple[ProfileType, ...])
    assert_type(plugins.load().expectations, tuple[ExpectationKind, ...])
    assert_type(plugins.load().levers, tuple[Lever, ...])
