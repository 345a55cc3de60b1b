# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture, render and difference as images of the Blender file, and how they are shown in one of them."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from .pixels import from_blender, rgb_png, upright
from .properties import IGLLM_PG_result
from .similarity import difference_rgb, psnr_db_or_none, resized, ssim_or_none

_GAP_PX = 8
_GAP_BYTE, _LINE_BYTES = 32, (255, 255, 255)

Bytes = NDArray[np.uint8]
# The pair of the comparison that was shown last, so that moving the wipe need not read two images at every step.
_cached: dict[str, tuple[Bytes, Bytes]] = {}


def take_render(collection: bpy.types.Collection, path: Path) -> None:
    """Keep the render in the file, measure, and show the comparison."""
    result = collection.igllm
    loaded = bpy.data.images.load(str(path))
    loaded.pack()
    loaded.filepath_raw = "//render.png"
    if result.render is not None:
        bpy.data.images.remove(result.render)
    loaded.name = f"{collection.name} render"
    result.render = loaded
    _cached.clear()
    picture, render = _pair(result)
    psnr, ssim = psnr_db_or_none(picture, render), ssim_or_none(picture, render)
    psnr_text = "identical" if psnr is None else f"PSNR {psnr:.1f} dB"
    result.figures = psnr_text if ssim is None else f"{psnr_text}   SSIM {ssim:.3f}"
    show(result)
    result.comparison.pack()  # so that saving the file keeps it


def show(result: IGLLM_PG_result) -> None:
    """Draw the comparison as the result's view says into its image."""
    if result.render is None or result.picture is None:
        return
    pixels = composed(*_pair(result), result.view, result.wipe / 100.0, result.flicker)
    height, width = pixels.shape[:2]
    image = result.comparison
    if image is None:
        image = result.comparison = bpy.data.images.new(f"{result.id_data.name} comparison", width, height)
    if tuple(image.size) != (width, height):
        image.scale(width, height)
    rgba = np.ones((height, width, 4), dtype=np.float32)
    rgba[..., :3] = pixels[::-1].astype(np.float32) / 255.0
    image.pixels.foreach_set(rgba.ravel())
    image.update()


def composed(picture: Bytes, render: Bytes, view: str, wipe: float, flicker: bool) -> Bytes:
    """(H, W, 3) bytes each. wipe: the part from the left that shows the picture."""
    if view == "DIFFERENCE":
        return difference_rgb(picture, render)
    if view == "FLICKER":
        return render if flicker else picture
    if view == "WIPE":
        column = round(wipe * picture.shape[1])
        both: Bytes = np.hstack((picture[:, :column], render[:, column:]))
        if 0 < column < picture.shape[1]:
            both[:, column] = _LINE_BYTES
        return both
    gap = np.full((picture.shape[0], _GAP_PX, 3), _GAP_BYTE, dtype=np.uint8)
    return np.hstack((picture, gap, render, gap, difference_rgb(picture, render)))


def save_page(result: IGLLM_PG_result, path: Path) -> None:
    """Write what the comparison shows as a PNG file; OSError where that is not possible."""
    path.write_bytes(rgb_png(composed(*_pair(result), result.view, result.wipe / 100.0, result.flicker)))


def _pair(result: IGLLM_PG_result) -> tuple[Bytes, Bytes]:
    """Picture and render at the render's size."""
    if result.run_id not in _cached:
        _cached.clear()
        render = _bytes_of(result.render)
        picture = upright(_bytes_of(result.picture), result.picture_orientation)
        _cached[result.run_id] = resized(picture, render.shape[1], render.shape[0]), render
    return _cached[result.run_id]


def _bytes_of(image: bpy.types.Image) -> Bytes:
    width, height = image.size
    values = np.empty(len(image.pixels), dtype=np.float32)
    if values.size != width * height * image.channels or values.size == 0:
        return np.zeros((16, 16, 3), dtype=np.uint8)  # its file is gone
    image.pixels.foreach_get(values)
    return from_blender(values, width, height, image.channels, is_linear=image.is_float)
