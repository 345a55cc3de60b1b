# SPDX-License-Identifier: GPL-3.0-or-later
"""How wide and high a picture file is, from its first bytes and without decoding it. Standard library only, no bpy."""

from __future__ import annotations

import struct

_SIZED = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's frame headers, which hold the size
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)


def shown_size_px_or_none(data: bytes) -> tuple[int, int] | None:
    """Width and height as the picture is to be shown, with EXIF's quarter turns; None for other formats than PNG and JPEG."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    return _jpeg_size_or_none(data) if data.startswith(b"\xff\xd8") else None


def _jpeg_size_or_none(data: bytes) -> tuple[int, int] | None:
    position, turned = 2, False
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _SIZED:
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return (height, width) if turned else (width, height)
        if marker == 0xE1 and data[position + 4 : position + 10] == b"Exif\0\0":
            turned = _orientation(data[position + 10 : position + 2 + length]) in _TURNED
        position += 2 + length
    return None


def _orientation(tiff: bytes) -> int:
    """EXIF's orientation, 1 where it says nothing. See TIFF 6.0, section 2, and Exif 2.3, section 4.6.4."""
    if tiff[:2] not in (b"II", b"MM") or len(tiff) < 10:
        return 1
    order = "<" if tiff[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    if directory + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    for start in range(directory + 2, min(directory + 2 + 12 * count, len(tiff) - 11), 12):
        tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, start)
        if tag == _ORIENTATION:
            return int(value)
    return 1
