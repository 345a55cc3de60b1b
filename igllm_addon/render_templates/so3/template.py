# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's SO(3) experiment: one mesh, one camera, every rotation. No bpy.

`train` and `val_ID` leave a part of rotation space out and `val_OOD` is that part: the rotations within 40° of one of twelve
centres, which are the turns of a tetrahedron after one fixed turn that has no special place in any encoding. The balls do not
meet (their centres are at least 120° apart), lie evenly over SO(3), and take 21 % of it. A ball is the same set whatever the
encoding, so none is favoured by the way of cutting; the centre of each is 40° away from all that training showed, so that a model
has to go between what it saw, as on IG-LLM's 2D checkerboard, while every side of the mesh has been seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.rotations import geodesic_angle, matrix_from_rotation_vector
from ...core.scene import Scene
from ...core.symmetries import symmetry_of
from ..meshes.catalogue import SHIPPED, Catalogue
from ..meshes.mesh_template import MeshTemplate, chosen_words
from ..meshes.posing import posed_object, random_rotation
from ..meshes.stage import Stage, camera_at, sun_from

HELD_OUT_RADIUS = math.radians(40.0)
_TILT = (0.37, -0.61, 0.83)  # a rotation vector that takes the centres away from axes and from gimbal lock
REGIONS = ("train", "held_out", "all")


@dataclass(frozen=True)
class So3Options:
    """library: "shipped" or a folder of meshes. mesh: the word of the one that is shown; "" the library's first. region: which
    rotations, see above; "all" of them."""

    library: str = SHIPPED
    mesh: str = ""
    region: str = "train"
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise UsageError(f"There is no region {self.region!r} of rotations; choose one of {', '.join(REGIONS)}.")


def held_out_centers() -> NDArray[np.float64]:
    """(12, 3, 3): where the balls that training does not see have their middles."""
    tetrahedron = symmetry_of(((0.0, 0.0, 1.0, 2), (1.0, 1.0, 1.0, 3))).turns
    return np.asarray(matrix_from_rotation_vector(_TILT) @ tetrahedron)


_CENTERS = held_out_centers()


def is_held_out(matrix: NDArray[np.float64]) -> bool:
    """Whether the rotation (3, 3) lies in one of the balls."""
    return bool((geodesic_angle(_CENTERS, matrix[None]) < HELD_OUT_RADIUS).any())


class So3Template(MeshTemplate):
    """The mesh stands in the origin, its bounding ball just inside the picture."""

    name = "so3"
    options = So3Options
    filled_options = ("fingerprint",)
    object_limit = 1
    split_options = {"train": {}, "val_ID": {}, "val_OOD": {"region": "held_out"}}
    stage = Stage(
        camera=camera_at((0.0, -1.65, 0.62), 58.0),
        lights=(sun_from((-0.5, -0.7, 1.0), 2.4, 12.0),),
        floor=False,
        air_rgb=(0.5, 0.5, 0.5),
    )

    def words(self, catalogue: Catalogue, options: So3Options) -> tuple[str, ...]:
        if options.mesh:
            return chosen_words(catalogue, options.mesh)[:1]
        return ("airplane_airliner",) if options.library == SHIPPED else chosen_words(catalogue, "all")[:1]

    def sample(self, rng: np.random.Generator, options: So3Options) -> Scene:
        (word,) = self.vocabulary.words["shape"]
        while True:
            matrix = random_rotation(rng)
            if options.region == "all" or is_held_out(matrix) == (options.region == "held_out"):
                item = posed_object(word, matrix, (0.0, 0.0, 0.0))
                return Scene((item,), self.stage.camera, self.stage.lights)
