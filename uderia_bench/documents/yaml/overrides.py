"""Values that replace those of a file: ``--set path=value`` and the flags that are short for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from uderia_bench.documents.yaml.document import Document, Override, Place, Steps, dotted, steps_of
from uderia_bench.documents.yaml.reading import read_text
from uderia_bench.errors import DocumentError, UsageError
from uderia_bench.printable import count_of


def set_values(
    document: Document, assignments: Iterable[str | Override], *, named: Mapping[str, Collection[str]] | None = None
) -> Document:
    """Return the document with values set. The last one counts, and mistakes in them name the option, not the file.

    A string is ``path=value``: a dotted path with list indices from 0 (one past the end appends), and a value in
    YAML. Below the keys in ``named`` stands a name that may have dots, as in ``prices.gpt-4.1.…``, and then one of the given
    keys or nothing. Raises ``UsageError`` for another form, and for a path through a value without parts. ``validate``
    finds unknown keys.
    """
    for assignment in assignments:
        override = _assignment(assignment, named or {}) if isinstance(assignment, str) else assignment
        try:
            document = document.replaced(override.steps, override.value, Place(override.origin, None))
        except LookupError as error:
            (walked,) = error.args
            raise UsageError(f"{override.origin}: {_no_way(document, walked, override.steps)}") from None
    return document


def _assignment(text: str, named: Mapping[str, Collection[str]]) -> Override:
    path, equals, value = text.partition("=")
    origin = f"--set {text}"
    steps = steps_of(path.strip())
    if len(steps) > 1 and (key := str(steps[0])) in named:
        name, _, last = path.strip().removeprefix(f"{key}.").rpartition(".")
        steps = (key, name, last) if name and last in named[key] else (key, f"{name}.{last}".lstrip("."))
    if not equals or "" in steps:
        raise UsageError(f"{origin}: write it as path=value, as in --set load.concurrency=4")
    try:
        return Override(steps=steps, value=read_text(value, file=origin).data, origin=origin)
    except DocumentError as error:
        raise DocumentError(tuple(replace(mistake, line=None) for mistake in error.mistakes)) from None


def _no_way(document: Document, walked: Steps, steps: Steps) -> str:
    found = document.value(walked)
    where = dotted(walked) or "the document"
    if isinstance(found, tuple):
        return f"{where} has {count_of(len(found), 'entry')}, so {dotted(steps)} is not one; count from 0"
    if isinstance(found, dict):
        return f"{where} has keys, not numbered entries"
    return f"{where} has no parts, so there is no {dotted(steps)}"
