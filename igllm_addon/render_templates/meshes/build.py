# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes of a library's meshes in Blender. Uses bpy.

Each mesh is imported once and shared by every object that shows it. What identifies it stands in the mesh's custom property
"igllm_shape", so that it survives renaming and copying by hand. A mesh that the library does not have, or that cannot be read any
more, becomes a box of its size that shows its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy

from ...core.errors import SceneError
from ...core.scene import Camera, Light, Scene, SceneObject
from .. import surroundings
from . import read
from .backdrops import backdrop_object
from .catalogue import Catalogue
from .importers import SHAPE_KEY, MeshError, import_mesh
from .posing import matrix_of
from .stage import Stage

_FLOOR_HALF_EXTENT = 30.0
_FLOOR_WHITE = 0.92
_HUE_KEY = read.HUE_KEY


class MeshSide:
    """The Blender side of a template that shows this catalogue's meshes on this stage."""

    def __init__(self, catalogue: Catalogue, stage: Stage) -> None:
        self._catalogue, self._stage = catalogue, stage

    def build(self, scene: Scene, collection: bpy.types.Collection) -> None:
        """Fill an empty collection with the scene's objects, what is behind them, lights and camera."""
        for index, item in enumerate(scene.objects, start=1):
            collection.objects.link(self.new_object(item, index))
        for made in self.new_stage(scene.lights):
            collection.objects.link(made)
        if scene.camera is not None:
            collection.objects.link(self.new_camera(scene.camera))
            if scene.backdrop is not None:
                collection.objects.link(backdrop_object(scene.backdrop, scene.camera))

    def new_object(self, item: SceneObject, index: int) -> bpy.types.Object:
        """One object, not linked to any collection yet; `index` counts from 1 and is for its name."""
        if item.shape is None or item.location is None or item.rotation is None:
            raise SceneError(f"A mesh needs shape, location and rotation, got {item}.")
        mesh = self._mesh(item.shape)
        made = bpy.data.objects.new(f"{index} {item.shape}", mesh)
        made.show_name = bool(mesh.get(read.MISSING_KEY))
        made.rotation_mode = "XYZ"
        matrix_of(item)  # refuses anything but three Euler angles
        made.rotation_euler = item.rotation
        made.location = item.location
        if item.texture is not None:
            made[_HUE_KEY] = read.hue_degrees(item.texture)
        return made

    def new_camera(self, camera: Camera) -> bpy.types.Object:
        """The camera as Blender has it."""
        return surroundings.new_camera(camera)

    def new_stage(self, lights: Iterable[Light]) -> list[bpy.types.Object]:
        """What surrounds the objects, not linked to any collection yet."""
        made = [surroundings.new_light(light) for light in lights]
        return [_floor(), *made] if self._stage.floor else made

    def clear(self, collection: bpy.types.Collection) -> None:
        """Remove the collection's objects; shared meshes stay for the next build."""
        surroundings.clear(collection)

    def read_scene(self, collection: bpy.types.Collection, matrix_world_from_scene: Any = None) -> Scene:
        """The scene that the collection shows."""
        return read.read_scene(collection, matrix_world_from_scene)

    def prepare_world(self, scene: bpy.types.Scene) -> None:
        """The stage's air and the Standard view transform, for a Blender scene that shows nothing else."""
        surroundings.prepare_world(scene, "Mesh world", self._stage.air_rgb)
        # One colour all around needs no map of where it is bright.
        scene.world.cycles.sampling_method = "NONE"
        # The light that the white floor throws back shows; what comes after it costs much of a frame's time.
        scene.cycles.max_bounces, scene.cycles.diffuse_bounces, scene.cycles.glossy_bounces = 2, 1, 1

    def _mesh(self, word: str) -> bpy.types.Mesh:
        name = f"igllm {word}"[:60]
        library = str(self._catalogue.library)
        existing = bpy.data.meshes.get(name)
        if existing is not None and (existing.get(SHAPE_KEY), existing.get(read.LIBRARY_KEY)) != (word, library):
            existing = None
        if existing is not None and read.MISSING_KEY not in existing:
            return existing
        entry = self._catalogue.entries.get(word)
        try:
            if entry is None:
                raise MeshError(f"the library {library} has no mesh {word!r}")
            mesh = import_mesh(self._catalogue.library / entry.path, entry.object_name).mesh
            for material in mesh.materials:
                if material is not None:
                    _let_hue_turn(material)
        except MeshError as error:
            if existing is not None:
                return existing  # it is missing still
            mesh = _labelled_box(entry.size if entry else (0.577, 0.577, 0.577))
            mesh[read.MISSING_KEY] = str(error)
        mesh.name = name
        mesh[SHAPE_KEY], mesh[read.LIBRARY_KEY] = word, library
        return mesh


def _labelled_box(size: tuple[float, float, float]) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new("igllm missing")
    x, y, z = (edge / 2.0 for edge in size)
    corners = [(a * x, b * y, c * z) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh.from_pydata(corners, [], faces)
    return mesh


def _let_hue_turn(material: bpy.types.Material) -> None:
    """Put a turn of the hue, by as many degrees as the object's property says, behind each base colour."""
    tree = material.node_tree
    if tree is None or any(node.type == "HUE_SAT" and node.label == _HUE_KEY for node in tree.nodes):
        return
    for shader in [node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"]:
        base = shader.inputs["Base Color"]
        hue = tree.nodes.new("ShaderNodeHueSaturation")
        hue.label = _HUE_KEY
        degrees = tree.nodes.new("ShaderNodeAttribute")
        degrees.attribute_type, degrees.attribute_name = "OBJECT", _HUE_KEY
        turn = tree.nodes.new("ShaderNodeMath")
        turn.operation = "MULTIPLY_ADD"
        turn.inputs[1].default_value, turn.inputs[2].default_value = 1.0 / 360.0, 0.5
        tree.links.new(degrees.outputs["Fac"], turn.inputs[0])
        tree.links.new(turn.outputs[0], hue.inputs["Hue"])
        hue.inputs["Color"].default_value = base.default_value
        if base.is_linked:
            tree.links.new(base.links[0].from_socket, hue.inputs["Color"])
        tree.links.new(hue.outputs["Color"], base)


def _floor() -> bpy.types.Object:
    mesh = bpy.data.meshes.get("igllm white floor")
    if mesh is None:
        mesh = bpy.data.meshes.new("igllm white floor")
        edge = _FLOOR_HALF_EXTENT
        mesh.from_pydata([(-edge, -edge, 0.0), (edge, -edge, 0.0), (edge, edge, 0.0), (-edge, edge, 0.0)], [], [(0, 1, 2, 3)])
        material = bpy.data.materials.new("igllm white floor")
        material.diffuse_color = (_FLOOR_WHITE, _FLOOR_WHITE, _FLOOR_WHITE, 1.0)
        if material.node_tree is None:  # before Blender 5.0 a new material has no tree
            material.use_nodes = True
        material.node_tree.nodes.clear()
        diffuse = material.node_tree.nodes.new("ShaderNodeBsdfDiffuse")
        diffuse.inputs["Color"].default_value = material.diffuse_color
        output = material.node_tree.nodes.new("ShaderNodeOutputMaterial")
        material.node_tree.links.new(diffuse.outputs[0], output.inputs["Surface"])
        mesh.materials.append(material)
    return bpy.data.objects.new("Floor", mesh)
