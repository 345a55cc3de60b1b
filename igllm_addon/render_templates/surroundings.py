# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras and lights between scenes and Blender, both ways, for every template. Uses bpy."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ..core.rotations import quaternion_wxyz_from_matrix
from ..core.scene import Camera, Light, QuaternionWxyz, Vector3


def new_camera(camera: Camera) -> bpy.types.Object:
    """The camera as Blender has it, not linked to any collection yet."""
    data = bpy.data.cameras.new("Camera")
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = camera.sensor_width_mm
    data.lens = camera.focal_length_mm
    made = bpy.data.objects.new("Camera", data)
    made.location = camera.location
    made.rotation_mode = "QUATERNION"
    made.rotation_quaternion = camera.quaternion_wxyz
    return made


def new_light(light: Light) -> bpy.types.Object:
    """The light as Blender has it, not linked to any collection yet."""
    data = bpy.data.lights.new(light.name, "SUN" if light.kind == "sun" else "AREA")
    data.energy = light.power
    data.color = light.color_rgb
    if light.kind == "sun":
        data.angle = light.size
    else:
        data.shape = "SQUARE"
        data.size = light.size
    made = bpy.data.objects.new(light.name, data)
    made.location = light.location
    made.rotation_mode = "QUATERNION"
    made.rotation_quaternion = light.quaternion_wxyz
    return made


def clear(collection: bpy.types.Collection) -> None:
    """Remove the collection's objects; shared meshes and materials stay for the next build."""
    for item in list(collection.objects):
        data = item.data
        bpy.data.objects.remove(item)
        if isinstance(data, bpy.types.Light):
            bpy.data.lights.remove(data)
        elif isinstance(data, bpy.types.Camera):
            bpy.data.cameras.remove(data)


def prepare_world(scene: bpy.types.Scene, name: str, color: Vector3 = (0.0, 0.0, 0.0)) -> None:
    """A world of one colour, which lights as it shows, and the Standard view transform, for a scene that shows nothing else."""
    world = bpy.data.worlds.get(name) or bpy.data.worlds.new(name)
    if world.node_tree is None:  # before Blender 5.0 a new world has no tree
        world.use_nodes = True
    background = world.node_tree.nodes.get("Background") or world.node_tree.nodes.new("ShaderNodeBackground")
    background.inputs["Color"].default_value = (*color, 1.0)
    background.inputs["Strength"].default_value = 1.0 if any(color) else 0.0
    scene.world = world
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.view_settings.exposure = 0.0
    scene.view_settings.gamma = 1.0
    scene.display_settings.display_device = "sRGB"


def posed_objects(
    collection: bpy.types.Collection, matrix_world_from_scene: Matrix | None
) -> list[tuple[bpy.types.Object, Matrix]]:
    """The collection's objects as they are evaluated, each with its matrix in the scene's frame, in link order.

    matrix_world_from_scene: where that frame stands in Blender's world; None: it is the world.
    """
    bpy.context.view_layer.update()
    frame = matrix_world_from_scene.inverted() if matrix_world_from_scene is not None else Matrix()
    return [(item, frame @ item.matrix_world) for item in collection.objects]


def read_surroundings(posed: list[tuple[bpy.types.Object, Matrix]]) -> tuple[Camera | None, tuple[Light, ...]]:
    """The first camera among these objects, and the lights of the kinds that scenes know."""
    lights = tuple(read_light(item, pose) for item, pose in posed if item.type == "LIGHT" and item.data.type in ("AREA", "SUN"))
    return next((read_camera(item, pose) for item, pose in posed if item.type == "CAMERA"), None), lights


def put_behind(camera: bpy.types.Camera, image: bpy.types.Image) -> bpy.types.CameraBackgroundImage:
    """Show a picture through the camera, half transparent, as wide as its view."""
    camera.show_background_images = True
    shown = camera.background_images.new()
    shown.image = image
    shown.alpha = 0.5
    shown.display_depth = "FRONT"
    shown.frame_method = "FIT"
    return shown


def read_light(item: bpy.types.Object, pose: Matrix) -> Light:
    """A light as it stands; pose is its matrix in the scene's frame."""
    is_sun = item.data.type == "SUN"
    red, green, blue = (float(value) for value in item.data.color)
    return Light(
        name=item.name,
        kind="sun" if is_sun else "area",
        location=vector(pose.translation),
        quaternion_wxyz=quaternion(pose),
        power=float(item.data.energy),
        size=float(item.data.angle if is_sun else item.data.size),
        color_rgb=(red, green, blue),
    )


def read_camera(item: bpy.types.Object, pose: Matrix) -> Camera:
    """A camera as it stands."""
    return Camera(vector(pose.translation), quaternion(pose), float(item.data.lens), float(item.data.sensor_width))


def vector(values: Any) -> Vector3:
    """Blender's vector as plain numbers."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def quaternion(pose: Matrix) -> QuaternionWxyz:
    """The rotation of a pose whose axes may be scaled."""
    w, x, y, z = (float(value) for value in quaternion_wxyz_from_matrix(np.array(pose.to_3x3().normalized())))
    return w, x, y, z
