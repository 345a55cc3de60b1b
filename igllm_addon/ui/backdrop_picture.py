# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture behind a result's camera: loaded, turned as its EXIF says, shown."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

from ..render_templates.surroundings import put_behind
from .picture_headers import quarter_turns
from .properties import IGLLM_PG_result

RUN_KEY = "igllm_run"

# Blender decodes a picture in its main thread when it draws it for the first time, which takes 12 ms for a million pixels. Larger
# ones are shown when the run is over.
_QUICK_PX = 2_000_000


def is_quickly_read(size_px: tuple[int, int]) -> bool:
    """Whether drawing it for the first time goes unnoticed."""
    return size_px[0] * size_px[1] <= _QUICK_PX


def load_or_none(path: Path, result_name: str, run_id: str) -> bpy.types.Image | None:
    """The file as an image; it is not decoded yet. None where it went away meanwhile: the result does without."""
    known = {item.session_uid for item in bpy.data.images}
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError:
        return None
    if image.session_uid not in known:
        image[RUN_KEY] = run_id  # ours to take away, where the run comes to nothing
    if path.is_relative_to(bpy.app.tempdir):
        image.pack()  # the file is a temporary one
        image.name, image.filepath_raw = f"{result_name} picture", "//picture.png"
    return image


def show(result: IGLLM_PG_result) -> None:
    """Behind the result's camera, if there is a picture and it is not there yet."""
    camera, image = result.camera.data, result.picture
    if image is None or len(camera.background_images) > 0:
        return
    shown = put_behind(camera, image)
    # Blender shows a file's rows as they are stored. It flips first, then turns, clockwise, without fitting anew.
    mirrored, turns = quarter_turns(result.picture_orientation)
    shown.use_flip_x = mirrored
    shown.rotation = -turns * math.pi / 2.0
    if turns % 2 == 1:
        width, height = result.picture_width, result.picture_height
        shown.scale = max(width, height) / max(min(width, height), 1)
