# SPDX-License-Identifier: GPL-3.0-or-later
"""The words, ranges and symmetries of one template: what its graphics code may say.

A vocabulary is plain data, so that the runner can receive it inside a request and need not know any template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

WORD_FIELDS = ("color", "size", "material", "shape")  # the order of canonical graphics code


@dataclass(frozen=True)
class Vocabulary:
    """What a template's graphics code may say.

    words: field -> canonical words in order. A field that is absent may not be written.
    synonyms: field -> {other word: canonical word}.
    location_length: numbers in `loc` (3), or 2 where a location is written as x=, y=.
    location_limit: largest absolute coordinate, in Blender units.
    rotation_length: numbers in `rotation`: 0 none, 1 a yaw in radians written as a bare number, 3 or 6.
    rotated_shapes: shapes that carry a rotation; None means all.
    yaw_symmetry_orders: shape -> n for a shape that looks the same after a yaw of 2π/n; 0 means any yaw.
    object_limit: most statements that one program may hold.
    """

    template: str
    words: Mapping[str, tuple[str, ...]]
    synonyms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    location_length: int = 3
    location_limit: float = 1000.0
    rotation_length: int = 1
    rotated_shapes: tuple[str, ...] | None = None
    yaw_symmetry_orders: Mapping[str, int] = field(default_factory=dict)
    object_limit: int = 256

    def __post_init__(self) -> None:
        for name in ("words", "synonyms", "yaw_symmetry_orders"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def canonical_word_or_none(self, field_name: str, word: str) -> str | None:
        """The canonical form of a word or synonym, or None where the field does not know it."""
        if word in self.words.get(field_name, ()):
            return word
        return self.synonyms.get(field_name, {}).get(word)

    def carries_rotation(self, shape: str | None) -> bool:
        """Whether an object of this shape is written with a rotation."""
        return self.rotation_length > 0 and (self.rotated_shapes is None or shape in self.rotated_shapes)


# CLEVR's names and synonyms: facebookresearch/clevr-dataset-gen, image_generation/data/properties.json and
# question_generation/synonyms.json (facts only).
CLEVR = Vocabulary(
    template="clevr",
    words={
        "color": ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
        "size": ("large", "small"),
        "material": ("rubber", "metal"),
        "shape": ("cube", "sphere", "cylinder"),
    },
    synonyms={
        "size": {"big": "large", "tiny": "small"},
        "material": {"matte": "rubber", "metallic": "metal", "shiny": "metal"},
        "shape": {"block": "cube", "ball": "sphere"},
    },
    rotated_shapes=("cube",),
    yaw_symmetry_orders={"cube": 4, "sphere": 0, "cylinder": 0},
)

VOCABULARIES: Mapping[str, Vocabulary] = MappingProxyType({CLEVR.template: CLEVR})
