# SPDX-License-Identifier: GPL-3.0-or-later
"""One mesh of the shipped set before it is written to files. No bpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .parts import Part
from .textures import Pattern


@dataclass(frozen=True, eq=False)
class Model:
    """class_name, name: its words. parts: in the object's own axes, z up and front +y. patterns: its texture's tiles."""

    class_name: str
    name: str
    parts: Sequence[Part]
    patterns: Sequence[Pattern]

    def normalised_parts(self) -> list[Part]:
        """The parts with the bounding box's centre in the origin and its diagonal 1, as ShapeNetCore's models are."""
        every = np.concatenate([part.vertices[_used(part)] for part in self.parts])
        low, high = every.min(axis=0), every.max(axis=0)
        x, y, z = -(low + high) / 2.0
        size = 1.0 / float(np.linalg.norm(high - low))
        return [part.moved(x, y, z).scaled(size, size, size) for part in self.parts]


def _used(part: Part) -> NDArray[np.intp]:
    return np.asarray(np.unique(np.concatenate([np.asarray(face) for face in part.faces])))
