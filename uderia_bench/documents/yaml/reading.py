"""Strict reading of YAML text into a ``Document`` with the line of every value.

Why events instead of ruamel.yaml's loader: its constructors read dates and ``1_000``, stop at the first
duplicate key and lose the lines. Only its parser is used, with a scanner that accepts tabs where YAML 1.2
does. Scalars follow the core schema of YAML 1.2 (spec 1.2.2, section 10.3.2), so ``012`` is 12 and ``no`` is
text. Tags are errors, anchors work, and size, depth and aliases are limited.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

from uderia_bench.documents.yaml.document import Document, Place, Steps, dotted
from uderia_bench.errors import DocumentError, Mistake

MAX_BYTES = 4 * 2**20  # about 20,000 queries; a larger file is not a corpus
MAX_DEPTH = 32  # the deepest value of a document is at level 6
MAX_DIGITS = 18  # fits into 64 bits, the limit of JSON readers and SQLite
MAX_VALUES = 500_000  # values, counted through aliases, so that aliases cannot multiply without limit

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGERS = ((re.compile(r"[-+]?[0-9]+"), 10), (re.compile(r"0o[0-7]+"), 8), (re.compile(r"0x[0-9a-fA-F]+"), 16))
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

_MERGE = "<<"
_BLANKS = re.compile("[ \t]*")
_ENDS = frozenset("#\r\n\0")

_IN_PLAIN_WORDS = (  # messages of ruamel.yaml's scanner, and what a writer can do
    (r"'\t' that cannot start any token", "a tab cannot indent YAML; use spaces"),
    (r"indentation indicators, but found '\t'", "a tab cannot follow | or > here; use a space"),
    ("'@' that cannot start any token", 'a value cannot begin with @; put it in quotes, as in "@IDEAT"'),
    ("'%' that cannot start any token", "a value cannot begin with %; put it in quotes"),
    ("'`' that cannot start any token", "a value cannot begin with `; put it in quotes"),
    (
        "mapping values are not allowed here",
        "a colon is not allowed here; check the indentation, and put text with a colon in quotes",
    ),
    ("found unexpected end of stream", "a quote opened here is never closed"),
    ("but got '<stream end>'", "a bracket opened here is never closed"),
    ("expected <block end>", "this does not continue the lines above; check the indentation"),
)


def read(path: str | os.PathLike[str]) -> Document:
    """Read one YAML file. Raises ``DocumentError`` if it cannot be read, is not YAML, or is empty."""
    file = os.fspath(path)
    try:
        with Path(path).open("rb") as source:
            raw = source.read(MAX_BYTES + 1)
    except FileNotFoundError:
        _refuse(file, None, "no such file")
    except IsADirectoryError:
        _refuse(file, None, "is a directory, not a file")
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        _refuse(file, None, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    if len(raw) > MAX_BYTES:
        _refuse(file, None, f"is larger than {MAX_BYTES // 2**20} MiB; split it and use include")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(file, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text")
    document = read_text(text, file=file)
    if document.data is None:
        _refuse(file, None, "is empty")
    return document


def read_text(text: str, *, file: str) -> Document:
    """Read YAML from text; mistakes name ``file``. An empty text is None. Raises ``DocumentError`` for other text."""
    reader = _Reader(text, file)
    try:
        return reader.document()
    except ReaderError as error:
        _refuse(
            file,
            text.count("\n", 0, error.position) + 1,
            f"the character #x{_codepoint(error.character):04x} is not allowed in YAML",
        )
    except MarkedYAMLError as error:
        _refuse(file, *_in_plain_words(error))
    except YAMLError as error:
        _refuse(file, reader.line, f"is not valid YAML: {error}")
    except (ValueError, OverflowError):  # chr() of "\UFFFFFFFF"
        _refuse(file, reader.line, r"has a \U escape that is not a character")


class _Scanner(Scanner):
    """ruamel.yaml's scanner, which also takes tabs between tokens (spec 1.2.2, section 6.2), but not as indentation."""

    def scan_to_next_token(self) -> None:
        """Skip spaces, tabs, comments and line breaks. No key of a block begins after a tab."""
        while True:
            super().scan_to_next_token()
            reader, blanks = self.reader, self._blanks()
            begun = reader.buffer[reader.pointer - reader.column : reader.pointer].strip()
            ends = reader.peek(len(blanks)) in _ENDS
            if not blanks or not (self.flow_level or begun or ends):
                return
            reader.forward(len(blanks))
            if not self.flow_level and not ends:
                self.allow_simple_key = False

    def scan_plain_spaces(self, indent: Any, start_mark: Any) -> Any:
        """Take the white space inside a plain scalar."""
        blanks = self._blanks()
        if "\t" not in blanks:
            return super().scan_plain_spaces(indent, start_mark)
        self.reader.forward(len(blanks))
        return super().scan_plain_spaces(indent, start_mark) if self.reader.peek() in _ENDS else [blanks]

    def _blanks(self) -> str:
        found = _BLANKS.match(self.reader.buffer, self.reader.pointer)
        assert found is not None, "it may match nothing"
        return found[0]


