"""Expectations: the registry of what a corpus may expect of an answer.

Each module is a family, and each kind of expectation is one ``ExpectationKind`` value in its
family's ``KINDS``. A corpus writes ``contains: "3"``, and the kind of that name checks the answer.
What a corpus may write under a name is in ``documents/expectation.py``. Other distributions add
kinds under the entry-point group ``uderia_bench.expectations``; a corpus uses them as ``custom:
{kind, value}``.
"""

from __future__ import annotations

from uderia_bench.reading.expectations import number, references, schema, structure, words, work
from uderia_bench.reading.expectations.check import Check, check, passed_ratio
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged
from uderia_bench.reading.expectations.plain_text import plain_text

BUILT_IN: tuple[ExpectationKind, ...] = (
    *words.KINDS,
    *number.KINDS,
    *structure.KINDS,
    *schema.KINDS,
    *work.KINDS,
    *references.KINDS,
)

__all__ = ["BUILT_IN", "Answer", "Check", "ExpectationKind", "Judged", "check", "passed_ratio", "plain_text"]
