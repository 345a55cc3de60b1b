# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's 6-DoF experiment: one of several meshes, anywhere in the view and turned any way. No bpy.

The origin of the mesh lies in a cube around the world's origin, evenly in that part of it where the mesh's bounding ball is
wholly in the picture. `val_ID` is drawn by the same rule as `train`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.errors import UsageError
from ...core.scene import Scene, Vector3
from ..meshes.catalogue import SHIPPED, Catalogue
from ..meshes.mesh_template import MeshTemplate, chosen_words
from ..meshes.posing import posed_object, random_rotation, sphere_is_in_view
from ..meshes.stage import Stage, camera_at, sun_from

POSITION_LIMIT = 0.7  # of each coordinate
BACKDROPS = ("plain", "patches")
DEFAULT_SHIPPED = "airplane_airliner,car_taxi,chair_office,lamp_desk,mug_stein,table_square"
_MESH_RADIUS = 0.5  # half of a bounding box's diagonal


@dataclass(frozen=True)
class SixdofOptions:
    """library: "shipped" or a folder of meshes. meshes: words separated by commas, or "all"; "" is a choice of six of the shipped
    ones, all of any other library. backdrop: "plain", or "patches" of random colours to distract. aspect: picture height over
    width."""

    library: str = SHIPPED
    meshes: str = ""
    backdrop: str = "plain"
    aspect: float = 1.0
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if self.backdrop not in BACKDROPS:
            raise UsageError(f"There is no backdrop {self.backdrop!r}; choose one of {', '.join(BACKDROPS)}.")


class SixdofTemplate(MeshTemplate):
    """One mesh in the air before grey or before patches."""

    name = "sixdof"
    options = SixdofOptions
    filled_options = ("aspect", "fingerprint")
    object_limit = 1
    split_options = {"train": {}, "val_ID": {}}
    stage = Stage(
        camera=camera_at((0.0, -3.2, 1.2), 50.0),
        lights=(sun_from((-0.5, -0.7, 1.0), 2.4, 12.0),),
        floor=False,
        air_rgb=(0.5, 0.5, 0.5),
    )

    def words(self, catalogue: Catalogue, options: SixdofOptions) -> tuple[str, ...]:
        return chosen_words(catalogue, options.meshes or (DEFAULT_SHIPPED if options.library == SHIPPED else "all"))

    def sample(self, rng: np.random.Generator, options: SixdofOptions) -> Scene:
        words = self.vocabulary.words["shape"]
        word = words[int(rng.integers(len(words)))]
        matrix = random_rotation(rng)
        while True:
            x, y, z = (float(value) for value in rng.uniform(-POSITION_LIMIT, POSITION_LIMIT, 3))
            place: Vector3 = (x, y, z)
            if sphere_is_in_view(self.stage.camera, place, _MESH_RADIUS, options.aspect):
                break
        backdrop = f"patches{int(rng.integers(1 << 31))}" if options.backdrop == "patches" else None
        return Scene((posed_object(word, matrix, place),), self.stage.camera, self.stage.lights, backdrop)
