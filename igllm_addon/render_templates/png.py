# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG files at the level of their chunks. No bpy: Blender writes the pictures, this takes the clock out of them.

Chunk layout: PNG specification, third edition, section 5 (https://www.w3.org/TR/png-3/#5DataRep).
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from ..core.errors import RenderError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def without_metadata(png: bytes) -> bytes:
    """The same picture with its critical chunks only.

    Blender writes the date and the render time into every PNG, so that no two files of the same picture were equal.
    A file that is no whole PNG raises RenderError.
    """
    kept = [_SIGNATURE]
    position, kind = len(_SIGNATURE), b""
    while png.startswith(_SIGNATURE) and position + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, position)
        kind = png[position + 4 : position + 8]
        chunk = png[position : position + 12 + length]
        if len(chunk) < 12 + length or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            break
        if kind[:1].isupper():
            kept.append(chunk)
        if kind == b"IEND":
            return b"".join(kept)
        position += len(chunk)
    raise RenderError(f"Blender wrote a picture that is cut or damaged ({len(png)} bytes).")


def gray_png(values: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """A (height, width) array of bytes or 16-bit numbers as a grey PNG that holds exactly these values."""
    height, width = values.shape
    depth = 8 * values.dtype.itemsize
    rows = values.astype(">u2" if depth == 16 else np.uint8).view(np.uint8).reshape(height, -1)
    filtered = np.concatenate((np.zeros((height, 1), np.uint8), rows), axis=1)
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    pixels = zlib.compress(filtered.tobytes(), 6)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def rgb_png(values: NDArray[np.uint8]) -> bytes:
    """A (height, width, 3) array of bytes as a PNG of these colours."""
    height, width, _ = values.shape
    rows = values.reshape(height, -1)
    # Each row as its difference from the one above: what repeats downward becomes zeros.
    differences = np.concatenate((rows[:1], rows[1:] - rows[:-1])).astype(np.uint8)
    filtered = np.concatenate((np.full((height, 1), 2, np.uint8), differences), axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 9)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
