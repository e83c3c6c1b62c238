"""Read a gate, or point to the mistake and say what could be there instead.

::

    gate      = contrast | baseline | (quantity | outcome | issue) OPERATOR NUMBER [UNIT]
    contrast  = ARM "vs" ARM ":" METRIC judged
    baseline  = [ARM] "vs" "baseline" ":" (METRIC judged | "nothing" "worse" ["in" "any" "metric"])
    judged    = ["not"] VERDICT | "surely" "not" "worse"
    quantity  = [ARM "."] METRIC "." STATISTIC
    outcome   = [ARM "."] OUTCOME
    issue     = "issues" "." KIND

An arm's name may contain spaces and dots. So the names of the arms are tried first, the longest
first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from math import inf
from typing import TypedDict

from uderia_bench.analysis.values import Verdict
from uderia_bench.documents.yaml.checking import suggestion
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
from uderia_bench.report.gates.limits import limit, refuse_impossible, refuse_outside
from uderia_bench.report.gates.reader import Reader, Word
from uderia_bench.trial import Outcome

_ISSUES = "issues"
_VERSUS = "vs"
_BASELINE = "baseline"
_NOTHING = "nothing"
_VERDICTS = (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT)  # verdicts that a gate may ask for
_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_EXAMPLE = "such as OPTIM.latency_s.p95 < 20s, OPTIM.answered >= 99% or OPTIM vs IDEAT: total_tokens not worse"


def parse(text: str, names: Names) -> Gate:
    """Return the gate.

    Raises ``Misread``, which points into ``text``, for a text that is not a gate.
    """
    reader = Reader(text)
    if reader.at_end:
        raise reader.misread(f"this gate is empty; write one {_EXAMPLE}")
    first = reader.one_of(names.arms, followed_by=(".", " "))
    if first is not None and reader.takes_word(_VERSUS):
        return _baseline(reader, first.text, names) if _means_run(reader, names) else _contrast(reader, first, names)
    if first is None and reader.takes_word(_VERSUS):
        if not _means_run(reader, names):
            said = f"without an arm, {_VERSUS} must be followed by {_BASELINE}"
            raise reader.misread(said, reader.word(said))
        return _baseline(reader, None, names)
    if first is not None:
        reader.expect(".", f"after an arm, write a dot and a metric, or {_VERSUS} and another arm")
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
    """Return the error for an unknown first word, with the name that was probably meant."""
    if word.text in names.arms:
        return reader.misread(f"after an arm, write a dot and a metric, or {_VERSUS} and another arm")
    belongs = reader.rest()
    is_arm = belongs.startswith(f"{_VERSUS} ") or belongs.count(".") > 1
    second = belongs.removeprefix(".").split(" ")[0]
    if is_arm or second in names.metrics or second in _OUTCOMES:
        return reader.misread(f"unknown arm {word.text!r}{suggestion(word.text, names.arms)}", word)
    if second in STATISTICS:
        return _no_metric(reader, word, names.metrics)
    near = difflib.get_close_matches(word.text, (*names.arms, *names.metrics, *_OUTCOMES, _ISSUES), n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; write a gate {_EXAMPLE}"
    return reader.misread(f"{word.text!r} is not an arm, a metric or an outcome{hint}", word)


def _of_arm(reader: Reader, arm: str | None, name: Word, names: Names) -> Gate:
    """Read a metric's number or an outcome, after an arm or without one."""
    metric = names.metrics.get(name.text)
    if metric is not None and reader.sees("."):
        reader.expect(".", "")
        statistic = reader.word(f"name a statistic of {metric.name}: {_listed(STATISTICS)}")
        if statistic.text not in STATISTICS:
            raise reader.misread(f"unknown statistic {statistic.text!r}{suggestion(statistic.text, STATISTICS)}", statistic)
        operator = _operator(reader)
        value = limit(reader, metric)
        reader.expect_end()
        refuse_impossible(reader, operator, value, metric=metric)
        return MetricGate(
            text=reader.text, arm=arm, metric=metric, statistic=statistic.text, operator=operator.text, limit=value
        )
    if name.text in _OUTCOMES:
        operator = _operator(reader)
        value = limit(reader, None)
        reader.expect_end()
        refuse_impossible(reader, operator, value, metric=None)
        return OutcomeGate(text=reader.text, arm=arm, outcome=Outcome(name.text), operator=operator.text, limit=value)
    if metric is not None:
        raise reader.misread(f"name a statistic of {metric.name}: {_listed(f'{metric.name}.{s}' for s in STATISTICS)}", name)
    raise _no_metric(reader, name, (*names.metrics, *_OUTCOMES), "metric or outcome")


def _issue(reader: Reader, names: Names) -> IssueGate:
    reader.expect(".", f"{_ISSUES} needs a kind of issue, as in issues.recursion == 0")
    kind = reader.word("name a kind of issue")
    if kind.text not in names.issues:
        known = suggestion(kind.text, names.issues) or "; no detector is installed"
        raise reader.misread(f"unknown kind of issue {kind.text!r}{known}", kind)
    operator = _operator(reader)
    number = reader.number()
    if "." in number.text or number.text.startswith("-"):
        raise reader.misread("issues are counted in trials, so write a whole number", number)
    if reader.sees_unit():
        raise reader.misread("issues are counted in trials, so leave out the unit", reader.unit())
    reader.expect_end()
    value = float(number.text)
    refuse_outside(reader, operator, value, possible=(0.0, inf), scale="a number of trials is never below 0")
    return IssueGate(text=reader.text, kind=kind.text, operator=operator.text, limit=value)


