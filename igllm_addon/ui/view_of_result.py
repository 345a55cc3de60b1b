# SPDX-License-Identifier: GPL-3.0-or-later
"""The viewport looks through a result's camera while it is built, and back where the run comes to nothing."""

from __future__ import annotations

import bpy

from .result_builder import ResultBuilder, fit_render


class ViewOfResult:
    """Of one run. What is changed is remembered at the first change."""

    def __init__(self, builder: ResultBuilder) -> None:
        self._builder = builder
        # The scene's camera, the viewport's perspective and the render's size before this run.
        self._before: tuple[str, str, tuple[int, int, int]] | None = None

    def look_through(self, context: bpy.types.Context) -> None:
        """Once there is a camera, so that the objects appear on the picture. Again after an undo."""
        builder, area = self._builder, context.area
        collection, scene = builder.collection_or_none, builder.scene
        if not builder.plan.look_through or area is None or area.type != "VIEW_3D" or collection is None:
            return
        camera = collection.igllm.camera
        if camera is None or scene != context.scene or scene.camera == camera:
            return
        view, render = area.spaces.active.region_3d, scene.render
        if self._before is None:
            name = scene.camera.name if scene.camera is not None else ""
            size = render.resolution_x, render.resolution_y, render.resolution_percentage
            self._before = name, view.view_perspective, size
        scene.camera = camera
        fit_render(scene, builder.plan.size_px)
        view.view_perspective = "CAMERA"

    def look_back(self, context: bpy.types.Context) -> None:
        """Show what was shown before."""
        if self._before is None:
            return
        camera, perspective, size = self._before
        scene = self._builder.scene
        scene.camera = bpy.data.objects.get(camera)
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = size
        if context.area is not None and context.area.type == "VIEW_3D":
            context.area.spaces.active.region_3d.view_perspective = perspective
