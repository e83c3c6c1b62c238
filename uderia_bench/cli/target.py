"""The format of a result, and the file of ``-o``.

``-o`` means the same in every command. Without ``--format`` the ending of the file gives the format,
and a file that exists is replaced only with ``--overwrite``.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from uderia_bench.cli import streams
from uderia_bench.printable import plain

ENDINGS = {
    "text": (".txt", ".log"),
    "markdown": (".md", ".markdown"),
    "json": (".json",),
    "html": (".html", ".htm"),
    "junit": (".xml",),
    "csv": (".csv",),
    "parquet": (".parquet",),
    "jsonl": (".jsonl", ".ndjson"),
    "duckdb": (".duckdb", ".db"),
}
"""The endings of a file of each format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The format of a result and the file to write it to. Without a file it is printed."""

    form: str
    file: Path | None = None
    overwrite: bool = False

    @property
    def width(self) -> int:
        """The width of text: that of the terminal, at most 120, or 80 for a file or a pipe."""
        on_terminal = self.file is None and sys.stdout.isatty()
        return min(shutil.get_terminal_size().columns, 120) if on_terminal else 80

    @property
    def colour(self) -> bool:
        """Whether text may be coloured: on a terminal without NO_COLOR (no-color.org)."""
        return self.file is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def deliver(self, text: str) -> None:
        """Write a text to the file and name it on stderr, or print the text. Formats except ``text`` are for other programs."""
        from uderia_bench.commands.save import save

        if self.file is not None:
            save(self.file, text + "\n", overwrite=self.overwrite)
            typer.echo(f"uderia-bench: wrote {plain(str(self.file))}", err=True)  # the file may be /dev/stdout
        elif self.form == "text":
            typer.echo(text)
        else:
            streams.document(text)


def target(
    forms: Sequence[str],
    *,
    form: str | None = None,
    as_json: bool = False,
    file: Path | None = None,
    overwrite: bool = False,
) -> Target:
    """Return the target that the options name. The first of ``forms`` is the default.

    Raises ``UsageError`` before anything is computed: for an unknown format, an unknown ending, and a
    file that exists.
    """
    from uderia_bench.commands.save import refuse_existing
    from uderia_bench.errors import UsageError

    if form is not None and form not in forms:
        raise UsageError(f"--format {form}: use {', '.join(forms[:-1])} or {forms[-1]}")
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} contradict each other: use one of them")
    found = "json" if as_json else form
    if file is not None:
        if not overwrite:
            refuse_existing(file)
        ending = file.suffix.lower()
        if found is None and ending:
            found = next((each for each in forms if ending in ENDINGS[each]), None)
            if found is None:
                known = ", ".join(f"{ENDINGS[each][0]} ({each})" for each in forms)
                raise UsageError(f"-o {file}: the ending {ending} names no format of this command: use {known}, or --format")
    return Target(form=found or forms[0], file=file, overwrite=overwrite)
