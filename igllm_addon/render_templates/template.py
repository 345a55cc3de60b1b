# SPDX-License-Identifier: GPL-3.0-or-later
"""What every template offers, and the list of them. No bpy: the part that needs Blender is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.scene import Scene
from ..core.vocabulary import CLEVR, Vocabulary
from .clevr.backdrop import trace
from .clevr.constants import AZIMUTH_RADIANS
from .clevr.own_view import empty_scene
from .clevr.sample import ClevrOptions, sample, solid_of

if TYPE_CHECKING:
    from ..core.scene import Camera, Light, SceneObject
    from .visibility import Solid


class BlenderSide(Protocol):
    """The functions of a template's build.py, which needs bpy."""

    def build(self, scene: Scene, collection: Any) -> None: ...
    def new_object(self, item: SceneObject, index: int) -> Any: ...
    def new_camera(self, camera: Camera) -> Any: ...
    def new_stage(self, lights: Iterable[Light]) -> list[Any]: ...
    def clear(self, collection: Any) -> None: ...
    def read_scene(self, collection: Any, matrix_world_from_scene: Any = None) -> Scene: ...
    def prepare_world(self, scene: Any) -> None: ...


@dataclass(frozen=True)
class Template:
    """A scene domain.

    options: the class of the sampling options; every field of it is an option of `igllm generate`.
    sample(rng, options) -> Scene in the world frame. solid_of(object) -> what visibility.py traces.
    camera_azimuth_radians: where the azimuth-canonical frame puts the camera. trace_backdrop(origin (3,), directions (N, 3)) ->
    how many times a direction's length away what stands behind the objects is (N,), and its unit normals (N, 3).
    empty_scene() -> the template's own camera and lights, for a scene that comes without.
    """

    name: str
    vocabulary: Vocabulary
    options: type[ClevrOptions]
    sample: Callable[[np.random.Generator, ClevrOptions], Scene]
    solid_of: Callable[[SceneObject], Solid]
    camera_azimuth_radians: float
    trace_backdrop: Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
    empty_scene: Callable[[], Scene]

    def completed(self, scene: Scene) -> Scene:
        """The scene with the template's own camera and lights in the place of those that it lacks."""
        own = self.empty_scene()
        return replace(scene, camera=scene.camera or own.camera, lights=scene.lights or own.lights)

    def blender_side(self) -> BlenderSide:
        """The template's build.py; needs bpy."""
        module: BlenderSide = importlib.import_module(f".{self.name}.build", __package__)
        return module


TEMPLATES = {
    "clevr": Template("clevr", CLEVR, ClevrOptions, sample, solid_of, AZIMUTH_RADIANS, trace, empty_scene),
}


def template_named(name: str) -> Template:
    """The template of this name, or a UsageError that lists the names."""
    if name not in TEMPLATES:
        raise UsageError(f"There is no template {name!r}; choose one of {', '.join(TEMPLATES)}.")
    return TEMPLATES[name]
