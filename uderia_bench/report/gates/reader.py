"""A gate as text, read from left to right with the place of every word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from uderia_bench.report.gates.gate import OPERATORS, Misread

_WORD = re.compile(r"[^\s.:<>=!]+")
_OPERATOR = re.compile(r"[<>=!~]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_UNIT = re.compile(r"[^\W\d_]+|%|\$")
_JOINS = ("and", "or", "&&", "||", ",", ";")


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of the text with its place, end exclusive."""

    text: str
    start: int
    end: int


class Reader:
    """Reads one gate.

    Spaces between words have no meaning. Errors point at a word, or at where reading stopped.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._at = 0
        if (odd := next((at for at, character in enumerate(text) if not character.isprintable()), None)) is not None:
            raise Misread("this gate contains a character that cannot be printed", text, odd, odd + 1)
        self._skip()

    @property
    def at_end(self) -> bool:
        """Whether the text is read to its end."""
        return self._at == len(self.text)

    def rest(self) -> str:
        """Return the rest of the text."""
        return self.text[self._at :]

    def misread(self, message: str, at: Word | None = None) -> Misread:
        """Return an error that points at a word, or at the next word."""
        if at is not None:
            return Misread(message, self.text, at.start, at.end)
        following = re.compile(r"\S+").match(self.text, self._at)
        return Misread(message, self.text, self._at, following.end() if following else self._at + 1)

    def one_of(self, names: Iterable[str], *, followed_by: tuple[str, ...]) -> Word | None:
        """Take the longest name that comes next and is followed by one of the marks; None where none does."""
        for name in sorted(names, key=len, reverse=True):
            after = self._at + len(name)
            if self.text.startswith(name, self._at) and self.text.startswith(followed_by, after):
                return self._took(name, after)
        return None

    def word(self, wanted: str) -> Word:
        """Take one word. ``wanted`` is the message where there is none."""
        return self._take(_WORD, wanted)

    def until_colon(self, wanted: str) -> Word:
        """Take everything before the next colon, or one word where there is no colon."""
        end = self.text.find(":", self._at)
        name = self.text[self._at : end].rstrip() if end >= 0 else ""
        return self._took(name, self._at + len(name)) if name else self.word(wanted)

    def takes_word(self, word: str) -> bool:
        """Take this word if it comes next."""
        if self.sees_word(word):
            self._took(word, self._at + len(word))
            return True
        return False

    def sees_word(self, word: str) -> bool:
        """Whether this word comes next."""
        found = _WORD.match(self.text, self._at)
        return found is not None and found[0] == word

    def sees(self, mark: str) -> bool:
        """Whether this mark comes next."""
        return self.text.startswith(mark, self._at)

    def expect(self, mark: str, wanted: str) -> None:
        """Take a mark. ``wanted`` is the message where it is missing."""
        if not self.sees(mark):
            raise self.misread(wanted)
        self._took(mark, self._at + len(mark))

    def sees_operator(self) -> bool:
        """Whether a comparison comes next, a wrong one included."""
        return _OPERATOR.match(self.text, self._at) is not None

    def operator(self) -> Word:
        """Take a comparison, a wrong one included."""
        return self._take(_OPERATOR, f"write a comparison here: {', '.join(OPERATORS)}")

    def number(self) -> Word:
        """Take a number."""
        return self._take(_NUMBER, "write a number here")

    def sees_unit(self) -> bool:
        """Whether a unit comes next. A word that joins two gates is not a unit."""
        found = _UNIT.match(self.text, self._at)
        return found is not None and found[0] not in _JOINS

    def unit(self) -> Word:
        """Take a unit that ``sees_unit`` has seen."""
        return self._take(_UNIT, "write a unit here")

    def expect_end(self) -> None:
        """Refuse a rest."""
        if not self.at_end:
            joins = self.rest().startswith(_JOINS)
            raise self.misread(
                "one gate has one condition, so write a second gate" if joins else "the gate is complete before this; remove it"
            )

    def _take(self, pattern: re.Pattern[str], wanted: str) -> Word:
        found = pattern.match(self.text, self._at)
        if not found:
            raise self.misread(wanted)
        return self._took(found[0], found.end())

    def _took(self, text: str, end: int) -> Word:
        start = self._at
        self._at = end
        self._skip()
        return Word(text, start, end)

    def _skip(self) -> None:
        while self._at < len(self.text) and self.text[self._at] == " ":
            self._at += 1