class _Reader:
    """One pass over the parser's events. It notes a mistake and continues if the rest is readable."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.line = 1
        self.values = 0
        self.places: dict[Steps, Place] = {}
        self.mistakes: list[Mistake] = []
        self.anchors: dict[str, tuple[Any, int]] = {}  # value, and how many values it is
        parser = YAML(typ="safe", pure=True)
        parser.Scanner = _Scanner
        self.events = self._counted(parser.parse(text))

    def document(self) -> Document:
        next(self.events)  # the stream begins
        start = next(self.events)
        if isinstance(start, StreamEndEvent):
            return Document(file=self.file, data=None, places={})
        assert isinstance(start, DocumentStartEvent)
        if start.version not in {None, (1, 2)}:
            self._note((), "is read as YAML 1.2; take the %YAML line out")
        data = self._value(next(self.events), ())
        next(self.events)  # the document ends
        if isinstance(next(self.events), DocumentStartEvent):
            _refuse(self.file, self.line, "a second document begins here; a file holds one")
        return Document(file=self.file, data=data, places=self.places, mistakes=tuple(self.mistakes))

    def _counted(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            self.line = event.start_mark.line + 1
            yield event

    def _note(self, steps: Steps, message: str) -> None:
        self.mistakes.append(Mistake(file=self.file, line=self.line, path=dotted(steps) or None, message=message))

    def _value(self, event: Event, steps: Steps) -> Any:
        if isinstance(event, AliasEvent):
            return self._alias(event.anchor)
        before = self.values
        self._count(1)
        if len(steps) > MAX_DEPTH:
            _refuse(self.file, self.line, f"is nested more than {MAX_DEPTH} levels deep")
        assert isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent)
        if event.tag is not None:
            self._note(steps, f"tags such as {event.tag} have no meaning here; take it out")
        if isinstance(event, ScalarEvent):
            value = self._scalar(event, steps)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(steps)
        else:
            value = self._mapping(steps)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.values - before)
        return value

    def _sequence(self, steps: Steps) -> tuple[Any, ...]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            at = (*steps, len(items))
            self.places[at] = Place(self.file, self.line)
            items.append(self._value(event, at))
        return tuple(items)

    def _mapping(self, steps: Steps) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                _refuse(self.file, self.line, "a key must be plain text")
            key = self._text(event.value, steps)
            at = (*steps, key)
            if key == _MERGE and event.implicit[0]:
                self._note(at, "YAML 1.2 has no merge keys; write the keys out, or repeat the whole value with its alias")
                self._value(next(self.events), at)
                continue
            if key not in items:
                self.places[at] = Place(self.file, self.line)
                items[key] = self._value(next(self.events), at)
                continue
            self._note(at, f"is given twice; the first is in line {self.places[at].line}")
            self._value(next(self.events), (*at, "again"))  # read to its end, its places under a name nothing asks for
        return items

    def _alias(self, name: str) -> Any:
        if name not in self.anchors:
            _refuse(self.file, self.line, f"*{name} refers to nothing above it; write &{name} at what it should repeat")
        value, size = self.anchors[name]
        self._count(size)
        return value

    def _count(self, size: int) -> None:
        self.values += size
        if self.values > MAX_VALUES:
            _refuse(self.file, self.line, f"has more than {MAX_VALUES:,} values, counted through aliases")

    def _scalar(self, event: ScalarEvent, steps: Steps) -> Any:
        text = self._text(event.value, steps)
        is_plain = event.implicit[0]  # neither quoted nor a block of text
        if not is_plain:
            return text
        if text in _WORDS:
            return _WORDS[text]
        for pattern, base in _INTEGERS:
            if pattern.fullmatch(text):
                return self._integer(text, base, steps)
        if _FLOAT.fullmatch(text):
            return float(text)
        return float(text.replace(".", "")) if _NOT_FINITE.fullmatch(text) else text

    def _integer(self, text: str, base: int, steps: Steps) -> int:
        if len(text) <= MAX_DIGITS:
            return int(text, base)
        self._note(steps, f"is a number of {len(text):,} digits; the limit is {MAX_DIGITS}")
        return 0

    def _text(self, text: str, steps: Steps) -> str:
        if text.isascii():
            return text
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # joins the pairs of JSON
        if "\ufffd" in whole and "\ufffd" not in text:
            self._note(steps, "has half of a surrogate pair, which is not a character")
        return whole


def _refuse(file: str, line: int | None, message: str) -> NoReturn:
    raise DocumentError((Mistake(file=file, line=line, path=None, message=message),)) from None


def _codepoint(character: str | int) -> int:
    return character if isinstance(character, int) else ord(character)


def _in_plain_words(error: MarkedYAMLError) -> tuple[int | None, str]:
    problem = error.problem or "it cannot be parsed"
    words = next((words for needle, words in _IN_PLAIN_WORDS if needle in problem), None)
    opened = words is not None and "opened here" in words
    mark = (error.context_mark if opened else None) or error.problem_mark or error.context_mark
    return (None if mark is None else mark.line + 1), words or f"is not valid YAML: {problem}"
