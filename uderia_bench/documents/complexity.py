"""Proposed complexity of a query, simple, complex or edge, from the words of its prompt.

A query is simple if it takes one or two steps, and complex if it takes three or more. Words show that only roughly, so
a proposal comes with its reason and never replaces the label of an author.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from uderia_bench.documents.corpus import Complexity, Query

LONG_PROMPT = 600
"""Characters beyond which a prompt tests reading more than the task. The longest ordinary one that ships has 150."""


_EDGE = (
    (r"^\W*(hello|hi|hey|good (morning|evening)|thank you|thanks)\b[^?]{0,40}\W*$", "small talk"),
    (
        r"ignore (all|any|the)? ?(previous|earlier)|system prompt|\bpwned\b|drop (the|table)|delete (them|all|from)",
        "an injection",
    ),
    (r"password|access token|credentials", "asks for a secret"),
    (r"does not exist|nonexistent|no such|impossible|cannot (work|be)|can never|broken|unplannable", "cannot be done"),
    (
        r"\b(nothing else|exactly \w+ words|but do not mention|without any|only the empty)\b",
        "a demand of form or a contradiction",
    ),
    (r"\b(again|until|forever|ten times)\b", "asks for repetition"),
    (r"\b(every row|all of its rows|thousand|365 days|31 days)\b", "a large result"),
)
_COMPLEX = (
    (r"\b(for each|for every|each (of the )?\w+|every \w+|per database|databases and their)\b", "goes through a list"),
    (
        r"\b(compare|against|review|audit|report on|write the|summar\w+|prepare|judge|inventory|plan)\b",
        "puts several facts together",
    ),
    (r"\bwhy\b|\bexplain\b|\bin plain words\b|\bfor a (manager|newcomer)\b|business purpose", "needs an explanation"),
    (r"\b(past|last) (\d+ )?(days|weeks?|7 days)\b", "covers a range of days"),
    (r"\w+,? and \w+.*\b(and|with)\b|, and ", "asks for several things"),
    (r"\b(chart|plot|trend|rising)\b", "wants a picture or a trend"),
)
_COMPILED = {
    label: tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in rules)
    for label, rules in (("edge", _EDGE), ("complex", _COMPLEX))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A label and its reason in the prompt."""

    complexity: Complexity
    reason: str


def propose(query: Query) -> Proposal:
    """Propose a complexity: edge for an odd prompt, complex for one that asks for much, else simple."""
    if len(query.turns) > 1:
        return Proposal(complexity="complex", reason=f"a conversation of {len(query.turns)} turns")
    if reason := _oddity(query.prompt) or _first(_COMPILED["edge"], query.prompt):
        return Proposal(complexity="edge", reason=reason)
    if reason := _first(_COMPILED["complex"], query.prompt):
        return Proposal(complexity="complex", reason=reason)
    return Proposal(complexity="simple", reason="asks for one thing")


def _oddity(prompt: str) -> str | None:
    """Return what is odd about the form of a prompt, or None."""
    if len(re.findall(r"\w{2,}", prompt)) < 2:
        return "hardly a question"
    if len(prompt) > LONG_PROMPT:
        return "a very long prompt"
    return "another script" if sum(character.isascii() for character in prompt) < len(prompt) / 2 else None


def _first(rules: Iterable[tuple[re.Pattern[str], str]], prompt: str) -> str | None:
    return next((reason for pattern, reason in rules if pattern.search(prompt)), None)


def differing(queries: Sequence[Query]) -> tuple[tuple[Query, Proposal], ...]:
    """Return the queries whose label is missing or differs from the proposal."""
    proposals = ((query, propose(query)) for query in queries)
    return tuple((query, proposal) for query, proposal in proposals if query.complexity != proposal.complexity)
