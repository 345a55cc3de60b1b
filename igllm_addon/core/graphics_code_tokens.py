# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of graphics code: one token at a time, each found in time that is linear in its length. Standard library only.

What a model wrote is hostile until parsed. So the reader looks at no more than TEXT_LIMIT characters, holds one token at
a time, and hands on what it cannot read as a token of kind "bad", so that the parser can say what it expected there.
The grammar is the docstring of graphics_code.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .errors import ParseError
from .vocabulary import WORD_LENGTH_LIMIT

# 256 objects with six rotation numbers at full precision take a third of it; whatever is longer is no program.
TEXT_LIMIT = 1 << 18
# The shortest text that tells one double from another takes at most 24 characters; float() would also take a million.
NUMBER_LENGTH_LIMIT = 64
FOUND_LENGTH_LIMIT = 40

LEAD_IN = "The scene can be produced with:"
FENCE = "```"

# As Python reads a source: a comment must not reach over a lone carriage return and swallow statements.
LINE_BREAK = re.compile(r"\r\n?|\n")

# A letter beyond ASCII that looks like a Latin one, a quote that is not ' or ", or a digit of another script is in no
# pattern below, and errors show it as an escape, because printed it would look right.
_BLANK = re.compile(r"[ \t\r\n]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENT = re.compile(r"#[^\r\n]*")
_WORD = re.compile(rf"'([^'\\\r\n]{{0,{WORD_LENGTH_LIMIT}}})'|\"([^\"\\\r\n]{{0,{WORD_LENGTH_LIMIT}}})\"")
_NUMBER_START = frozenset("0123456789.+-")
# The run of characters is taken as a whole before it is matched, so that `1.5.2` and `1e5x` are one bad number each.
_NUMBER_RUN = re.compile(r"[0-9A-Za-z_.+-]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_FENCE = re.compile(r"```([A-Za-z0-9_+-]{0,16})[ \t]*(?=[\r\n]|\Z)")
_NOT_BLANK = re.compile(r"[^ \t\r\n]+")

TokenKind = Literal["name", "word", "number", "mark", "fence", "end", "bad"]


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is what the source says, except for a word, where it is without the quotes, and a fence, where it is the
    language. `first_on_line` says that only blanks stand before it on its line."""

    kind: TokenKind
    text: str
    start: int
    end: int
    first_on_line: bool

    def is_mark(self, marks: str) -> bool:
        """Whether this is one of these punctuation marks, rather than a word that holds the same character."""
        return self.kind == "mark" and self.text in marks


class TokenReader:
    """Reads a text's tokens with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self._text = text[:TEXT_LIMIT]
        self._full_length = len(text)
        self._offset = 0
        self._line_is_fresh = True  # nothing but blanks and comments since the last line break
        self._peeked: Token | None = None

    def skip_lead_in(self) -> None:
        """Pass over the sentence before the program; only before the first token."""
        self._skip_blank()
        if self._text.startswith(LEAD_IN, self._offset):
            self._offset += len(LEAD_IN)
            self._line_is_fresh = False

    def peek(self) -> Token:
        """The next token, which stays the next."""
        if self._peeked is None:
            self._peeked = self._read()
        return self._peeked

    def take(self) -> Token:
        """The next token."""
        token = self.peek()
        self._peeked = None
        return token

    def error(self, token: Token, expected: str, found: str | None = None) -> ParseError:
        """What to raise where `token` does not fit; `found` replaces the token's own text."""
        if token.end == len(self._text) < self._full_length:
            expected, found = f"a program of at most {TEXT_LIMIT} characters", f"{self._full_length} characters"
        elif found is None:
            found = self._quoted(token)
        line, line_start = 1, 0
        for line_break in LINE_BREAK.finditer(self._text, 0, token.start):
            line, line_start = line + 1, line_break.end()
        return ParseError(line, token.start - line_start + 1, expected, found)

    def _quoted(self, token: Token) -> str:
        if token.kind == "end":
            return "the end of the text"
        shown = self._text[token.start : min(token.end, token.start + FOUND_LENGTH_LIMIT)]
        return ascii(shown) + ("…" if token.end > token.start + FOUND_LENGTH_LIMIT else "")

    def _skip_blank(self) -> None:
        """Pass over blanks and comments."""
        start = self._offset
        while skipped := _BLANK.match(self._text, self._offset) or _COMMENT.match(self._text, self._offset):
            self._offset = skipped.end()
        self._line_is_fresh |= LINE_BREAK.search(self._text, start, self._offset) is not None

    def _read(self) -> Token:
        self._skip_blank()
        first_on_line, self._line_is_fresh = self._line_is_fresh, False
        start = self._offset
        kind, text, self._offset = self._match(start)
        return Token(kind, text, start, self._offset, first_on_line)

    def _match(self, start: int) -> tuple[TokenKind, str, int]:
        """Kind, text and end of the token that starts here."""
        source = self._text
        if start == len(source):
            return ("bad" if start < self._full_length else "end"), "", start
        if source[start] in "()[],=":
            return "mark", source[start], start + 1
        if match := _NAME.match(source, start):
            return "name", match[0], match.end()
        if match := _WORD.match(source, start):
            return "word", match[0][1:-1], match.end()
        if source[start] in _NUMBER_START and (match := _NUMBER_RUN.match(source, start)):
            readable = len(match[0]) <= NUMBER_LENGTH_LIMIT and _NUMBER.fullmatch(match[0])
            return ("number" if readable else "bad"), match[0], match.end()
        if match := _FENCE.match(source, start):
            return "fence", match[1], match.end()
        match = _NOT_BLANK.match(source, start)
        return "bad", "", match.end() if match else start + 1
