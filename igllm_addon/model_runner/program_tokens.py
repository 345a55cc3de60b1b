# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphics code as the language model writes it: one token for each thing that is not forced. No torch.

    program   ::= <start> camera [NUM] { object } <end>
    object    ::= add [NUM] size color material shape [ [NUM] ]

With digits instead of a numeric head, each number is written as its characters (token_choices.py) and there is no [NUM].
The numbers of a [NUM] are read from the hidden state that predicts it and fed back with its embedding: distance and
elevation of the camera, x, y, z of an object's location, sine and cosine of its yaw. Everything else of the text (keywords,
brackets, quotes, commas) follows from the grammar, so it has no token and takes no step.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.vocabulary import Vocabulary
from .token_choices import DIGIT_CHARACTERS

START, END, CAMERA, ADD, NUMBER = range(5)
_SPECIAL = ("<start>", "<end>", "camera", "add", "[NUM]")
_FIELD_ORDER = ("size", "color", "material", "shape")  # the shape last, because it says whether a yaw follows
CAMERA_NUMBERS, LOCATION_NUMBERS, YAW_NUMBERS = "camera", "location", "yaw"
NUMBER_COUNTS = {CAMERA_NUMBERS: 2, LOCATION_NUMBERS: 3, YAW_NUMBERS: 2}


@dataclass(frozen=True)
class ProgramTokens:
    """The token table of one vocabulary, and which tokens may follow which."""

    vocabulary: Vocabulary
    digits: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The word fields in the order in which they are written."""
        return tuple(name for name in _FIELD_ORDER if name in self.vocabulary.words)

    @property
    def texts(self) -> tuple[str, ...]:
        """What each token stands for."""
        words = (f"{name}={word}" for name in self.fields for word in self.vocabulary.words[name])
        return (*_SPECIAL, *words, *(DIGIT_CHARACTERS if self.digits else ""))

    @property
    def digit_tokens(self) -> dict[str, int]:
        """The token of each character that a number is written with."""
        first = len(self.texts) - len(DIGIT_CHARACTERS)
        return {character: first + index for index, character in enumerate(DIGIT_CHARACTERS)}

    def word_tokens(self, field: str) -> range:
        """The tokens of a field's words, in the vocabulary's order."""
        first = len(_SPECIAL)
        for name in self.fields:
            count = len(self.vocabulary.words[name])
            if name == field:
                return range(first, first + count)
            first += count
        raise KeyError(field)

    def carries_rotation(self, shape_token: int) -> bool:
        """Whether a [NUM] with the yaw follows this token of the field "shape"."""
        shape = self.vocabulary.words["shape"][shape_token - self.word_tokens("shape").start]
        return self.vocabulary.carries_rotation(shape)
