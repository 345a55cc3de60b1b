# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of one statement of graphics code, each read after its keyword's rule. Standard library only.

Nothing nests: the first closing bracket ends what it may end, so that brackets cost neither recursion nor a stack.
The grammar is the docstring of graphics_code.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .graphics_code_tokens import Token, TokenReader
from .vocabulary import Vocabulary

_WORDS_SHOWN = 12
_NONZERO_DIGIT = re.compile(r"[1-9]")


@dataclass(frozen=True, slots=True)
class WordRule:
    """A keyword's value is one of these words, or a synonym of one."""

    field_name: str
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True)
class NumberRule:
    """A keyword's value is this many numbers from `lowest` to `highest`."""

    length: int
    lowest: float
    highest: float


Rules = Mapping[str, WordRule | NumberRule]


@dataclass(slots=True)
class Arguments:
    """One statement's arguments by keyword, the keywords' tokens and the bracket that closes the statement."""

    tokens: dict[str, Token] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict)
    closing: Token | None = None


def read_arguments(reader: TokenReader, rules: Rules) -> Arguments:
    """All between the brackets of a statement, which end with the first bracket that closes: nothing nests."""
    arguments = Arguments()
    _take_mark(reader, "(")
    while True:
        keyword = reader.take()
        if keyword.is_mark(")") and arguments.tokens:
            break
        if keyword.kind != "name" or keyword.text not in rules:
            raise reader.error(keyword, f"a keyword ({', '.join(rules)})")
        if keyword.text in arguments.tokens:
            raise reader.error(keyword, f"each keyword once, not {keyword.text} again")
        _take_mark(reader, "=")
        arguments.tokens[keyword.text] = keyword
        rule = rules[keyword.text]
        if isinstance(rule, WordRule):
            arguments.words[keyword.text] = _read_word(reader, rule)
        else:
            arguments.numbers[keyword.text] = _read_numbers(reader, rule)
        if not reader.peek().is_mark(")"):
            _take_mark(reader, ",", "',' or ')'")
    arguments.closing = keyword
    return arguments


def _take_mark(reader: TokenReader, mark: str, expected: str | None = None) -> None:
    token = reader.take()
    if not token.is_mark(mark):
        raise reader.error(token, expected or repr(mark))


def _read_word(reader: TokenReader, rule: WordRule) -> str:
    token = reader.take()
    word = rule.vocabulary.canonical_word_or_none(rule.field_name, token.text) if token.kind == "word" else None
    if word is None:
        words = rule.vocabulary.words[rule.field_name]
        more = f" or {len(words) - _WORDS_SHOWN} others" if len(words) > _WORDS_SHOWN else ""
        raise reader.error(token, f"one of {', '.join(map(repr, words[:_WORDS_SHOWN]))}{more}")
    return word


def _read_numbers(reader: TokenReader, rule: NumberRule) -> tuple[float, ...]:
    if rule.length == 1 and not reader.peek().is_mark("(["):
        return (_read_number(reader, rule),)
    opening = reader.take()
    if not opening.is_mark("(["):
        raise reader.error(opening, f"{_count(rule.length)} in brackets")
    closing = ")" if opening.text == "(" else "]"
    values: list[float] = []
    while not reader.peek().is_mark(closing):
        if len(values) == rule.length:
            raise reader.error(reader.peek(), f"{closing!r} after {_count(rule.length)}")
        values.append(_read_number(reader, rule))
        if not reader.peek().is_mark(closing):
            _take_mark(reader, ",", f"',' or {closing!r}")
    if len(values) < rule.length:
        raise reader.error(reader.peek(), _count(rule.length), f"{closing!r} after {_count(len(values))}")
    reader.take()
    return tuple(values)


def _count(numbers: int) -> str:
    return "1 number" if numbers == 1 else f"{numbers} numbers"


def _read_number(reader: TokenReader, rule: NumberRule) -> float:
    token = reader.take()
    if token.kind != "number":
        raise reader.error(token, "a number")
    value = float(token.text)
    if value == 0.0 and _NONZERO_DIGIT.search(token.text.lower().partition("e")[0]):
        raise reader.error(token, "a number that is far enough from zero to be stored")
    if not rule.lowest <= value <= rule.highest:
        raise reader.error(token, f"a number from {rule.lowest!r} to {rule.highest!r}")
    return value + 0.0
