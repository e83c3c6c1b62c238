"""stdout and stderr of a command, which cannot change its exit code.

A full disk, a closed stream or a reader that has gone is remembered and not raised. A character
that the terminal cannot show is written out. A line of text cannot be read as a command by GitHub
Actions, Azure Pipelines or TeamCity, whatever a server put into it.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import select
import sys
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

import typer

from uderia_bench.printable import without_passwords

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

WRITE_FAILED = 2  # exit code of a command whose only result is on a stdout that cannot be written

_AT_LINE_START = re.compile(r"((?:^|[\n\r])\s*)::")  # the runner ignores blanks before a command
_ANYWHERE = re.compile(r"##(?=(?:vso|teamcity)?\[)")
"""The beginning of a command of Azure Pipelines, of TeamCity, or of GitHub Actions in its older form, also within a line."""
_ESCAPED = {"{": r"#\u0023", "[": r"#\u0023", "<?xml": "#&#35;", "version:": r"#\u0023"}
"""Another way to write ``##`` in JSON, in XML, and in a corpus, whose texts are quoted, by how a document begins."""


class _Raw(io.RawIOBase):
    """Writes to a file descriptor. The first error is kept, and what follows is dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.failed: OSError | None = None
        try:
            os.fstat(descriptor)
        except OSError as error:  # closed by the caller: no file that is opened later may take its place
            self.failed = error
            os.open(os.devnull, os.O_RDWR)

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        while self.failed is None:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.failed = error
        return memoryview(data).nbytes


class Stream(io.TextIOWrapper):
    """A text stream over ``_Raw``.

    ``literal`` text is for other programs and is not changed. An ``optional`` stream repeats a
    result that is stored elsewhere. A stream for ``messages`` has no passwords, because a typed
    address may contain one.
    """

    def __init__(self, descriptor: int, encoding: str, *, messages: bool) -> None:
        self._raw = _Raw(descriptor)
        self._messages = messages
        self.literal = self.optional = False
        buffered = io.BufferedWriter(self._raw)
        super().__init__(buffered, encoding=encoding, errors="backslashreplace", line_buffering=True)

    @property
    def failed(self) -> OSError | None:
        """The error that made writing impossible."""
        return self._raw.failed

    def write(self, text: str, /) -> int:
        """Write a text, without an exception when that fails."""
        shown = text if self.literal else _without_commands(text)
        super().write(without_passwords(shown) if self._messages else shown)
        return len(text)


def install() -> None:
    """Replace stdout and stderr of this process."""
    _Raw(0)  # keeps the descriptor of stdin occupied where the caller closed it
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        before: TextIO | None = getattr(sys, name)
        if before is not None:
            before.flush()
        setattr(sys, name, Stream(descriptor, "utf-8" if before is None else before.encoding, messages=name == "stderr"))


def document(text: str, *, nl: bool = True) -> None:
    """Print text that other programs read, in UTF-8 except on a terminal.

    JSON, XML, HTML and corpora keep their content. In other text, commands of CI systems are broken.
    """
    if (same := next((same for begin, same in _ESCAPED.items() if text.startswith(begin)), None)) is not None:
        text = _ANYWHERE.sub(lambda _: same, text)
    elif not text.startswith("<"):  # HTML escapes its texts, and has :: in its style
        text = _without_commands(text)
    if isinstance(sys.stdout, Stream):
        sys.stdout.literal = True
        if not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8")
    typer.echo(text, nl=nl)


def json_of(value: object) -> str:
    """Return a value as JSON. A dataclass becomes an object."""
    return json.dumps(value, indent=2, default=asdict)


def as_json(value: object) -> None:
    """Print a value as JSON."""
    document(json_of(value))


def indented(text: str) -> str:
    """Return a paragraph below the name that it describes."""
    return textwrap.fill(text, width=78, initial_indent="      ", subsequent_indent="      ")


def command(text: str) -> None:
    """Write a line on stderr that GitHub Actions shall read as a command."""
    if isinstance(sys.stderr, Stream):
        sys.stderr.literal = True
    typer.echo(text, err=True)
    if isinstance(sys.stderr, Stream):
        sys.stderr.literal = False


def reader_has_gone() -> bool:
    """Whether stdout cannot be written any more."""
    return isinstance(sys.stdout, Stream) and sys.stdout.failed is not None


def stored() -> None:
    """Declare that what is printed is also stored, so that an error of stdout is no failure."""
    if isinstance(sys.stdout, Stream):
        sys.stdout.optional = True


def exit_code(code: int) -> int:
    """Return the exit code of a command, with a message where stdout was not written completely.

    A run's code stays as it is, because its report is in the run directory. A command that only
    prints has failed. A reader that stops reading, as ``head`` does, is not an error.
    """
    sys.stdout.flush()
    failed = sys.stdout.failed if isinstance(sys.stdout, Stream) else None
    if failed is None or failed.errno == errno.EPIPE or not isinstance(sys.stdout, Stream):
        return code
    typer.echo(f"uderia-bench: stdout cannot be written: {failed.strerror}", err=True)
    return code or (0 if sys.stdout.optional else WRITE_FAILED)


def _without_commands(text: str) -> str:
    """Return text without commands of CI systems (such as docs.github.com, "Workflow commands for GitHub Actions")."""
    if "::" in text:
        text = _AT_LINE_START.sub(r"\1\\::", text)
    return _ANYWHERE.sub("# #", text) if "##" in text else text
