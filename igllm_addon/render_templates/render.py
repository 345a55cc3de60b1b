# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering with Blender: settings in, a PNG or an array out. Uses bpy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from ..core.errors import RenderError, UsageError
from .render_options import ENGINES, RenderOptions

__all__ = ["ENGINES", "RenderOptions", "apply_options", "engine_identifier", "has_denoiser", "quiet_settings", "render_png"]


def engine_identifier(engine: str) -> str:
    """Blender's own name of the engine; EEVEE was called EEVEE Next from 4.2 to 4.5."""
    known = {item.identifier for item in bpy.types.RenderSettings.bl_rna.properties["engine"].enum_items}
    eevee = "BLENDER_EEVEE_NEXT" if "BLENDER_EEVEE_NEXT" in known else "BLENDER_EEVEE"
    return {"cycles": "CYCLES", "workbench": "BLENDER_WORKBENCH", "eevee": eevee}[engine]


def apply_options(scene: bpy.types.Scene, options: RenderOptions) -> None:
    """Write the options into a Blender scene."""
    render = scene.render
    try:
        render.engine = engine_identifier(options.engine)
    except TypeError as error:
        raise UsageError(
            f"This Blender ({bpy.app.version_string}) has no engine {options.engine!r}; choose another --engine."
        ) from error
    render.resolution_x, render.resolution_y, render.resolution_percentage = options.width_px, options.height_px, 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.use_persistent_data = True
    render.threads_mode = "FIXED" if options.threads else "AUTO"
    if options.threads:
        render.threads = options.threads
    if options.engine == "cycles":
        cycles = scene.cycles
        cycles.device = "CPU"
        cycles.samples = options.samples
        cycles.use_adaptive_sampling = False
        cycles.use_denoising = options.denoise and has_denoiser(scene)
        # Cleaning the guide passes first costs more than half of a frame's time and gains 0.3 dB at 6 samples, and the best
        # quality takes twice the time of the balanced one for 0.7 dB: samples are the cheaper way to both. See benchmarks/.
        cycles.denoising_prefilter = "NONE"
        if hasattr(cycles, "denoising_quality"):  # since Blender 4.2
            cycles.denoising_quality = "BALANCED"
        cycles.seed = options.seed
        cycles.blur_glossy = 2.0  # CLEVR's own setting
        cycles.max_bounces = 4  # more change nothing that can be measured in these scenes
    elif options.engine == "eevee":
        scene.eevee.taa_render_samples = options.samples


def has_denoiser(scene: bpy.types.Scene) -> bool:
    """Choose OpenImageDenoise for Cycles; False where this Blender was built without it, as Debian's is."""
    try:
        scene.cycles.denoiser = "OPENIMAGEDENOISE"
    except TypeError:
        return False
    return True


@contextmanager
def quiet_settings(scene: bpy.types.Scene) -> Iterator[None]:
    """Restore what render_png changes in the scene's output settings."""
    render = scene.render
    kept = (render.filepath, render.image_settings.file_format, render.image_settings.color_mode, render.use_file_extension)
    try:
        yield
    finally:
        render.filepath, render.image_settings.file_format, render.image_settings.color_mode, render.use_file_extension = kept


def render_png(scene: bpy.types.Scene, path: Path) -> None:
    """Render the scene's active camera into an 8-bit RGB PNG at `path`."""
    if scene.camera is None:
        raise RenderError("The scene has no active camera; add one or choose a scene with a camera statement.")
    with quiet_settings(scene):
        scene.render.image_settings.file_format = "PNG"
        scene.render.image_settings.color_mode = "RGB"
        scene.render.use_file_extension = False
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True, scene=scene.name)
    if not path.is_file():
        raise RenderError(f"Blender wrote no picture to {path}; check that the folder is writable and the disk has room.")
