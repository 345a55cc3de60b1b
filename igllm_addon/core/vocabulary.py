# SPDX-License-Identifier: GPL-3.0-or-later
"""The words, ranges and symmetries of one template: what its graphics code may say.

A vocabulary is plain data, so that the runner can receive it inside a request and need not know any template.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from .errors import SceneError

if TYPE_CHECKING:
    from .symmetries import Generator, Symmetry

WORD_FIELDS = ("color", "size", "material", "shape")  # the order of canonical graphics code
WORD_LENGTH_LIMIT = 64  # characters; a ShapeNet class and model identifier take about 45


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
    symmetries: shape -> generators (x, y, z, order) of the turns that cannot be seen, see symmetries.py; for rotations in space.
    object_limit: most objects that one program may hold.
    required_fields: keywords of graphics code without which an add(...) is an error, such as "shape" and "loc".
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
    required_fields: tuple[str, ...] = ()
    symmetries: Mapping[str, tuple[Generator, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("words", "synonyms", "yaw_symmetry_orders", "symmetries"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        self._check_words()
        self._check_numbers()
        if self.symmetries:
            from .symmetries import check_generators, symmetry_of  # brings numpy, which a vocabulary without needs not

            for shape, generators in self.symmetries.items():
                symmetry_of(check_generators(generators, repr(shape)))
        keywords = {*self.words, "loc", "rotation"}
        if unknown := [name for name in self.required_fields if name not in keywords]:
            raise SceneError(f"vocabulary {self.template!r} requires the unknown keyword {unknown[0]!r}")

    def _check_words(self) -> None:
        for name, words in (*self.words.items(), *((name, tuple(pairs)) for name, pairs in self.synonyms.items())):
            if name not in WORD_FIELDS:
                raise SceneError(
                    f"vocabulary {self.template!r} has words for {name!r}, which is none of {', '.join(WORD_FIELDS)}"
                )
            for word in words:
                if not (0 < len(word) <= WORD_LENGTH_LIMIT and word.isprintable() and not set(word) & set("'\"\\")):
                    raise SceneError(f"vocabulary {self.template!r} has the {name} {word!r}, which graphics code cannot quote")
        for name, pairs in self.synonyms.items():
            if strange := [word for word in pairs.values() if word not in self.words.get(name, ())]:
                raise SceneError(f"vocabulary {self.template!r} has synonyms of the unknown {name} {strange[0]!r}")

    def _check_numbers(self) -> None:
        if self.location_length not in (2, 3) or self.rotation_length not in (0, 1, 3, 6):
            raise SceneError(
                f"vocabulary {self.template!r} must have 2 or 3 location and 0, 1, 3 or 6 rotation numbers,"
                f" got {self.location_length} and {self.rotation_length}"
            )
        if not (math.isfinite(self.location_limit) and self.location_limit > 0.0 and self.object_limit > 0):
            raise SceneError(f"vocabulary {self.template!r} must have positive, finite limits")

    def canonical_word_or_none(self, field_name: str, word: str) -> str | None:
        """The canonical form of a word or synonym, or None where the field does not know it."""
        if word in self.words.get(field_name, ()):
            return word
        return self.synonyms.get(field_name, {}).get(word)

    def carries_rotation(self, shape: str | None) -> bool:
        """Whether an object of this shape is written with a rotation."""
        return self.rotation_length > 0 and (self.rotated_shapes is None or shape in self.rotated_shapes)

    def symmetry(self, shape: str | None) -> Symmetry:
        """The turns of this shape that cannot be seen."""
        from .symmetries import symmetry_of

        return symmetry_of(self.symmetries.get(shape or "", ()))


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
    required_fields=("color", "size", "material", "shape", "loc"),
)

# One dot: where it is, as a share of the picture's width and height (IG-LLM's 2D experiment, arXiv 2404.15228).
DOTS2D = Vocabulary(template="dots2d", words={}, location_length=2, location_limit=2.0, rotation_length=0, object_limit=1)

VOCABULARIES: Mapping[str, Vocabulary] = MappingProxyType({CLEVR.template: CLEVR, DOTS2D.template: DOTS2D})
