# SPDX-License-Identifier: GPL-3.0-or-later
"""What may come next: a walk over tokens from node to node, for words as for digits. No torch.

    number ::= [ sign ] whole "." digit digit digit
    sign   ::= "+" | "-"
    whole  ::= "0" | nonzero { digit }                 as many digits as the largest number has

A node with one choice is forced. A node without choices is an end, and `value` is what was chosen on the way there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.errors import WeightsError

DECIMALS = 3
DIGIT_CHARACTERS = "+-.0123456789"


class Node(Protocol):
    """A place on the way."""

    @property
    def choices(self) -> tuple[int, ...]:
        """The tokens that may follow here."""
        ...

    @property
    def value(self) -> Any:
        """What was chosen, at an end; None before."""
        ...

    def after(self, token: int) -> Node:
        """The node behind one of the choices."""
        ...


@dataclass
class TrieNode:
    """A node of the tree of all spellings of some alternatives."""

    branches: dict[int, TrieNode] = field(default_factory=dict)
    value: Any = None

    @property
    def choices(self) -> tuple[int, ...]:
        return tuple(self.branches)

    def after(self, token: int) -> TrieNode:
        return self.branches[token]


def token_trie(alternatives: Iterable[tuple[Any, tuple[int, ...]]]) -> TrieNode:
    """The root for pairs of a value and its spelling. A spelling that begins with another's has no own end: WeightsError."""
    root = TrieNode()
    for value, spelling in alternatives:
        node, fresh = root, False
        for token in spelling:
            fresh = token not in node.branches
            node = node.branches.setdefault(token, TrieNode())
            if node.value is not None:
                break
        if not fresh or node.branches:
            raise WeightsError(f"the tokenizer spells {value!r} like the beginning or the whole of something else")
        node.value = value
    return root


@dataclass(frozen=True)
class NumberNode:
    """A number written so far. tokens: the token of each of the DIGIT_CHARACTERS."""

    tokens: Mapping[str, int]
    signed: bool
    whole_digits: int
    text: str = ""

    @property
    def _characters(self) -> str:
        text = self.text
        if not text and self.signed:
            return "+-"
        whole, dot, decimals = text.lstrip("+-").partition(".")
        if dot:
            return "" if len(decimals) == DECIMALS else "0123456789"
        if not whole:
            return "0123456789"
        return "." if whole == "0" or len(whole) == self.whole_digits else ".0123456789"

    @property
    def choices(self) -> tuple[int, ...]:
        return tuple(self.tokens[character] for character in self._characters)

    @property
    def value(self) -> float | None:
        return None if self._characters else float(self.text)

    def after(self, token: int) -> NumberNode:
        character = next(character for character in self._characters if self.tokens[character] == token)
        return NumberNode(self.tokens, self.signed, self.whole_digits, self.text + character)

    def spelling(self, number: float) -> tuple[int, ...]:
        """The tokens of a number, from the root; one beyond the digits that there are is written as the nearest there is."""
        limit = 10.0**self.whole_digits - 10.0**-DECIMALS
        number = min(max(number, -limit if self.signed else 0.0), limit)
        text = f"{number:+.{DECIMALS}f}" if self.signed else f"{number:.{DECIMALS}f}"
        return tuple(self.tokens[character] for character in text)
