"""Brings the document of an experiment into one form, where people may write the same in several ways."""

from __future__ import annotations

import os
from pathlib import Path

from uderia_bench.documents.experiment_parts import SIM
from uderia_bench.documents.yaml.document import Document, Override, Place, Steps


def one_form(document: Document) -> Document:
    """Fill in the name from the file, and ``server`` from a pool or from the settings of the embedded server."""
    if not isinstance(document.data, dict):
        return document
    if "name" not in document.data:
        document = document.replaced(("name",), Path(document.file).stem, Place(document.file, None))
    server, pool = document.value(("server",)), document.value(("servers",))
    if isinstance(pool, tuple) and pool and server is None:
        return document.copied(("servers", 0), ("server",))
    if isinstance(server, dict) and set(server) == {SIM} and SIM not in document.data:
        document = document.copied(("server", SIM), (SIM,)).replaced(("server",), SIM, document.place(("server",)))
    elif "server" not in document.data and SIM in document.data:
        document = document.replaced(("server",), SIM, document.place((SIM,)))
    return document


def with_server_of(document: Document, overrides: tuple[str | Override, ...]) -> Document:
    """Let ``server`` replace the file's pool where it is set from outside, and ``servers`` its server."""
    said = {each.partition("=")[0] if isinstance(each, str) else ".".join(map(str, each.steps)) for each in overrides}
    if "server" in said and "servers" not in said and document.value(("servers",)) is not None:
        return document.replaced(("servers",), (), document.place(("server",)))
    if "servers" in said and "server" not in said and document.value(("servers", 0)) is not None:
        return document.copied(("servers", 0), ("server",))
    return document


def from_here(document: Document) -> Document:
    """Turn the paths that are relative to the document's file into paths relative to the current directory."""
    folder = Path(document.file).parent
    for steps in (*corpus_steps(document), (SIM, "faults")):
        if isinstance(path := document.value(steps), str) and path.strip():
            document = document.replaced(steps, os.path.normpath(folder / path), document.place(steps))
    return document


def corpus_steps(document: Document) -> list[Steps]:
    """Return where the paths of the corpora are: at one key, or in a list."""
    listed = document.value(("corpus",))
    return [("corpus", index) for index in range(len(listed))] if isinstance(listed, tuple) else [("corpus",)]
