"""Expectations about the words of an answer: what it contains, equals or resembles, and which patterns match."""

from __future__ import annotations

import re
from collections import Counter

import regex

from uderia_bench.documents.expectation import Similar
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.plain_text import folded

MOST_SECONDS = 1.0
"""Time limit of ``matches`` for one answer. An honest pattern needs milliseconds on ``MOST_TEXT`` characters."""

_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_START = 200  # characters of an answer in which a refusal begins
_CANNOT = r"(?:can't|cannot|can not|won't|unable|not able)"
_REFUSED = re.compile(
    rf"(?:^|[.!:,] |but |^hello\W+)(?:unfortunately,? )?(?:"
    rf"(?:i'm|i am|we're|we are) (?:(?:really|very|so|truly) )?(?:sorry|afraid)\b[^.!?]{{0,40}}\b{_CANNOT}"
    rf"|(?:i|we) (?:can't|cannot|can not|won't|will not|(?:must |have to )?decline|refuse to|don't feel comfortable)\b"
    rf"|(?:i'm|i am|we're|we are) (?:unable|not able|not allowed|not permitted|not comfortable)\b"
    rf"|(?:i|we) apologi[sz]e\b[^.!?]{{0,40}}\b{_CANNOT}"
    rf"|as an? (?:(?:large |ai )*(?:language model|ai|assistant))\b[^.!?]{{0,60}}\b(?:{_CANNOT}|don't|do not)"
    rf"|(?:it's|it is) (?:not appropriate|against (?:my|our) (?:guidelines|polic))"
    rf")"
)
_AROUND = 60  # characters quoted before and after the words that were found


def place(text: str, words: str) -> str | None:
    """Return the part of ``text`` around ``words``, or None if they are not in it; case and white space do not matter.

    A number matches whole: ``3`` is found neither in ``13`` nor in ``3.5``.
    """
    wanted = folded(words)
    before = r"(?<!\d)(?<!\d[.,])" if wanted[:1].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if wanted[-1:].isdigit() else ""
    searched = folded(text)
    match = re.search(f"{before}{re.escape(wanted)}{after}", searched)
    return None if match is None else searched[max(0, match.start() - _AROUND) : match.end() + _AROUND]


def _contains(answer: Answer, value: str) -> Judged:
    found = place(answer.text, value)
    return Judged(passed=found is not None, found=quoted(answer.text if found is None else found))


def _not_contains(answer: Answer, value: str) -> Judged:
    found = _contains(answer, value)
    return Judged(passed=not found.passed, found=found.found)


def _one_of(answer: Answer, value: tuple[str, ...]) -> Judged:
    found = next((found for words in value if (found := place(answer.text, words)) is not None), None)
    return Judged(passed=found is not None, found=quoted(answer.text if found is None else found))


def _equals(answer: Answer, value: str | float) -> Judged:
    wanted = str(value).lower() if isinstance(value, bool) else f"{value:.15g}" if isinstance(value, float) else str(value)
    same = _whole(answer.text) == _whole(wanted)
    return Judged(passed=same, found=quoted(answer.text))


def _whole(text: str) -> str:
    return folded(text).removesuffix(".").rstrip()


def _similar(answer: Answer, value: Similar) -> Judged:
    shared = overlap(answer.text, value.text)
    return Judged(passed=shared >= value.at_least, found=quoted(f"{shared:.2f} of the words in common: {answer.text}"))


def overlap(one: str, other: str) -> float:
    """Return the share of words that two texts have in common (F1), from 0 to 1.

    It is the harmonic mean of both shares, as in SQuAD (Rajpurkar et al., *EMNLP* 2016). A word that
    occurs several times counts as often as in both. Two texts without words are equal.
    """
    first, second = (Counter(_WORD.findall(folded(text))) for text in (one, other))
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 1.0


def _not_refused(answer: Answer, value: bool) -> Judged:  # noqa: FBT001 - the corpus's value, which is always true
    found = refusal(answer.text)
    return Judged(passed=(found is None) is value, found=quoted(answer.text if found is None else found))


def refusal(text: str) -> str | None:
    """Return the words with which an answer declines, or None.

    Only the start of an answer is searched. Later, "I cannot" mostly names a limit of a real answer.
    The wordings are English.
    """
    start = folded(text[: 2 * _START])[:_START]
    match = _REFUSED.search(start)
    return None if match is None else start[match.start() : match.end() + _AROUND]


def _regex_all(answer: Answer, value: tuple[str, ...]) -> Judged:
    found = [_matches(answer, pattern) for pattern in value]
    unknown = next((each for each in found if each.passed is None), None)
    if missing := [pattern for pattern, each in zip(value, found, strict=True) if each.passed is False]:
        return Judged(passed=False, found=quoted(f"no match of {missing[0]}: {answer.text}"))
    return unknown or Judged(passed=True, found=quoted("; ".join(each.found for each in found)))


def _matches(answer: Answer, value: str) -> Judged:
    # The ``regex`` package has a timeout; with ``re`` one careless pattern of a corpus would hang ``derive``.
    try:
        match = regex.search(value, answer.text, regex.MULTILINE, timeout=MOST_SECONDS)
    except TimeoutError:
        return Judged(passed=None, found=f"the pattern took more than {MOST_SECONDS:g} s on this answer; make it simpler")
    except regex.error as error:
        return Judged(passed=None, found=f"not a regular expression: {error}")
    return Judged(passed=match is not None, found=quoted(answer.text if match is None else match[0]))


KINDS: tuple[ExpectationKind, ...] = (
    ExpectationKind(
        name="contains",
        doc="The answer contains this text. Case and white space do not matter, and a number matches whole.",
        judge=_contains,
    ),
    ExpectationKind(
        name="not_contains",
        doc="The answer does not contain this text, by the rules of contains.",
        judge=_not_contains,
    ),
    ExpectationKind(
        name="one_of",
        doc="The answer contains at least one of these texts, by the rules of contains.",
        judge=_one_of,
    ),
    ExpectationKind(
        name="matches",
        doc="A regular expression matches somewhere in the answer. ^ and $ match at line ends; case matters unless (?i).",
        judge=_matches,
    ),
    ExpectationKind(
        name="regex_all",
        doc="Each of these regular expressions matches somewhere in the answer, by the rules of matches.",
        judge=_regex_all,
    ),
    ExpectationKind(
        name="equals",
        doc="The whole answer is this text. Case, white space, emphasis and a full stop at the end do not matter.",
        judge=_equals,
    ),
    ExpectationKind(
        name="similar",
        doc="The answer shares enough words with this text, in any order: the overlap (F1 of words) is at least at_least, "
        "0.6 by default.",
        judge=_similar,
    ),
    ExpectationKind(
        name="not_refused",
        doc="The answer does not begin by declining, as in: I'm sorry, but I cannot help with that. The wordings are English.",
        judge=_not_refused,
    ),
)
