# SPDX-License-Identifier: GPL-3.0-or-later
"""A CLEVR scene read back from Blender, also after an artist changed it by hand. Uses bpy.

What the eye sees decides, not what build() once wrote: place and yaw come from the evaluated world matrix, size from the scale,
colour from the material's colour node (or a Principled base colour, or the viewport colour), material from the material's mark or
its metallic value. Words are the nearest that the vocabulary has.
"""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from ...core.errors import SceneError
from ...core.rotations import matrix_from_yaw, wrap_yaw, yaw_from_matrix
from ...core.scene import Scene, SceneObject
from ...core.vocabulary import CLEVR
from ..surroundings import posed_objects, read_surroundings, vector
from . import constants
from .constants import SHAPE_KEY
from .materials import COLOR_NODE, MATERIAL_KEY, color_rgba
from .sample import left_to_right

_TILT_LIMIT_RADIANS = 1e-3


def read_scene(collection: bpy.types.Collection, matrix_world_from_scene: Matrix | None = None) -> Scene:
    """The scene that the collection shows, objects left to right as its camera sees them (in link order without a camera).

    matrix_world_from_scene: where the scene's frame stands in Blender's world, for a scene that was moved there as a whole.
    Anything in the collection that is no CLEVR shape, light or camera is left out. Raises SceneError for a shape that CLEVR's
    language cannot describe, such as a cube that is tipped over.
    """
    posed = posed_objects(collection, matrix_world_from_scene)
    objects = tuple(_read_object(item, pose) for item, pose in posed if item.type == "MESH" and SHAPE_KEY in item.data)
    camera, lights = read_surroundings(posed)
    return Scene(left_to_right(objects, camera) if camera is not None else objects, camera, lights)


def _read_object(item: bpy.types.Object, pose: Matrix) -> SceneObject:
    shape = str(item.data[SHAPE_KEY])
    location, rotation, scale = pose.decompose()
    size = min(CLEVR.words["size"], key=lambda word: abs(constants.HALF_EXTENTS[word] - abs(sum(scale)) / 3.0))
    material = item.material_slots[0].material if item.material_slots else None
    yaw_numbers: tuple[float, ...] | None = None
    if CLEVR.carries_rotation(shape):
        matrix = np.array(rotation.to_matrix())
        yaw = yaw_from_matrix(matrix)
        if np.abs(matrix - matrix_from_yaw(yaw)).max() > _TILT_LIMIT_RADIANS:
            raise SceneError(
                f"{item.name!r} is tilted, and CLEVR's language knows only a turn about the vertical axis;"
                " reset its x and y rotation."
            )
        yaw_numbers = (wrap_yaw(yaw, CLEVR.yaw_symmetry_orders[shape]),)
    return SceneObject(shape, size, _color_word(item, material), _material_word(material), vector(location), yaw_numbers)


def _color_word(item: bpy.types.Object, material: bpy.types.Material | None) -> str:
    rgba = np.array(_color_of(material) if material is not None else tuple(item.color))
    return min(CLEVR.words["color"], key=lambda word: float(np.abs(rgba - np.array(color_rgba(word)))[:3].sum()))


def _color_of(material: bpy.types.Material) -> tuple[float, ...]:
    nodes = material.node_tree.nodes if material.node_tree else {}
    marked = nodes.get(COLOR_NODE)
    if marked is not None and marked.type == "RGB":
        return tuple(marked.outputs[0].default_value)
    for node in nodes.values() if nodes else ():
        if node.type == "BSDF_PRINCIPLED":
            return tuple(node.inputs["Base Color"].default_value)
    return tuple(material.diffuse_color)


def _material_word(material: bpy.types.Material | None) -> str:
    if material is None:
        return "rubber"
    mark = material.get(MATERIAL_KEY)
    if mark in CLEVR.words["material"]:
        return str(mark)
    metallic = material.metallic
    for node in material.node_tree.nodes if material.node_tree else ():
        if node.type == "BSDF_PRINCIPLED":
            metallic = node.inputs["Metallic"].default_value
    return "metal" if metallic > 0.5 else "rubber"