def _contrast(reader: Reader, candidate: Word, names: Names) -> ContrastGate:
    baseline = reader.one_of(names.arms, followed_by=(":", " :"))
    if baseline is None:
        other = reader.until_colon(f"name the arm to compare {candidate.text} with")
        if other.text in names.arms:
            raise reader.misread("write a colon and a metric here, as in OPTIM vs IDEAT: latency_s not worse")
        others = (*names.arms, *([_BASELINE] if names.baseline else []))
        raise reader.misread(f"unknown arm {other.text!r}{suggestion(other.text, others)}", other)
    if baseline.text == candidate.text:
        raise reader.misread("an arm cannot be compared with itself; name another arm", baseline)
    if not {(baseline.text, candidate.text), (candidate.text, baseline.text)} & set(names.contrasts):
        planned = ", ".join(f"{c} vs {b}" for b, c in names.contrasts) or "none"
        raise reader.misread(
            f"the experiment does not plan this contrast; it plans: {planned}", Word(reader.text, candidate.start, baseline.end)
        )
    reader.expect(":", "")
    metric = _judged_metric(reader, names)
    return ContrastGate(
        text=reader.text, candidate=candidate.text, baseline=baseline.text, metric=metric, **_judged(reader, candidate.text)
    )


def _means_run(reader: Reader, names: Names) -> bool:
    """Whether the baseline run comes next. An arm may have the same name."""
    return reader.sees_word(_BASELINE) and _BASELINE not in names.arms


def _baseline(reader: Reader, arm: str | None, names: Names) -> BaselineGate:
    word = reader.word("")
    if names.baseline is None:
        raise reader.misread("the experiment has no baseline; add baseline: NAME next to its gates", word)
    reader.expect(":", f"write a colon here, as in {_VERSUS} {_BASELINE}: latency_s not worse")
    if not reader.takes_word(_NOTHING):
        metric = _judged_metric(reader, names)
        return BaselineGate(text=reader.text, arm=arm, metric=metric, **_judged(reader, arm or "every arm"))
    worse = reader.word(f"after {_NOTHING}, write {Verdict.WORSE}")
    if worse.text != Verdict.WORSE:
        raise reader.misread(f"after {_NOTHING}, only {Verdict.WORSE} is possible", worse)
    every = reader.takes_word("in")
    if every and not (reader.takes_word("any") and reader.takes_word("metric")):
        raise reader.misread(f"write {_NOTHING} {Verdict.WORSE} in any metric, or only {_NOTHING} {Verdict.WORSE}")
    reader.expect_end()
    return BaselineGate(text=reader.text, arm=arm, metric=None, verdict=Verdict.WORSE, negated=True, every=every)


class _Judged(TypedDict):
    verdict: Verdict
    negated: bool
    surely: bool


def _judged(reader: Reader, who: str) -> _Judged:
    """Read the verdict that is asked for, to the end of the gate."""
    surely = reader.takes_word("surely")
    negated = reader.takes_word("not")
    word = reader.word(f"write the verdict on {who}: {_listed(_VERDICTS)}, or not and one of them")
    if word.text not in _VERDICTS:
        raise reader.misread(f"{word.text!r} is not a verdict of a gate{suggestion(word.text, _VERDICTS)}", word)
    if surely and not (negated and word.text == Verdict.WORSE):
        raise reader.misread(
            "surely is only possible before not worse; the other verdicts include the uncertainty already", word
        )
    reader.expect_end()
    return {"verdict": Verdict(word.text), "negated": negated, "surely": surely}


def _judged_metric(reader: Reader, names: Names) -> Metric:
    name = reader.word("name a metric")
    metric = names.metrics.get(name.text)
    if metric is None:
        raise _no_metric(reader, name, names.metrics)
    if metric.direction is Direction.NEUTRAL:
        raise reader.misread(f"{name.text} has no better direction, so it has no verdict", name)
    if reader.sees("."):
        raise reader.misread("a verdict is on the metric as a whole, so leave out the mean or percentile")
    return metric


def _operator(reader: Reader) -> Word:
    found = reader.operator()
    if found.text in OPERATORS:
        return found
    near = {"=": "==", "=<": "<=", "=>": ">=", "<>": "!="}.get(found.text)
    raise reader.misread(f"{found.text!r} is not a comparison; " + (f"write {near}" if near else _listed(OPERATORS)), found)


def _no_metric(reader: Reader, word: Word, known: Iterable[str], what: str = "metric") -> Misread:
    near = difflib.get_close_matches(word.text, tuple(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "'uderia-bench metrics' lists them"
    return reader.misread(f"unknown {what} {word.text!r}; {hint}", word)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"
