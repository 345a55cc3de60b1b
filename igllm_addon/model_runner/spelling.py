# SPDX-License-Identifier: GPL-3.0-or-later
"""Text to tokens, piece by piece: with a tokenizer of our own, or with a pretrained model's, from its folder. No torch.

A program is spelled piece by piece, each piece for itself, so that what the grammar forces and what it leaves open meet at the
border of a token. Pretrained tokenizers are read by their own libraries: tokenizer.model by sentencepiece, tokenizer.json
by tokenizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from ..core.errors import WeightsError
from .token_choices import DIGIT_CHARACTERS

START_PIECE, END_PIECE, NUMBER_PIECE = "<start>", "<end>", "[NUM]"
_PRINTABLE = ("\n", *(chr(code) for code in range(32, 127)))
# Stands before every piece that a pretrained tokenizer spells, because at the beginning of a text it would add a space.
# No tokenizer of the family joins a line's end with a letter that follows.
_BEFORE = "\n"


class Spelling(Protocol):
    """What a dialect needs of a tokenizer."""

    @property
    def size(self) -> int:
        """How many tokens there are."""
        ...

    @property
    def number(self) -> int:
        """The token [NUM]."""
        ...

    @property
    def end(self) -> int:
        """The token after the last."""
        ...

    @property
    def start(self) -> int:
        """The token before the first."""
        ...

    def spell(self, text: str) -> tuple[int, ...]:
        """The tokens of a piece of text; WeightsError where it has none."""
        ...


class OwnSpelling:
    """A table of pieces: the longest that fits is taken. Every printable ASCII character is a piece."""

    def __init__(self, pieces: Iterable[str]) -> None:
        longer = sorted({piece for piece in pieces if len(piece) > 1}, key=lambda piece: (-len(piece), piece))
        self._table = (START_PIECE, END_PIECE, NUMBER_PIECE, *_PRINTABLE, *longer)
        self._token = {piece: token for token, piece in enumerate(self._table) if token > 2}
        self._longest_first = sorted(self._token, key=len, reverse=True)
        self.size = len(self._table)
        self.start, self.end, self.number = 0, 1, 2

    def spell(self, text: str) -> tuple[int, ...]:
        tokens: list[int] = []
        at = 0
        while at < len(text):
            piece = next((piece for piece in self._longest_first if text.startswith(piece, at)), None)
            if piece is None:
                raise WeightsError(f"the characters of {text!r} are not all in the tokenizer, which knows printable ASCII")
            tokens.append(self._token[piece])
            at += len(piece)
        return tuple(tokens)

    def read(self, tokens: Iterable[int]) -> str:
        """The text of tokens; [NUM] and the like stand for themselves."""
        return "".join(self._table[token] for token in tokens)


class PretrainedSpelling:
    """The tokenizer in a model's folder."""

    def __init__(self, folder: Path, number_token: str, start: int, end: int) -> None:
        self._folder = folder
        self._encode, self._decode, self.size = _library(folder)
        self.start, self.end = start, end
        self._before = tuple(self._encode(_BEFORE))
        self._known: dict[str, tuple[int, ...]] = {}
        found = self.spell(number_token)
        if len(found) != 1:
            raise WeightsError(
                f"the tokenizer in {folder} spells {number_token!r} with {len(found)} tokens; set number_token to a single one"
            )
        self.number = found[0]
        for character in DIGIT_CHARACTERS:
            if len(self.spell(character)) != 1:
                raise WeightsError(f"the tokenizer in {folder} has no token for {character!r} alone, so it cannot spell numbers")

    def spell(self, text: str) -> tuple[int, ...]:
        if text not in self._known:
            tokens = tuple(self._encode(_BEFORE + text))
            count = len(self._before)
            if tokens[:count] != self._before or self._decode(list(tokens)) != self._decode(list(self._before)) + text:
                raise WeightsError(f"the tokenizer in {self._folder} does not give {text!r} back; it is of no family known here")
            self._known[text] = tokens[count:]
        return self._known[text]

    def read(self, tokens: Iterable[int]) -> str:
        """The text of tokens."""
        return self._decode([*self._before, *tokens])[len(self._decode(list(self._before))) :]


def _library(folder: Path) -> tuple[Callable[[str], list[int]], Callable[[list[int]], str], int]:
    if (folder / "tokenizer.model").is_file():
        from sentencepiece import SentencePieceProcessor

        try:
            pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        except (RuntimeError, OSError) as caught:
            raise WeightsError(f"{folder / 'tokenizer.model'} is not a sentencepiece model ({caught})") from caught
        return pieces.encode, pieces.decode, pieces.vocab_size()
    if (folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        rules = Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))

        def encode(text: str) -> list[int]:
            return list(rules.encode(text, add_special_tokens=False).ids)

        def decode(tokens: list[int]) -> str:
            return str(rules.decode(tokens, skip_special_tokens=False))

        return encode, decode, rules.get_vocab_size()
    raise WeightsError(f"{folder} has no tokenizer; a pretrained language model brings tokenizer.model or tokenizer.json")
