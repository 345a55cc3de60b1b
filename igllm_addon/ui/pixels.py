# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels as arrays: to the bytes of a PNG file, to a size that a model looks at, from linear to sRGB. numpy only, no bpy.

Letters: H height, W width. Rows run from the picture's top, unlike in Blender's own arrays.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from .picture_headers import quarter_turns

SIDE_LIMIT_PX = 1024  # far more than a model looks at

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def from_blender(values: NDArray[np.float32], width: int, height: int, channels: int, *, is_linear: bool) -> NDArray[np.uint8]:
    """Blender's flat array of a picture's pixels to (H, W, 3) bytes, on white where it is transparent."""
    rows = values.reshape(height, width, channels)[::-1]
    step = max(1, -(-max(width, height) // SIDE_LIMIT_PX))  # whole steps, because averaging a large picture takes a moment
    pixels = rows[::step, ::step]
    color = pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    if is_linear:
        color = srgb_from_linear(color)
    if channels == 4:
        alpha = np.clip(pixels[..., 3:], 0.0, 1.0)
        color = color * alpha + (1.0 - alpha)
    return to_bytes(color)


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """(H, W, 3) stored rows as EXIF's orientation wants them shown."""
    mirrored, turns = quarter_turns(orientation)
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, turns))


def to_bytes(color: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 3) floats in [0, 1], more is cut, to bytes. What is no number becomes black."""
    finite = np.nan_to_num(color, nan=0.0, posinf=1.0, neginf=0.0)
    return (np.clip(finite, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def srgb_from_linear(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sRGB curve of IEC 61966-2-1."""
    cut = np.clip(np.nan_to_num(values), 0.0, 1.0)
    return np.where(cut <= 0.0031308, cut * 12.92, 1.055 * np.power(cut, 1.0 / 2.4) - 0.055).astype(np.float32)


def rgb_png(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) bytes as a PNG file of exactly these values."""
    height, width, _ = pixels.shape
    rows = np.concatenate((np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)), axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 3)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
