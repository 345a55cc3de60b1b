# SPDX-License-Identifier: GPL-3.0-or-later
"""The two dialects that programs are spelled in. No torch.

`compact`: one token for each thing that the grammar leaves open (program_tokens.py). `text`: IG-LLM's prompt and answer
(arXiv 2404.15228, section 4), a fenced block with one add(...) per line:

    The scene can be produced with:
    ```python
    camera(distance=[NUM], elevation=[NUM])
    add(size='large', color='red', material='rubber', shape='cube', loc=([NUM], [NUM], [NUM]), rotation=[NUM])
    ```

The camera is left out where a config says so, as IG-LLM does; with digits, each [NUM] is the text of a number.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path

from ..core.graphics_code_variety import words_alike
from ..core.vocabulary import Vocabulary
from .base_folders import token_limits
from .config import BaseConfig, DecoderConfig
from .program_slots import (
    ANOTHER,
    CAMERA_NUMBERS,
    LOCATION_NUMBERS,
    WORD_ORDER,
    Choice,
    Digits,
    Forced,
    Quantities,
    Slot,
)
from .program_tokens import ADD, CAMERA, END, NUMBER, START, ProgramTokens
from .spelling import OwnSpelling, PretrainedSpelling, Spelling
from .token_choices import DIGIT_CHARACTERS, NumberNode, token_trie

PROMPT = "What Python Blender code could be used to produce the scene?"
LEAD_IN = "The scene can be produced with:"
# The frame of a conversation that Vicuna was tuned with (lm-sys/FastChat, conversation template "vicuna_v1.1").
_CONVERSATION = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. USER: "
)
_WHOLE_DIGITS_OF_ANGLES = 2


class CompactDialect:
    """One token for each thing that is not forced."""

    learns_forced = any_order = False
    number_token = NUMBER
    before_picture: tuple[int, ...] = ()

    def __init__(self, vocabulary: Vocabulary, decoder: DecoderConfig) -> None:
        self.quantities = Quantities(vocabulary, decoder, together=True)
        self.tokens = ProgramTokens(vocabulary, digits=decoder.numeric_head == "none")
        self.token_count = len(self.tokens.texts)
        self.after_picture = (START, CAMERA) if decoder.camera else (START,)
        self.camera = self._numbers(CAMERA_NUMBERS) if decoder.camera else ()
        self.another = _choice(ANOTHER, {True: ((ADD,),), False: ((END,),)})
        self.arguments = (LOCATION_NUMBERS, *self.tokens.fields)
        self.closing: tuple[Slot, ...] = ()

    def object_slots(self, arguments: tuple[str, ...]) -> tuple[Slot, ...]:
        return tuple(slot for name in arguments for slot in self._argument(name))

    def rotation_slots(self) -> tuple[Slot, ...]:
        return self._numbers(self.quantities.rotation)

    def _argument(self, name: str) -> tuple[Slot, ...]:
        if name in self.quantities.counts:
            return self._numbers(name)
        words, tokens = self.tokens.vocabulary.words[name], self.tokens.word_tokens(name)
        return (_choice(name, {word: ((token,),) for word, token in zip(words, tokens, strict=True)}),)

    def _numbers(self, quantity: str) -> tuple[Slot, ...]:
        if self.quantities.decoder.numeric_head != "none":
            return self.quantities.numbers(quantity)
        return tuple(
            Digits(quantity, first, _number_root(self.quantities, quantity, self.tokens.digit_tokens))
            for first in range(self.quantities.counts[quantity])
        )


class TextDialect:
    """IG-LLM's text."""

    learns_forced = any_order = True

    def __init__(self, vocabulary: Vocabulary, decoder: DecoderConfig, spelling: Spelling, *, conversation: bool) -> None:
        self.quantities = Quantities(vocabulary, decoder, together=False)
        self.spelling = spelling
        self.token_count, self.number_token = spelling.size, spelling.number
        self._vocabulary = vocabulary
        self.before_picture = (spelling.start, *(spelling.spell(_CONVERSATION) if conversation else ()))
        question = f"\n{PROMPT} ASSISTANT: " if conversation else f"{PROMPT}\n"
        self.after_picture = (*spelling.spell(question), *spelling.spell(LEAD_IN), *spelling.spell("\n```python"))
        self.another = _choice(ANOTHER, {True: (spelling.spell("\nadd("),), False: ((*spelling.spell("\n```"), spelling.end),)})
        fields = tuple(name for name in WORD_ORDER if name in vocabulary.words)
        # A pointer finds its object with the location, and the words are then told by what it points at.
        self.arguments = (LOCATION_NUMBERS, *fields) if decoder.pointer else (*fields, LOCATION_NUMBERS)
        self.closing: tuple[Slot, ...] = (Forced(spelling.spell(")")),)
        # One dialect lives as long as its model, so that the cache may hold on to it.
        self.object_slots = lru_cache(maxsize=4096)(self._object_slots)

    @cached_property
    def camera(self) -> tuple[Slot, ...]:
        if not self.quantities.decoder.camera:
            return ()
        distance, elevation = self._numbers(CAMERA_NUMBERS)
        spell = self.spelling.spell
        return (Forced(spell("\ncamera(distance=")), distance, Forced(spell(", elevation=")), elevation, Forced(spell(")")))

    def rotation_slots(self) -> tuple[Slot, ...]:
        return self._argument(self.quantities.rotation, ", ")

    def _object_slots(self, arguments: tuple[str, ...]) -> tuple[Slot, ...]:
        before = ("", *(", " for _ in arguments[1:]))
        return tuple(slot for name, text in zip(arguments, before, strict=True) for slot in self._argument(name, text))

    def _argument(self, name: str, before: str) -> tuple[Slot, ...]:
        spell = self.spelling.spell
        if name not in self.quantities.counts:
            words = self._vocabulary.words[name]
            # The closing quote belongs to the word, so that no word is the beginning of another.
            spellings: dict[str | bool, tuple[tuple[int, ...], ...]] = {
                word: tuple(_joined(spell(other), spell("'")) for other in words_alike(self._vocabulary, name, word))
                for word in words
            }
            return (Forced(spell(f"{before}{name}='")), _choice(name, spellings))
        numbers = self._numbers(name)
        if name == LOCATION_NUMBERS and len(numbers) == 2:
            return (Forced(spell(f"{before}x=")), numbers[0], Forced(spell(", y=")), numbers[1])
        keyword = "loc" if name == LOCATION_NUMBERS else "rotation"
        if len(numbers) == 1:
            return (Forced(spell(f"{before}{keyword}=")), numbers[0])
        between = [slot for number in numbers for slot in (Forced(spell(", ")), number)][1:]
        return (Forced(spell(f"{before}{keyword}=(")), *between, Forced(spell(")")))

    def _numbers(self, quantity: str) -> tuple[Slot, ...]:
        if self.quantities.decoder.numeric_head != "none":
            return self.quantities.numbers(quantity)
        tokens = {character: self.spelling.spell(character)[0] for character in DIGIT_CHARACTERS}
        root = _number_root(self.quantities, quantity, tokens)
        return tuple(Digits(quantity, first, root) for first in range(self.quantities.counts[quantity]))


