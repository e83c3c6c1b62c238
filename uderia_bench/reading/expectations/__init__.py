"""What makes an answer right: a family of expectation kinds, each a named pure judgement, and the judging of a trial by them.

A corpus says ``contains: "3"``; the kind of that name judges it. The grammar of each is in ``corpus``; other distributions
add kinds under the entry-point group ``uderia_bench.expectations``, which a corpus calls as ``custom: {kind, value}``.
"""

from __future__ import annotations

from uderia_bench.reading.expectations.check import Check, check, passed_ratio
from uderia_bench.reading.expectations.contains import CONTAINS
from uderia_bench.reading.expectations.json_path import JSON_PATH
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged
from uderia_bench.reading.expectations.llm_judge import LLM_JUDGE
from uderia_bench.reading.expectations.matches import MATCHES
from uderia_bench.reading.expectations.max_s import MAX_S
from uderia_bench.reading.expectations.max_tokens import MAX_TOKENS
from uderia_bench.reading.expectations.not_contains import NOT_CONTAINS
from uderia_bench.reading.expectations.number import NUMBER
from uderia_bench.reading.expectations.one_of import ONE_OF
from uderia_bench.reading.expectations.phases_at_most import PHASES_AT_MOST
from uderia_bench.reading.expectations.plain_text import plain_text
from uderia_bench.reading.expectations.same_as import SAME_AS
from uderia_bench.reading.expectations.table import TABLE
from uderia_bench.reading.expectations.tools_called import TOOLS_CALLED
from uderia_bench.reading.expectations.tools_not_called import TOOLS_NOT_CALLED

BUILT_IN: tuple[ExpectationKind, ...] = (
    CONTAINS,
    NOT_CONTAINS,
    ONE_OF,
    MATCHES,
    NUMBER,
    JSON_PATH,
    TABLE,
    TOOLS_CALLED,
    TOOLS_NOT_CALLED,
    PHASES_AT_MOST,
    MAX_S,
    MAX_TOKENS,
    SAME_AS,
    LLM_JUDGE,
)

__all__ = ["BUILT_IN", "Answer", "Check", "ExpectationKind", "Judged", "check", "passed_ratio", "plain_text"]
