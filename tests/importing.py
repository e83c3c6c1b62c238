"""A corpus made of a file of another tool, loaded as ``check`` loads it."""

from __future__ import annotations

from uderia_bench.documents import corpus
from uderia_bench.documents.imports import corpus_text
from uderia_bench.documents.imports.question import Options


def loaded(tmp_path, text):
    """Write a corpus and load it, as ``check`` does."""
    file = tmp_path / "imported.yaml"
    file.write_text(text, encoding="utf-8")
    return corpus.load(file)


def imported(tmp_path, kind, text, *, ending="", options=None):
    """Import one file and load the corpus; return it with the messages, which begin with a line."""
    file = tmp_path / f"source{ending}"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    made = corpus_text.make(kind, [file], options or Options(), name="imported")
    return loaded(tmp_path, made.text), [str(each).removeprefix(f"{file}:").lstrip() for each in made.unread]
