# SPDX-License-Identifier: GPL-3.0-or-later
"""Distracting backdrops: a large picture of random patches far behind the objects. Uses bpy.

A backdrop is named "patches" and a number, and the number decides all of it.
"""

from __future__ import annotations

import re

import bpy
import numpy as np
from mathutils import Matrix, Quaternion

from ...core.errors import SceneError
from ...core.scene import Camera
from .read import BACKDROP_KEY

_DISTANCE = 12.0
_PIXELS = 48


def backdrop_object(name: str, camera: Camera) -> bpy.types.Object:
    """A plane across the whole view, glowing with the patches, not linked to any collection yet."""
    found = re.fullmatch(r"patches(\d+)", name)
    if found is None:
        raise SceneError(f"a backdrop must be named like 'patches17', got {name!r}")
    made = bpy.data.objects.new("Backdrop", _plane())
    _paint(np.random.default_rng(int(found.group(1))))
    turn = Quaternion(camera.quaternion_wxyz)
    half = 1.2 * _DISTANCE * camera.sensor_width_mm / camera.focal_length_mm / 2.0
    pose = Matrix.Translation(camera.location) @ turn.to_matrix().to_4x4() @ Matrix.Translation((0.0, 0.0, -_DISTANCE))
    made.rotation_mode = "QUATERNION"
    made.location, made.rotation_quaternion, made.scale = pose.translation, turn, (half, half, 1.0)
    # It is only looked at: its colours neither light the objects nor throw shadows.
    made.visible_diffuse = made.visible_glossy = made.visible_transmission = made.visible_shadow = False
    made[BACKDROP_KEY] = name
    return made


def _plane() -> bpy.types.Mesh:
    mesh = bpy.data.meshes.get("igllm backdrop")
    if mesh is not None:
        return mesh
    mesh = bpy.data.meshes.new("igllm backdrop")
    mesh.from_pydata([(-1.0, -1.0, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, 0.0), (-1.0, 1.0, 0.0)], [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    material = bpy.data.materials.new("igllm backdrop")
    if material.node_tree is None:  # before Blender 5.0 a new material has no tree
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    picture, glow = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    picture.image = _image()
    tree.links.new(picture.outputs["Color"], glow.inputs["Color"])
    tree.links.new(glow.outputs["Emission"], output.inputs["Surface"])
    mesh.materials.append(material)
    return mesh


def _image() -> bpy.types.Image:
    return bpy.data.images.get("igllm backdrop") or bpy.data.images.new("igllm backdrop", _PIXELS, _PIXELS)


def _paint(rng: np.random.Generator) -> None:
    """Rectangles and discs of random colours over one another."""
    v, u = np.mgrid[0:_PIXELS, 0:_PIXELS] / _PIXELS
    colors = np.ones((_PIXELS, _PIXELS, 4))
    colors[..., :3] = rng.uniform(0.2, 0.7, 3)
    for _ in range(int(rng.integers(6, 14))):
        u0, v0, size, other = rng.random(4)
        inside = (np.abs(u - u0) < 0.3 * size) & (np.abs(v - v0) < 0.3 * other)
        if rng.random() < 0.5:
            inside = np.hypot(u - u0, v - v0) < 0.22 * size
        colors[inside, :3] = rng.random(3)
    image = _image()
    image.pixels.foreach_set(colors.astype(np.float32).ravel())
    image.update()