def make_dialect(vocabulary: Vocabulary, decoder: DecoderConfig) -> CompactDialect | TextDialect:
    """The dialect that a config asks for; a pretrained one reads its tokenizer."""
    if decoder.dialect == "compact":
        return CompactDialect(vocabulary, decoder)
    if decoder.base is not None:
        return TextDialect(vocabulary, decoder, _pretrained(decoder.base), conversation=True)
    pieces = _pieces(vocabulary) if decoder.tokenizer == "pieces" else ()
    return TextDialect(vocabulary, decoder, OwnSpelling(pieces), conversation=False)


def _pretrained(base: BaseConfig) -> Spelling:
    folder = Path(base.folder)
    start, end = token_limits(folder)
    return PretrainedSpelling(folder, base.number_token, start, end)


def _pieces(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Whatever stands in programs as a whole."""
    keywords = [f"{before}{name}='" for before in ("", ", ") for name in vocabulary.words]
    numbers = [f"{before}{name}=" for before in ("", ", ") for name in ("x", "y", "loc", "rotation", "loc=(", "rotation=(")]
    numbers = [text.replace("(=", "(") for text in numbers]
    frame = [f"{PROMPT}\n", LEAD_IN, "\n```python", "\nadd(", "\n```", "\ncamera(distance=", ", elevation=", ", "]
    words = [word for entries in vocabulary.words.values() for word in entries]
    synonyms = [word for pairs in vocabulary.synonyms.values() for word in pairs]
    return (*frame, *keywords, *numbers, *words, *synonyms)


def _choice(name: str, spellings: dict[str | bool, tuple[tuple[int, ...], ...]]) -> Choice:
    root = token_trie((value, tokens) for value, several in spellings.items() for tokens in several)
    return Choice(name, root, spellings)


def _joined(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return (*first, *second)


def _number_root(quantities: Quantities, quantity: str, tokens: dict[str, int]) -> NumberNode:
    vocabulary = quantities.vocabulary
    if quantity == LOCATION_NUMBERS:
        # Two numbers are a place in the picture, which is never negative (IG-LLM writes them without a sign).
        return NumberNode(tokens, vocabulary.location_length == 3, len(str(int(vocabulary.location_limit))))
    return NumberNode(tokens, True, 4 if quantity == CAMERA_NUMBERS else _WHOLE_DIGITS_OF_ANGLES)
