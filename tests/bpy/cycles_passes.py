# SPDX-License-Identifier: GPL-3.0-or-later
"""Cycles' own object index, depth and normals of a Blender scene: an independent witness for passes.py.

Reads the scan lines of an uncompressed OpenEXR file (https://openexr.com/en/latest/OpenEXRFileLayout.html), since Blender's
Python shows no layer of a multilayer file but the first.
"""

from __future__ import annotations

import struct
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

_TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
# Blender 5.0 renamed some passes.
_NAMES = {
    "index": ("IndexOB.X", "Object Index.X"),
    "depth": ("Depth.Z", "Depth.V"),
    "x": ("Normal.X",),
    "y": ("Normal.Y",),
    "z": ("Normal.Z",),
}


def render_passes(scene: bpy.types.Scene, path: Path) -> dict[str, NDArray[np.float32]]:
    """index (height, width), depth (height, width) and normal (height, width, 3) as Cycles sees them at the pixels' centres."""
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_normal = layer.use_pass_object_index = True
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # since Blender 5.0
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.exr_codec = "NONE"
    settings.color_depth = "32"
    if hasattr(settings, "use_exr_interleave"):  # since Blender 5.0, which otherwise makes every pass a part of its own
        settings.use_exr_interleave = True
    scene.render.use_file_extension = False
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    channels = _read_exr(path.read_bytes())
    found = {name: next(channels[key] for key in channels if key.endswith(endings)) for name, endings in _NAMES.items()}
    return {
        "index": found["index"],
        "depth": found["depth"],
        "normal": np.stack([found["x"], found["y"], found["z"]], axis=-1),
    }


def _read_exr(data: bytes) -> dict[str, NDArray[np.float32]]:
    attributes, position = _attributes(data)
    channels = _channels(attributes["channels"])
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    planes = {name: np.zeros((height, width), np.float32) for name, _ in channels}
    for offset in struct.unpack_from(f"<{height}Q", data, position):
        (line,) = struct.unpack_from("<i", data, offset)
        place = offset + 8
        for name, kind in channels:
            planes[name][line - top] = np.frombuffer(data, kind, width, place)
            place += width * kind.itemsize
    return planes


def _attributes(data: bytes) -> tuple[dict[str, bytes], int]:
    found: dict[str, bytes] = {}
    position = 8
    while data[position] != 0:
        name, position = _text(data, position)
        _, position = _text(data, position)
        (length,) = struct.unpack_from("<i", data, position)
        found[name] = data[position + 4 : position + 4 + length]
        position += 4 + length
    return found, position + 1


def _channels(data: bytes) -> list[tuple[str, np.dtype]]:
    found = []
    position = 0
    while data[position] != 0:
        name, position = _text(data, position)
        (kind,) = struct.unpack_from("<i", data, position)
        found.append((name, _TYPES[kind]))
        position += 16
    return found


def _text(data: bytes, position: int) -> tuple[str, int]:
    end = data.index(0, position)
    return data[position:end].decode(), end + 1
