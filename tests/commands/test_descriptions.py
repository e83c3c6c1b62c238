"""Every field of a corpus and of an experiment is described, for editors and for the reference."""

from __future__ import annotations

import pytest

from uderia_bench.commands import schema


@pytest.mark.parametrize("document", [schema.corpus, schema.experiment])
def test_every_field_has_a_description(document):
    """A field gets it from the string that follows it in the model."""
    whole = document()
    parts = {"the file": whole, **whole["$defs"]}
    missing = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, field in part.get("properties", {}).items()
        if not field.get("description")
    ]
    assert missing == []
