# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of meshes for lists and reports. Uses bpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ...core.frames import look_at_quaternion_wxyz
from ..png import without_metadata

PREVIEW_PX = 96
_CAMERA = (0.95, 1.5, 0.9)


class PreviewStudio:
    """A scene of its own in the open file with a camera, a sun and grey air."""

    def __init__(self) -> None:
        self._scene = scene = bpy.data.scenes.new("igllm previews")
        world = bpy.data.worlds.new("igllm previews")
        if world.node_tree is None:  # before Blender 5.0 a new world has no tree
            world.use_nodes = True
        world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.55, 0.56, 0.58, 1.0)
        scene.world = world
        camera = bpy.data.objects.new("igllm previews", bpy.data.cameras.new("igllm previews"))
        camera.data.lens = 66.0
        sun = bpy.data.objects.new("igllm previews", bpy.data.lights.new("igllm previews", "SUN"))
        sun.data.energy, sun.data.angle = 2.6, 0.3
        for item, place in ((camera, _CAMERA), (sun, (1.0, 0.4, 1.6))):
            item.rotation_mode = "QUATERNION"
            item.rotation_quaternion = look_at_quaternion_wxyz(place, (0.0, 0.0, 0.0))
            item.location = place
            scene.collection.objects.link(item)
        scene.camera = camera
        scene.view_settings.view_transform = "Standard"
        render = scene.render
        render.engine, render.resolution_x, render.resolution_y, render.resolution_percentage = (
            "CYCLES",
            PREVIEW_PX,
            PREVIEW_PX,
            100,
        )
        render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGB"
        scene.cycles.samples, scene.cycles.use_adaptive_sampling, scene.cycles.max_bounces = 8, False, 2
        try:
            scene.cycles.denoiser, scene.cycles.use_denoising = "OPENIMAGEDENOISE", True
        except TypeError:  # a Blender without it
            scene.cycles.use_denoising = False

    def picture(self, mesh: Any, path: Path) -> None:
        """Write the mesh's picture as PNG."""
        item = bpy.data.objects.new("igllm previews", mesh)
        self._scene.collection.objects.link(item)
        try:
            self._scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True, scene=self._scene.name)
            path.write_bytes(without_metadata(path.read_bytes()))
        finally:
            bpy.data.objects.remove(item)
