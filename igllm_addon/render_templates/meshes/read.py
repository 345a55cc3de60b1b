# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene of a library's meshes read back from Blender, also after an artist moved them by hand. Uses bpy."""

from __future__ import annotations

import re
from collections.abc import Iterable

import bpy
import numpy as np
from mathutils import Matrix

from ...core.errors import SceneError
from ...core.scene import Scene, SceneObject
from ..surroundings import posed_objects, read_surroundings, vector
from .importers import SHAPE_KEY
from .posing import left_to_right, posed_object

HUE_KEY = "igllm_hue"  # custom property of an object: degrees by which its mesh's hues are turned
LIBRARY_KEY = "igllm_library"  # of a mesh: the folder of its library
MISSING_KEY = "igllm_missing"  # of a mesh that stands for one that cannot be shown: why
BACKDROP_KEY = "igllm_backdrop"  # of an object that is a backdrop: its name


def read_scene(collection: bpy.types.Collection, matrix_world_from_scene: Matrix | None = None) -> Scene:
    """The scene that the collection shows, objects left to right as its camera sees them (in link order without a camera).

    matrix_world_from_scene: where the scene's frame stands in Blender's world. A mesh's scale is not told by graphics code and is
    left out; anything in the collection that is no mesh of a library, light, camera or backdrop is left out as a whole.
    """
    posed = posed_objects(collection, matrix_world_from_scene)
    objects = tuple(_read_object(item, pose) for item, pose in posed if item.type == "MESH" and SHAPE_KEY in item.data)
    camera, lights = read_surroundings(posed)
    backdrops = [str(item[BACKDROP_KEY]) for item in collection.objects if BACKDROP_KEY in item]
    ordered = left_to_right(objects, camera) if camera is not None else objects
    return Scene(ordered, camera, lights, backdrops[0] if backdrops else None)


def missing_meshes(objects: Iterable[bpy.types.Object]) -> list[str]:
    """A sentence for each mesh that some of these objects show as a box with its name."""
    meshes = {item.data for item in objects if item.type == "MESH" and MISSING_KEY in item.data}
    return sorted(f"{mesh[SHAPE_KEY]} is shown as a box, because {mesh[MISSING_KEY]}." for mesh in meshes)


def hue_degrees(texture: str) -> float:
    """The number in a texture's name "hue120"."""
    found = re.fullmatch(r"hue(-?\d+(?:\.\d+)?)", texture)
    if found is None:
        raise SceneError(f"a mesh's texture must be named like 'hue120', got {texture!r}")
    return float(found.group(1))


def _read_object(item: bpy.types.Object, pose: Matrix) -> SceneObject:
    matrix = np.array(pose.to_3x3().normalized(), dtype=np.float64)
    texture = f"hue{item[HUE_KEY]:g}" if HUE_KEY in item else None
    return posed_object(str(item.data[SHAPE_KEY]), matrix, vector(pose.translation), texture)
