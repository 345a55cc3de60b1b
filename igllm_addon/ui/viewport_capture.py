# SPDX-License-Identifier: GPL-3.0-or-later
"""What a 3D viewport looks at, as a picture, taken from its eye.

The lens is the template's own and not the viewport's: the model has seen pictures through no other, and where an object stands
follows from the eye and the pixel whatever the lens. So the picture shows a little less or more than the viewport.
"""

from __future__ import annotations

import bpy
import gpu
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.scene import Camera
from .picture_headers import PictureHeader
from .pixels import rgb_png
from .source_pictures import SourcePicture

WIDTH_PX, HEIGHT_PX = 640, 480
_NEAR, _FAR = 0.05, 1000.0


def picture_of_viewport(context: bpy.types.Context, own: Camera) -> SourcePicture:
    """The viewport that the operator was started in, or the largest one of the window, through the lens of the camera `own`."""
    area = _viewport_or_none(context)
    if area is None or bpy.app.background:
        raise UsageError("There is no 3D viewport here to take a picture of; choose another source.")
    region = next(item for item in area.regions if item.type == "WINDOW")
    view = area.spaces.active.region_3d.view_matrix.copy()
    pixels = _drawn(context, area.spaces.active, region, view, 2.0 * own.focal_length_mm / own.sensor_width_mm)
    location, rotation, _ = view.inverted().decompose()
    eye = Camera(tuple(location), tuple(rotation), own.focal_length_mm, own.sensor_width_mm)
    return SourcePicture("Viewport", lambda: rgb_png(pixels), PictureHeader(WIDTH_PX, HEIGHT_PX), eye=eye)


def _viewport_or_none(context: bpy.types.Context) -> bpy.types.Area | None:
    if context.area is not None and context.area.type == "VIEW_3D":
        return context.area
    areas = [area for area in context.screen.areas if area.type == "VIEW_3D"] if context.screen else []
    return max(areas, key=lambda area: area.width * area.height, default=None)


def _drawn(
    context: bpy.types.Context, space: bpy.types.SpaceView3D, region: bpy.types.Region, view: Matrix, zoom: float
) -> NDArray[np.uint8]:
    """(H, W, 3) bytes. zoom: of a pinhole camera, in half picture widths."""
    offscreen = gpu.types.GPUOffScreen(WIDTH_PX, HEIGHT_PX)
    overlays = space.overlay.show_overlays
    try:
        space.overlay.show_overlays = False
        projection = _projection(zoom)
        offscreen.draw_view3d(context.scene, context.view_layer, space, region, view, projection, do_color_management=True)
        with offscreen.bind():
            buffer = gpu.state.active_framebuffer_get().read_color(0, 0, WIDTH_PX, HEIGHT_PX, 4, 0, "UBYTE")
        buffer.dimensions = WIDTH_PX * HEIGHT_PX * 4
        flat = np.array(buffer, dtype=np.uint8)
    finally:
        space.overlay.show_overlays = overlays
        offscreen.free()
    return np.ascontiguousarray(flat.reshape(HEIGHT_PX, WIDTH_PX, 4)[::-1, :, :3])


def _projection(zoom: float) -> Matrix:
    depth = _FAR - _NEAR
    return Matrix(
        (
            (zoom, 0.0, 0.0, 0.0),
            (0.0, zoom * WIDTH_PX / HEIGHT_PX, 0.0, 0.0),
            (0.0, 0.0, -(_FAR + _NEAR) / depth, -2.0 * _FAR * _NEAR / depth),
            (0.0, 0.0, -1.0, 0.0),
        )
    )
