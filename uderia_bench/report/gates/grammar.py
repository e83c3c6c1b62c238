"""Read a gate, or say where in it the mistake is and what could stand there instead. It judges nothing.

::

    gate      = contrast | baseline | (quantity | outcome | issue) OPERATOR NUMBER [UNIT]
    contrast  = ARM "vs" ARM ":" METRIC judged
    baseline  = [ARM] "vs" "baseline" ":" (METRIC judged | "nothing" "worse")
    judged    = ["not"] VERDICT | "surely" "not" "worse"
    quantity  = [ARM "."] METRIC "." STATISTIC
    outcome   = [ARM "."] OUTCOME
    issue     = "issues" "." KIND

An arm's name may hold spaces and dots: the names of the experiment's arms are tried before anything else, the longest first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypedDict

from uderia_bench.analysis import Verdict
from uderia_bench.documents.yaml import suggestion
from uderia_bench.reading.metrics.metric import Direction, Metric
from uderia_bench.report.gates.gate import (
    OPERATORS,
    STATISTICS,
    BaselineGate,
    ContrastGate,
    Gate,
    IssueGate,
    MetricGate,
    Misread,
    Names,
    OutcomeGate,
)
from uderia_bench.report.gates.limits import limit
from uderia_bench.report.gates.reader import Reader, Word
from uderia_bench.trial import Outcome

_ISSUES = "issues"
_VERSUS = "vs"
_BASELINE = "baseline"
_NOTHING = "nothing"
_VERDICTS = (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT)  # what a gate may ask for; the others are no result
_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_EXAMPLE = "such as OPTIM.latency_s.p95 < 20s, OPTIM.answered >= 99% or OPTIM vs IDEAT: total_tokens not worse"


def parse(text: str, names: Names) -> Gate:
    """Return the gate; raises ``Misread``, which points into ``text``, where it is none or speaks of what there is not."""
    reader = Reader(text)
    if reader.at_end:
        raise reader.misread(f"is empty; write a gate {_EXAMPLE}")
    first = reader.one_of(names.arms, followed_by=(".", " "))
    if first is not None and reader.takes_word(_VERSUS):
        return _baseline(reader, first.text, names) if _means_run(reader, names) else _contrast(reader, first, names)
    if first is None and reader.takes_word(_VERSUS):
        if not _means_run(reader, names):
            said = f"{_VERSUS} without an arm before it goes with {_BASELINE} only, for every arm"
            raise reader.misread(said, reader.word(said))
        return _baseline(reader, None, names)
    if first is not None:
        reader.expect(".", f"after an arm comes a dot and a name, or {_VERSUS} and another arm")
        return _of_arm(reader, first.text, reader.word("name a metric or an outcome"), names)
    word = reader.word(f"a gate begins with an arm, a metric, an outcome or {_ISSUES}, {_EXAMPLE}")
    if reader.sees_word(_VERSUS) or not (reader.sees(".") or reader.sees_operator() or reader.at_end):
        raise _unknown_start(reader, word, names)
    if word.text == _ISSUES:
        return _issue(reader, names)
    if word.text not in names.metrics and word.text not in _OUTCOMES:
        raise _unknown_start(reader, word, names)
    return _of_arm(reader, None, word, names)


def _unknown_start(reader: Reader, word: Word, names: Names) -> Misread:
    """Say what the first word should have been: an arm where something belongs to it, else any name a gate may begin with."""
    if word.text in names.arms:
        return reader.misread(f"after an arm comes a dot and a name, or {_VERSUS} and another arm")
    belongs = reader.rest()
    is_arm = belongs.startswith(f"{_VERSUS} ") or belongs.count(".") > 1
    second = belongs.removeprefix(".").split(" ")[0]
    if is_arm or second in names.metrics or second in _OUTCOMES:
        return reader.misread(f"no arm is named {word.text!r}{suggestion(word.text, names.arms)}", word)
    if second in STATISTICS:
        return _no_metric(reader, word, names.metrics)
    near = difflib.get_close_matches(word.text, (*names.arms, *names.metrics, *_OUTCOMES, _ISSUES), n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; write a gate {_EXAMPLE}"
    return reader.misread(f"{word.text!r} is no arm, no metric and no outcome{hint}", word)


def _of_arm(reader: Reader, arm: str | None, name: Word, names: Names) -> Gate:
    """Read what follows an arm, or stands without one: a metric's number, or an outcome's share."""
    metric = names.metrics.get(name.text)
    if metric is not None and reader.sees("."):
        reader.expect(".", "")
        statistic = reader.word(f"name a number of {metric.name}: {_listed(STATISTICS)}")
        if statistic.text not in STATISTICS:
            raise reader.misread(f"a metric has no {statistic.text!r}{suggestion(statistic.text, STATISTICS)}", statistic)
        operator = _operator(reader)
        value = limit(reader, metric)
        reader.expect_end()
        return MetricGate(text=reader.text, arm=arm, metric=metric, statistic=statistic.text, operator=operator, limit=value)
    if name.text in _OUTCOMES:
        operator = _operator(reader)
        value = limit(reader, None)
        reader.expect_end()
        return OutcomeGate(text=reader.text, arm=arm, outcome=Outcome(name.text), operator=operator, limit=value)
    if metric is not None:
        raise reader.misread(f"say which number of {metric.name}: {_listed(f'{metric.name}.{s}' for s in STATISTICS)}", name)
    raise _no_metric(reader, name, (*names.metrics, *_OUTCOMES), "no metric and no outcome")


def _issue(reader: Reader, names: Names) -> IssueGate:
    reader.expect(".", f"{_ISSUES} are counted by kind, as in issues.recursion == 0")
    kind = reader.word("name a kind of issue")
    if kind.text not in names.issues:
        known = suggestion(kind.text, names.issues) or "; no detector is installed"
        raise reader.misread(f"no kind of issue is named {kind.text!r}{known}", kind)
    operator = _operator(reader)
    number = reader.number()
    if "." in number.text or number.text.startswith("-"):
        raise reader.misread("issues are counted in trials: write a whole number", number)
    if reader.sees_unit():
        raise reader.misread("issues are counted in trials: a count has no unit", reader.unit())
    reader.expect_end()
    return IssueGate(text=reader.text, kind=kind.text, operator=operator, limit=float(number.text))


def _contrast(reader: Reader, candidate: Word, names: Names) -> ContrastGate:
    baseline = reader.one_of(names.arms, followed_by=(":", " :"))
    if baseline is None:
        other = reader.until_colon(f"name the arm that {candidate.text} is held against")
        if other.text in names.arms:
            raise reader.misread("a colon and a metric belong here, as in OPTIM vs IDEAT: latency_s not worse")
        others = (*names.arms, *([_BASELINE] if names.baseline else []))
        raise reader.misread(f"no arm is named {other.text!r}{suggestion(other.text, others)}", other)
    if baseline.text == candidate.text:
        raise reader.misread("an arm is not compared with itself", baseline)
    if not {(baseline.text, candidate.text), (candidate.text, baseline.text)} & set(names.contrasts):
        planned = ", ".join(f"{c} vs {b}" for b, c in names.contrasts) or "none"
        raise reader.misread(
            f"this contrast is not planned; planned: {planned}", Word(reader.text, candidate.start, baseline.end)
        )
    reader.expect(":", "")
    metric = _judged_metric(reader, names)
    return ContrastGate(
        text=reader.text, candidate=candidate.text, baseline=baseline.text, metric=metric, **_judged(reader, candidate.text)
    )


def _means_run(reader: Reader, names: Names) -> bool:
    """Whether the baseline run is next, and not an arm of that name."""
    return reader.sees_word(_BASELINE) and _BASELINE not in names.arms


def _baseline(reader: Reader, arm: str | None, names: Names) -> BaselineGate:
    word = reader.word("")
    if names.baseline is None:
        raise reader.misread("the experiment names no baseline; write baseline: NAME beside its gates", word)
    reader.expect(":", f"a colon belongs here, as in {_VERSUS} {_BASELINE}: latency_s not worse")
    if not reader.takes_word(_NOTHING):
        metric = _judged_metric(reader, names)
        return BaselineGate(text=reader.text, arm=arm, metric=metric, **_judged(reader, arm or "every arm"))
    worse = reader.word(f"{_NOTHING} goes with {Verdict.WORSE}")
    if worse.text != Verdict.WORSE:
        raise reader.misread(f"{_NOTHING} goes with {Verdict.WORSE} only", worse)
    reader.expect_end()
    return BaselineGate(text=reader.text, arm=arm, metric=None, verdict=Verdict.WORSE, negated=True)


class _Judged(TypedDict):
    verdict: Verdict
    negated: bool
    surely: bool


def _judged(reader: Reader, who: str) -> _Judged:
    """Read what a verdict must be or must not be, to the end of the gate."""
    surely = reader.takes_word("surely")
    negated = reader.takes_word("not")
    word = reader.word(f"say what {who} must be or must not be: {_listed(_VERDICTS)}")
    if word.text not in _VERDICTS:
        raise reader.misread(f"{word.text!r} is no verdict a gate may ask for{suggestion(word.text, _VERDICTS)}", word)
    if surely and not (negated and word.text == Verdict.WORSE):
        raise reader.misread("surely goes with not worse only: better, worse and equivalent are sure by themselves", word)
    reader.expect_end()
    return {"verdict": Verdict(word.text), "negated": negated, "surely": surely}


def _judged_metric(reader: Reader, names: Names) -> Metric:
    name = reader.word("name the metric to judge")
    metric = names.metrics.get(name.text)
    if metric is None:
        raise _no_metric(reader, name, names.metrics)
    if metric.direction is Direction.NEUTRAL:
        raise reader.misread(f"{name.text} does not say which way is better, so it has no verdict", name)
    if reader.sees("."):
        raise reader.misread("a verdict is on the metric itself, not its mean or a percentile: leave this out")
    return metric


def _operator(reader: Reader) -> str:
    found = reader.operator()
    if found.text in OPERATORS:
        return found.text
    near = {"=": "==", "=<": "<=", "=>": ">=", "<>": "!="}.get(found.text)
    raise reader.misread(f"{found.text!r} is no comparison; " + (f"write {near}" if near else _listed(OPERATORS)), found)


def _no_metric(reader: Reader, word: Word, known: Iterable[str], what: str = "no metric") -> Misread:
    near = difflib.get_close_matches(word.text, tuple(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "'uderia-bench metrics' lists them"
    return reader.misread(f"{what} is named {word.text!r}; {hint}", word)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"
