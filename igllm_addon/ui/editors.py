# SPDX-License-Identifier: GPL-3.0-or-later
"""A place on the screen for what a panel cannot show."""

from __future__ import annotations

import bpy

_SHARE = 0.5


def editor_beside(context: bpy.types.Context, kind: str) -> bpy.types.Area | None:
    """An editor of this kind: one that is there, else a new one beside the largest 3D viewport; None without a window."""
    screen = context.screen
    if screen is None or bpy.app.background:
        return None
    existing = next((area for area in screen.areas if area.type == kind), None)
    if existing is not None:
        return existing
    viewport = max(
        (area for area in screen.areas if area.type == "VIEW_3D"), key=lambda area: area.width * area.height, default=None
    )
    if viewport is None:
        return None
    before = {area.as_pointer() for area in screen.areas}
    with context.temp_override(area=viewport, region=viewport.regions[0]):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=_SHARE)
    made = next((area for area in screen.areas if area.as_pointer() not in before), None)
    if made is not None:
        made.type = kind
    return made


def fit_in_editors(image: bpy.types.Image) -> None:
    """Let every image editor that shows this image show all of it."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.spaces.active.image == image:
                region = next(item for item in area.regions if item.type == "WINDOW")
                with bpy.context.temp_override(window=window, area=area, region=region):
                    bpy.ops.image.view_all(fit_view=True)
