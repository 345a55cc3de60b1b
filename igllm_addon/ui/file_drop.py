# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture file dropped onto a 3D viewport: de-rendering is one of the offers. Blender has file handlers since 4.1."""

from __future__ import annotations

import bpy


class IGLLM_FH_picture(bpy.types.FileHandler):
    """Blender offers it beside its own handlers of image files."""

    bl_idname = "IGLLM_FH_picture"
    bl_label = "De-render Image"
    bl_import_operator = "igllm.derender"
    bl_file_extensions = ".png;.jpg;.jpeg;.webp;.bmp;.tif;.tiff"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Only onto a 3D viewport."""
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (IGLLM_FH_picture,)
