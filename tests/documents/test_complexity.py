"""Complexity: proposed from words with a reason, and contradicted by the steps of a run."""

from __future__ import annotations

import experiments
import polars as pl
import pytest

from uderia_bench.analysis import complexity_labels
from uderia_bench.documents import complexity


@pytest.mark.parametrize(
    ("prompt", "proposed"),
    [
        ("how many databases are on the system?", "simple"),
        ("Which version do we run?", "simple"),
        ("Compare the columns of customers with those of employees.", "complex"),
        ("For each database list its tables.", "complex"),
        ("what is the system utilization for the past 3 days", "complex"),
        ("Why is the system slow?", "complex"),
        ("Hello!", "edge"),
        ("?", "edge"),
        ("Drop the customers table.", "edge"),
        ("How many rows are in a table that does not exist?", "edge"),
        ("システムにはデータベースがいくつありますか", "edge"),
        ("x" * 10 + " word" * 150, "edge"),
    ],
)
def test_a_proposal_from_words(prompt, proposed):
    """One thing is simple, several are complex, what is off is an edge case."""
    found = complexity.propose(experiments.query("q", prompt=prompt, turns=(prompt,)))
    assert found.complexity == proposed
    assert found.reason


def test_a_conversation_is_complex():
    """Whatever its first turn is."""
    assert complexity.propose(experiments.query("q", turns=("how many?", "and now?"))).complexity == "complex"


def test_what_differs_is_listed_and_what_agrees_is_not():
    """A missing label differs too."""
    said = {"right": "simple", "wrong": "complex", "none": None}
    queries = [
        experiments.query(name, prompt="how many rows?", turns=("how many rows?",), complexity=label)
        for name, label in said.items()
    ]
    assert [query.id for query, _ in complexity.differing(queries)] == ["wrong", "none"]


def trials(*rows):
    """Return a table of answered, measured trials: query, complexity, arm, tool calls."""
    return pl.DataFrame(
        [
            {"query_id": q, "complexity": c, "arm": arm, "tool_calls": calls, "stage": "measured", "outcome": "answered"}
            for q, c, arm, calls in rows
        ]
    )


def test_the_steps_of_a_run_contradict_a_label():
    """Simple that no arm did in two steps, complex that no arm needed two for; one arm is enough to keep a label."""
    table = trials(
        ("s1", "simple", "A", 4), ("s1", "simple", "B", 3), ("s2", "simple", "A", 4), ("s2", "simple", "B", 1),
        ("c1", "complex", "A", 1), ("c1", "complex", "B", 0), ("c2", "complex", "A", 1), ("c2", "complex", "B", 3),
        ("e", "edge", "A", 9), ("u", None, "A", 9),
    )  # fmt: skip
    check = ". The label decides which rule names the winner, so check it in the corpus"
    assert complexity_labels.disagreements(table) == (
        f"s1 is labelled simple, but every arm needed more than 2 tool calls{check}",
        f"c1 is labelled complex, but no arm needed more than one tool call{check}",
    )
    many = trials(*((f"c{number}", "complex", "A", 1) for number in range(6)))
    assert complexity_labels.disagreements(many)[0].startswith("c0, c1, c2 and 3 more are labelled complex, but no arm")
    assert complexity_labels.disagreements(pl.DataFrame({"query_id": ["q"]})) == ()
