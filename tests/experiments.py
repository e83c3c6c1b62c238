"""Builders of queries and experiments, with defaults for whatever a test does not speak of."""

from uderia_bench.documents import experiment
from uderia_bench.documents.corpus import Corpus, Query
from uderia_bench.documents.yaml.document import Document


def query(name="q0", **fields):
    """Return one query that asks its own name."""
    return Query(**{"id": name, "prompt": name, "turns": (name,)} | fields)


def queries(count):
    """Return queries q0, q1 and so on."""
    return tuple(query(f"q{number}") for number in range(count))


def built(asked=None, *, arms=("A", "B"), **fields):
    """Return an experiment over ``asked`` on the embedded server; ``arms`` are names, or mappings where a test says more."""
    said = [arm if isinstance(arm, dict) else {"name": arm, "profile": arm} for arm in arms]
    document = Document.of({"version": 1, "server": "sim", "arms": said, **fields}, file="e.yaml")
    return experiment.parse(document, (Corpus(name="c", queries=queries(3) if asked is None else asked),))
