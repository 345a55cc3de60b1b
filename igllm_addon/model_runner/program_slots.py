# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a program between which decisions are made, whatever the dialect. No torch.

    program   ::= opening [ camera ] { another object } no-more
    object    ::= argument { argument } [ rotation ] closing

A dialect spells each of these as a sequence of slots: Forced text, a Choice among words or of "another statement or the
end", a Number that a head reads, or Digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ..core.vocabulary import Vocabulary
from .config import DecoderConfig
from .rotation_encodings import RotationEncoding
from .token_choices import Node, NumberNode

CAMERA_NUMBERS, LOCATION_NUMBERS = "camera", "location"
YAW_NUMBERS, ROTATION_NUMBERS = "yaw", "rotation"  # the same quantity, of templates that turn about z and of others
SHARED_HEAD = "number"
ANOTHER = "another"
WORD_ORDER = ("size", "color", "material", "shape")  # the shape last, because it says whether a rotation follows


@dataclass(frozen=True, slots=True)
class Forced:
    """Tokens that stand there in any program."""

    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A word of a field, or whether another statement comes. spellings: value -> its tokens, for synonyms several."""

    field: str
    root: Node
    spellings: Mapping[str | bool, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True, slots=True)
class Number:
    """One [NUM]: `count` numbers of a quantity from the `first` on, read by the head of this name."""

    quantity: str
    first: int
    count: int
    head: str


@dataclass(frozen=True, slots=True)
class Digits:
    """The `first` number of a quantity as text."""

    quantity: str
    first: int
    root: NumberNode


Slot = Forced | Choice | Number | Digits


class Dialect(Protocol):
    """A way to spell programs."""

    @property
    def quantities(self) -> Quantities: ...

    @property
    def token_count(self) -> int: ...

    @property
    def number_token(self) -> int: ...

    @property
    def any_order(self) -> bool:
        """Whether an object's arguments may be learned in any order."""
        ...

    @property
    def learns_forced(self) -> bool:
        """Whether a model learns to write what is forced, too, as it must where others decode without the grammar."""
        ...

    @property
    def before_picture(self) -> tuple[int, ...]: ...

    @property
    def after_picture(self) -> tuple[int, ...]:
        """The tokens between the picture and the first decision, never none."""
        ...

    @property
    def camera(self) -> tuple[Slot, ...]: ...

    @property
    def another(self) -> Choice:
        """True and the beginning of an object's statement, or False and the end of the program."""
        ...

    @property
    def arguments(self) -> tuple[str, ...]:
        """An object's arguments in the order in which a program is written: word fields and the location."""
        ...

    def object_slots(self, arguments: tuple[str, ...]) -> tuple[Slot, ...]:
        """The slots of an object's arguments, in this order, which may hold the rotation. Without the closing."""
        ...

    def rotation_slots(self) -> tuple[Slot, ...]:
        """The slots of a rotation behind all other arguments."""
        ...

    @property
    def closing(self) -> tuple[Slot, ...]: ...


@dataclass(frozen=True)
class Quantities:
    """How many numbers of what a program holds, and which head reads which of them."""

    vocabulary: Vocabulary
    decoder: DecoderConfig
    together: bool  # one [NUM] for all numbers of a quantity

    @property
    def encoding(self) -> RotationEncoding:
        """How rotations are written."""
        return RotationEncoding(self.decoder.rotation, self.vocabulary)

    @property
    def rotation(self) -> str:
        """The name of the rotation's quantity."""
        return YAW_NUMBERS if self.vocabulary.rotation_length == 1 else ROTATION_NUMBERS

    @property
    def counts(self) -> dict[str, int]:
        """Quantity -> how many numbers, in the order of a program."""
        camera = {CAMERA_NUMBERS: 2} if self.decoder.camera else {}
        counts = camera | {LOCATION_NUMBERS: self.vocabulary.location_length, self.rotation: self.encoding.count}
        return {name: count for name, count in counts.items() if count}

    def numbers(self, quantity: str) -> tuple[Number, ...]:
        """The [NUM]s of a quantity."""
        count = self.counts[quantity]
        if not self.decoder.number_scales:
            return tuple(Number(quantity, first, 1, SHARED_HEAD) for first in range(count))
        if self.together:
            return (Number(quantity, 0, count, quantity),)
        return tuple(Number(quantity, first, 1, f"{quantity}_{first}") for first in range(count))

    @property
    def slots(self) -> tuple[Number, ...]:
        """Every [NUM] that a program can have, in a fixed order; none where numbers are digits."""
        if self.decoder.numeric_head == "none":
            return ()
        return tuple(number for quantity in self.counts for number in self.numbers(quantity))

    @property
    def heads(self) -> dict[str, Number]:
        """Head -> the first [NUM] that it reads."""
        heads: dict[str, Number] = {}
        for number in self.slots:
            heads.setdefault(number.head, number)
        return heads
