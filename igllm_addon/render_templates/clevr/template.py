# SPDX-License-Identifier: GPL-3.0-or-later
"""CLEVR as a template. No bpy."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SceneError
from ...core.frames import azimuth_canonical
from ...core.scene import Scene
from ...core.vocabulary import CLEVR, Vocabulary
from ..passes import trace_surfaces
from ..surfaces import Surfaces
from ..template import BlenderSide, Template
from ..visibility import instance_map
from .backdrop import trace
from .constants import AZIMUTH_RADIANS
from .own_view import empty_scene
from .sample import ClevrOptions, sample, solid_of


class ClevrTemplate(Template):
    """Rubber and metal cubes, spheres and cylinders on a grey sweep, seen from a jittered place."""

    name = CLEVR.template
    options = ClevrOptions
    filled_options = ("aspect",)

    @property
    def vocabulary(self) -> Vocabulary:
        return CLEVR

    def sample(self, rng: np.random.Generator, options: ClevrOptions) -> Scene:
        return sample(rng, options)

    def given_options(self, given: Mapping[str, Any], split: str, aspect: float) -> ClevrOptions:
        del split  # only its name tells the splits of CLEVR apart
        return ClevrOptions(**given, aspect=aspect)

    def canonical(self, scene: Scene) -> Scene:
        return azimuth_canonical(scene, AZIMUTH_RADIANS, CLEVR)

    def instance_map(self, scene: Scene, width_px: int, height_px: int) -> NDArray[np.int32]:
        if scene.camera is None:
            raise SceneError("a scene without a camera shows no pixels")
        return instance_map(scene.camera, [solid_of(item) for item in scene.objects], width_px, height_px)

    def surfaces(self, scene: Scene, width_px: int, height_px: int) -> Surfaces:
        if scene.camera is None:
            raise SceneError("a scene without a camera shows no pixels")
        return trace_surfaces(scene.camera, [solid_of(item) for item in scene.objects], trace, width_px, height_px)

    def empty_scene(self) -> Scene:
        return empty_scene()

    def blender_side(self) -> BlenderSide:
        module: BlenderSide = importlib.import_module(".build", __package__)
        return module
