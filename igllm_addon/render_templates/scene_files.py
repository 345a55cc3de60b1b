# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as files that people open: render.png and scene.blend. Uses bpy, and starts from an empty file of Blender, so it is
for processes that nobody works in."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..core.errors import RenderError
from ..core.scene import Scene
from .meshes.read import missing_meshes
from .png import without_metadata
from .render import apply_options, render_png
from .render_options import RenderOptions
from .surroundings import put_behind
from .template import Template

RENDER_NAME, BLEND_NAME = "render.png", "scene.blend"


@dataclass(frozen=True)
class Background:
    """The picture behind the camera's view: a PNG file, and what Blender is to call it."""

    path: Path
    name: str


def write_scene_files(
    scene: Scene,
    template: Template,
    folder: Path,
    collection_name: str,
    options: RenderOptions,
    background: Background | None = None,
) -> list[str]:
    """Write RENDER_NAME and BLEND_NAME into the folder. The scene needs a camera; see Template.completed. What could not be shown
    as it should be is returned as sentences.

    In scene.blend everything stands in one collection, the camera is active, 3D views look through it, and the background picture
    is packed into the file.
    """
    with quiet_stdout():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        shown = bpy.context.scene
        collection = bpy.data.collections.new(collection_name)
        shown.collection.children.link(collection)
        side = template.blender_side()
        side.prepare_world(shown)
        side.build(scene, collection)
        shown.camera = next((item for item in collection.objects if item.type == "CAMERA"), None)
        apply_options(shown, options)
        if background is not None and shown.camera is not None:
            _show_behind(shown.camera.data, background)
        render_png(shown, folder / RENDER_NAME)
        _look_through_camera()
        shown.render.filepath = "//" + RENDER_NAME
        _save(folder / BLEND_NAME)
        missing = missing_meshes(collection.objects)
    (folder / RENDER_NAME).write_bytes(without_metadata((folder / RENDER_NAME).read_bytes()))
    return missing


def blender_version() -> str:
    """Such as "4.5.15"."""
    return ".".join(map(str, bpy.app.version))


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Blender says where it saved what on Python's stdout and on the C library's, and stdout belongs to the command's own answer.
    Errors go elsewhere."""
    sys.stdout.flush()
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        # What Blender wrote may still be in the C library's buffer, from where it would come out after the restoring.
        ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)


def _show_behind(camera: bpy.types.Camera, background: Background) -> None:
    try:
        image = bpy.data.images.load(str(background.path))
    except RuntimeError as error:
        raise RenderError(f"Blender cannot read the picture {background.name} ({error}); save it as PNG.") from error
    image.name = background.name
    image.pack()
    # The packed picture stands for itself; the path of a temporary file would only mislead.
    image.filepath_raw = "//" + Path(background.name).with_suffix(".png").name
    put_behind(camera, image)


def _look_through_camera() -> None:
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"


def _save(path: Path) -> None:
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    except RuntimeError as error:
        raise RenderError(f"Blender cannot write {path} ({str(error).strip()}); check that the disk has room.") from error
