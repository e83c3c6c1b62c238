"""Words and names that the detectors recognise, each with the source it was read in."""

from __future__ import annotations

import re

# Uderia's own tools by purpose (docs/reference/protocol.md, "Trace entries").
REPORT_TOOLS = frozenset({"TDA_FinalReport", "TDA_ComplexPromptReport", "TDA_ContextReport"})
CONTEXT_REPORT = "TDA_ContextReport"  # answers from what an earlier turn fetched (docs/reference/protocol.md, "Fast paths")
DATE_TOOLS = frozenset({"TDA_CurrentDate", "TDA_DateRange"})
NO_WORK = REPORT_TOOLS | DATE_TOOLS  # the server adds them by itself (docs/reference/seed.md, "Execution paths")

# A planned argument that stands for a result yet to come: {"source": …, "key": …} or a string in
# braces (docs/reference/protocol.md, "Fast paths").
PLACEHOLDER_KEYS = frozenset({"source", "key"})
PLACEHOLDER = re.compile(r"^\s*[{<].*[}>]\s*$", re.DOTALL)

_NUMBERS = r"\d+|a|an|few|couple of|two|three|four|five|six|seven|ten|twelve"
_UNITS = r"minutes?|hours?|days?|weeks?|weekend|months?|quarters?|years?"
# Phrases of time, as in the server's own test questions (docs/reference/protocol.md, "Upstream
# scripts": "past 24 hours", "past 2 days").
TEMPORAL = re.compile(
    rf"\b(?:(?:past|last|previous|recent|next)\s+(?:(?:{_NUMBERS})\s+)?(?:{_UNITS})"
    rf"|(?:{_NUMBERS})\s+(?:{_UNITS})\s+ago"
    r"|yesterday|today|tonight|this\s+(?:morning|week|month|quarter|year)"
    r"|since\s+(?:yesterday|monday|tuesday|wednesday|thursday|friday|saturday|sunday|\d{4}))\b",
    re.IGNORECASE,
)
# A date, or SQL that works one out itself.
DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b|\bcurrent_(?:date|timestamp)\b|\binterval\s+'", re.IGNORECASE)
DATE_ARGUMENT = re.compile(r"date|day|time|hour|period|since|until|from_|to_", re.IGNORECASE)

# Questions that only a look at the data answers, in the words of the server's own test questions
# (docs/reference/protocol.md, "Upstream scripts").
_ASKS = r"how many|how much|how large|list|show|count|which|what(?!\s+(?:is|are)\s+an?\b)|describe|find|give me|top \d+|largest"
_THINGS = (
    r"databases?|schemas?|tables?|columns?|rows?|views?|index(?:es)?|users?|sessions?|space|usage|utili[sz]ation|records?"
    r"|system version|version"
)
DATA_QUESTION = re.compile(rf"\b(?:{_ASKS})\b.*\b(?:{_THINGS})\b", re.IGNORECASE | re.DOTALL)

# Why a planner gave up on what an LLM wrote (docs/reference/seed.md, "Format signals").
UNREADABLE = re.compile(r"failed to generate a valid meta-plan|valid json action|failed to provide a valid json", re.IGNORECASE)
