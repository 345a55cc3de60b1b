# SPDX-License-Identifier: GPL-3.0-or-later
"""CLEVR scenes in Blender: build(scene, collection) makes Blender follow a Scene. Uses bpy.

Objects of one shape share one mesh, objects of one look share one material. What identifies an object stands in custom
properties of its data ("igllm_shape" on the mesh, "igllm_material" on the material), so that it survives renaming and copying by
hand. read.py is the way back.
"""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from ...core.errors import SceneError
from ...core.scene import Light, Scene, SceneObject
from ..surroundings import clear, new_camera, new_light
from ..surroundings import prepare_world as prepare_a_world
from . import backdrop, constants
from .constants import SHAPE_KEY
from .materials import ground_material, material_named
from .read import read_scene
from .shapes import MESHES

__all__ = ["build", "clear", "new_camera", "new_object", "new_stage", "prepare", "prepare_world", "read_scene"]


def prepare() -> None:
    """Compute the meshes, so that no later call has to; uses no bpy and may run in any thread."""
    for mesh in MESHES.values():
        mesh()


def build(scene: Scene, collection: bpy.types.Collection) -> None:
    """Fill an empty collection with the scene's objects, ground, lights and camera. The caller makes the camera active."""
    for index, item in enumerate(scene.objects, start=1):
        collection.objects.link(new_object(item, index))
    for made in new_stage(scene.lights):
        collection.objects.link(made)
    if scene.camera is not None:
        collection.objects.link(new_camera(scene.camera))


def new_stage(lights: Iterable[Light]) -> list[bpy.types.Object]:
    """What surrounds the objects: the ground and the lights, not linked to any collection yet."""
    return [_ground(), *(new_light(light) for light in lights)]


def prepare_world(scene: bpy.types.Scene) -> None:
    """CLEVR's black world and Standard view transform, for a Blender scene that shows nothing else."""
    prepare_a_world(scene, "CLEVR world")


def new_object(item: SceneObject, index: int) -> bpy.types.Object:
    """One object, not linked to any collection yet; `index` counts from 1 and is for its name."""
    if item.shape is None or item.size is None or item.color is None or item.material is None or item.location is None:
        raise SceneError(f"A CLEVR object needs shape, size, color, material and location, got {item}.")
    made = bpy.data.objects.new(f"{index} {item.size} {item.color} {item.material} {item.shape}", _mesh(item.shape))
    made.location = item.location
    made.rotation_euler = (0.0, 0.0, item.rotation[0] if item.rotation else 0.0)
    made.scale = (constants.HALF_EXTENTS[item.size],) * 3
    # The material sits on the object, not on the shared mesh, so that recolouring one object leaves the others alone.
    made.material_slots[0].link = "OBJECT"
    made.material_slots[0].material = material_named(item.material, item.color)
    made.color = made.material_slots[0].material.diffuse_color
    return made


def _mesh(shape: str) -> bpy.types.Mesh:
    name = f"CLEVR {shape}"
    existing = bpy.data.meshes.get(name)
    if existing is not None and existing.get(SHAPE_KEY) == shape:
        return existing
    source = MESHES[shape]()
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(source.vertices.tolist(), [], [list(face) for face in source.faces])
    mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), dtype=bool))
    mesh.normals_split_custom_set_from_vertices(source.normals.tolist())
    mesh.materials.append(None)
    mesh[SHAPE_KEY] = shape
    return mesh


def _ground() -> bpy.types.Object:
    mesh = bpy.data.meshes.get("CLEVR ground")
    if mesh is None:
        vertices, faces = _sweep()
        mesh = bpy.data.meshes.new("CLEVR ground")
        mesh.from_pydata(vertices, [], faces)
        mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), dtype=bool))
        mesh.materials.append(ground_material())
    return bpy.data.objects.new("Ground", mesh)


def _sweep() -> tuple[list[tuple[float, float, float]], list[tuple[int, ...]]]:
    """The backdrop's mesh. It is fixed in the world, so the camera's jitter moves the picture over it."""
    profile, away = backdrop.profile(), backdrop.AWAY_XY
    vertices = [
        (away[0] * depth + constants.RIGHT_XY[0] * side, away[1] * depth + constants.RIGHT_XY[1] * side, height)
        for depth, height in profile
        for side in (-backdrop.HALF_WIDTH, backdrop.HALF_WIDTH)
    ]
    faces: list[tuple[int, ...]] = [(2 * row, 2 * row + 1, 2 * row + 3, 2 * row + 2) for row in range(len(profile) - 1)]
    return vertices, faces
