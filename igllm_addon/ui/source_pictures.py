# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that is to become a scene, from wherever the artist has it. What may take its time is left to a thread."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..core.errors import UsageError
from ..core.scene import Camera
from .picture_headers import PictureHeader, header_or_none
from .pixels import from_blender, rgb_png
from .properties import IGLLM_PG_settings

# What the model runner reads by itself, as it is; anything else comes through Blender.
_PLAIN_FILES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
_LINEAR_SPACES = ("Linear", "Non-Color", "scene_linear")
_HEADER_BYTES = 512 * 1024  # a JPEG file may hold a preview and a colour profile before it says how large it is


@dataclass(frozen=True)
class SourcePicture:
    """name: what the artist calls it. read: the bytes of a picture file, for another thread. header: how large it is and how it
    is to be turned. path, image_name: what can be shown behind the result's camera. eye: the camera in world coordinates that
    took it, where that is known."""

    name: str
    read: Callable[[], bytes]
    header: PictureHeader
    path: Path | None = None
    image_name: str | None = None
    eye: Camera | None = None


def source_picture(context: bpy.types.Context, settings: IGLLM_PG_settings, own: Camera | None) -> SourcePicture:
    """The picture that the panel's settings name; a UsageError says why there is none. own: the camera that the model knows,
    through whose lens a viewport is taken."""
    if settings.source == "VIEWPORT":
        from .viewport_capture import picture_of_viewport

        assert own is not None
        return picture_of_viewport(context, own)
    if settings.source == "RENDER":
        return picture_of_render(context.scene)
    if settings.source == "IMAGE":
        if settings.image is None:
            raise UsageError("No image is chosen; choose one below the source.")
        return picture_of_image(settings.image)
    if not settings.filepath:
        raise UsageError("No picture file is chosen; choose one below the source.")
    return picture_of_file(settings.filepath)


def picture_of_file(filepath: str) -> SourcePicture:
    """A file by its path, which may begin with //."""
    path = Path(bpy.path.abspath(filepath))
    if not path.is_file():
        raise UsageError(f"There is no picture file {path}; choose another.")
    if path.suffix.lower() in _PLAIN_FILES:
        return SourcePicture(path.name, path.read_bytes, _header_of_file(path), path)
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError:
        raise UsageError(f"{path.name} is no picture that Blender can read; give a PNG or JPEG file.") from None
    return picture_of_image(image)


def picture_of_image(image: bpy.types.Image) -> SourcePicture:
    """An image datablock."""
    if image.type == "RENDER_RESULT":
        return picture_of_render(bpy.context.scene)
    if image.source not in ("FILE", "GENERATED"):
        raise UsageError(f"The image {image.name} is a {image.source.lower()}; choose a still picture.")
    if not image.is_dirty and image.source == "FILE" and image.packed_file is None:
        path = Path(bpy.path.abspath(image.filepath, library=image.library))
        if path.suffix.lower() in _PLAIN_FILES and path.is_file():
            return SourcePicture(image.name, path.read_bytes, _header_of_file(path), None, image.name)
    width, height = image.size
    values = np.empty(len(image.pixels), dtype=np.float32)
    if width * height == 0 or values.size != width * height * image.channels:
        raise UsageError(f"The image {image.name} has no pixels (its file may be missing); reload it or choose another.")
    image.pixels.foreach_get(values)
    channels, is_linear = image.channels, image.is_float and image.colorspace_settings.name.startswith(_LINEAR_SPACES)

    def read() -> bytes:
        return rgb_png(from_blender(values, width, height, channels, is_linear=is_linear))

    return SourcePicture(image.name, read, PictureHeader(width, height), None, image.name)


def picture_of_render(scene: bpy.types.Scene) -> SourcePicture:
    """The last render, as its file would be: with the scene's view transform."""
    image = next((item for item in bpy.data.images if item.type == "RENDER_RESULT"), None)
    path = Path(tempfile.mkdtemp(prefix="igllm-", dir=bpy.app.tempdir or None)) / "render.png"
    settings = scene.render.image_settings
    kept = settings.file_format, settings.color_mode, settings.color_depth
    try:
        settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGB", "8"
        if image is not None:
            image.save_render(str(path), scene=scene)
    except RuntimeError:
        pass  # there is a render result, but nothing was rendered yet; the missing file says so
    finally:
        settings.file_format, settings.color_mode, settings.color_depth = kept
    if not path.is_file():
        raise UsageError("Nothing has been rendered yet; press F12 first, or choose another source.")
    return SourcePicture("Render Result", path.read_bytes, _header_of_file(path), path)


def _header_of_file(path: Path) -> PictureHeader:
    """Of a file that is there; a UsageError where it is no picture."""
    try:
        with path.open("rb") as file:
            header = header_or_none(file.read(_HEADER_BYTES))
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read ({error.strerror}); choose another picture.") from error
    return header if header is not None and header.width * header.height > 0 else _header_by_blender(path)


def _header_by_blender(path: Path) -> PictureHeader:
    known = {item.session_uid for item in bpy.data.images}
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError:
        raise UsageError(f"{path.name} cannot be read; give a PNG or JPEG file.") from None
    width, height = image.size
    if image.session_uid not in known:
        bpy.data.images.remove(image)
    if width * height == 0:
        raise UsageError(f"{path.name} is not a picture that can be read; give a PNG or JPEG file.")
    return PictureHeader(width, height)
