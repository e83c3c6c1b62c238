"""Texts of the user's to try as skills, from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from uderia_bench.documents.yaml.checking import Written, validate
from uderia_bench.documents.yaml.reading import read
from uderia_bench.documents.yaml.texts import Label, Text


class Texts(Written):
    """A file of texts by name."""

    texts: Annotated[dict[Label, Text], Field(min_length=1)]
    """The texts to add to the system prompt, by name."""


def read_texts(file: Path) -> dict[str, str]:
    """Return the texts of a file. Raises ``DocumentError`` with every mistake."""
    return dict(validate(Texts, read(file)).texts)
