# SPDX-License-Identifier: GPL-3.0-or-later
"""What every template offers, and the list of them. No bpy: the part that needs Blender is imported when it is asked for."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.scene import Scene
from ..core.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ..core.scene import Camera, Light, SceneObject
    from .surfaces import Surfaces


class BlenderSide(Protocol):
    """What shows a template's scenes in Blender; it needs bpy. A module or an object with these functions."""

    def build(self, scene: Scene, collection: Any) -> None: ...
    def new_object(self, item: SceneObject, index: int) -> Any: ...
    def new_camera(self, camera: Camera) -> Any: ...
    def new_stage(self, lights: Iterable[Light]) -> list[Any]: ...
    def clear(self, collection: Any) -> None: ...
    def read_scene(self, collection: Any, matrix_world_from_scene: Any = None) -> Scene: ...
    def prepare_world(self, scene: Any) -> None: ...


class Template(ABC):
    """A scene domain.

    options: the class of the sampling options, a dataclass; its fields are options of `igllm generate`, but for those that
    `given_options` fills in by itself and names in `filled_options`.
    """

    name: str
    options: type[Any]
    filled_options: tuple[str, ...] = ()

    @property
    def stands_on_ground(self) -> bool:
        """Whether its objects stand on a ground, and are not somewhere in the air."""
        return True

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """What its graphics code may say."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, options: Any) -> Scene:
        """A scene in the world frame, drawn from the generator alone."""

    @abstractmethod
    def given_options(self, given: Mapping[str, Any], split: str, aspect: float) -> Any:
        """The options of a run: what the user gave, what the split's name means, and the picture's height over its width."""

    @abstractmethod
    def instance_map(self, scene: Scene, width_px: int, height_px: int) -> NDArray[np.int32]:
        """(height, width): 0 for no object, i + 1 where object i is the nearest surface at the pixel's centre."""

    @abstractmethod
    def surfaces(self, scene: Scene, width_px: int, height_px: int) -> Surfaces:
        """What every pixel's centre shows, the backdrop included."""

    @abstractmethod
    def empty_scene(self) -> Scene:
        """The template's own camera and lights, for a scene that comes without."""

    @abstractmethod
    def blender_side(self) -> BlenderSide:
        """What shows its scenes; needs bpy."""

    def bound_to(self, options: Any) -> Template:
        """The template as these options want it: with other meshes it has another vocabulary."""
        del options
        return self

    def canonical(self, scene: Scene) -> Scene:
        """The scene in the frame that its picture determines, in which programs are written."""
        return scene

    def in_code(self, scene: Scene) -> Scene:
        """As much of a scene as graphics code tells."""
        return scene

    def object_facts(self, item: SceneObject) -> dict[str, Any]:
        """What a label says about an object beyond what the scene holds."""
        del item
        return {}

    def side_files(self) -> dict[str, bytes]:
        """Files that stand beside the shards of a split, for programs that know the data set and not this template."""
        return {}

    def completed(self, scene: Scene) -> Scene:
        """The scene with the template's own camera and lights in the place of those that it lacks."""
        own = self.empty_scene()
        return replace(scene, camera=scene.camera or own.camera, lights=scene.lights or own.lights)


@functools.cache
def templates() -> dict[str, Template]:
    """Every template by name."""
    from .clevr.template import ClevrTemplate
    from .shapenet.template import ShapenetTemplate
    from .sixdof.template import SixdofTemplate
    from .so3.template import So3Template

    every: list[Template] = [ClevrTemplate(), So3Template(), SixdofTemplate(), ShapenetTemplate()]
    return {template.name: template for template in every}


def template_named(name: str) -> Template:
    """The template of this name, or a UsageError that lists the names."""
    if name not in templates():
        raise UsageError(f"There is no template {name!r}; choose one of {', '.join(templates())}.")
    return templates()[name]
