"""The table of the server's wordings: every row says where it was read and can be reached."""

from __future__ import annotations

import pytest

from docs import pages
from uderia_bench.reading.profile_types.wordings import MESSAGES, Meaning, look_up

REFERENCE = pages.DOCS / "reference"
DOCUMENTS = {"p": REFERENCE / "protocol.md", "o": REFERENCE / "measured.md", "s": REFERENCE / "seed.md"}


@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: f"{row.message} {row.says}".strip())
def test_every_row_can_be_reached_and_names_its_source(row):
    """No row hides behind an earlier one, and each names a heading of the documentation."""
    found = look_up(row.message + ("x" if row.prefix else ""), row.says.upper())
    assert found is row
    for source in row.source.split("; "):
        document, _, heading = source.partition(" ")
        assert heading.split(",")[0] in pages.headings(DOCUMENTS[document])


def test_an_llm_call_has_a_class_and_nothing_else_has():
    """The class of a call is in the table, not in code."""
    assert all((row.call_class is not None) == (row.meaning is Meaning.LLM_CALL) for row in MESSAGES)


@pytest.mark.parametrize(
    ("message", "said", "meaning"),
    [
        ("Plan Optimization", "FASTPATH initiated for 'base_tableList'.", Meaning.FAST_PATH),
        ("Plan Optimization", "Component Fast-Path (chart): bypassing tactical LLM", Meaning.FAST_PATH),
        ("Plan Optimization", "Plan contained hallucinated arguments", Meaning.KNOWN),
        ("Starting Plan Phase 2/3", None, Meaning.PHASE_START),
        ("System Self-Correction", "LLM proposed new arguments.", Meaning.KNOWN),
        ("System Self-Correction", "Tool failed. Attempting self-correction (1/2).", Meaning.CORRECTION),
        ("Calling LLM for TDA_LLMTask", "Executing LLM-based task.", Meaning.LLM_CALL),
    ],
)
def test_the_same_message_means_what_its_details_say(message, said, meaning):
    """One message stands for several things: the details decide."""
    assert look_up(message, said).meaning is meaning


def test_an_unknown_message_is_unknown():
    """Nothing is guessed."""
    assert look_up("A message from next year", None) is None
