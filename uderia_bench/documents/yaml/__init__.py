"""Documents written by people: read strictly, changed by ``--set``, and validated with all mistakes at once.

``read`` turns a YAML file into a ``Document`` (``reading``), and ``set_values`` changes it (``overrides``). ``validate``
makes a model of it, or raises a ``DocumentError`` with every mistake and its place (``checking``). The models of
documents are in ``corpus`` and ``experiment``.
"""

from __future__ import annotations

from uderia_bench.documents.yaml.checking import Complaint, Rule, Written, echo, entries, suggestion, validate, wrong
from uderia_bench.documents.yaml.document import Document, Override, Place, Steps, dotted, steps_of
from uderia_bench.documents.yaml.overrides import set_values
from uderia_bench.documents.yaml.reading import read, read_text

__all__ = [
    "Complaint",
    "Document",
    "Override",
    "Place",
    "Rule",
    "Steps",
    "Written",
    "dotted",
    "echo",
    "entries",
    "read",
    "read_text",
    "set_values",
    "steps_of",
    "suggestion",
    "validate",
    "wrong",
]
