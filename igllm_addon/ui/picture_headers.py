# SPDX-License-Identifier: GPL-3.0-or-later
"""How wide and high a picture file is and how EXIF wants it turned, from its first bytes and without decoding it. No bpy."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SIZED = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG's frame headers, which hold the size
_ORIENTATION = 0x0112
# EXIF's orientation -> whether the stored rows are to be mirrored left to right, then how often turned by 90° counter-clockwise.
_TURNS = {1: (False, 0), 2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1)}


@dataclass(frozen=True)
class PictureHeader:
    """width, height: as stored. orientation: EXIF's, 1 to 8, where 1 is as stored."""

    width: int
    height: int
    orientation: int = 1

    @property
    def shown_size_px(self) -> tuple[int, int]:
        """Width and height as the picture is to be shown."""
        turned = quarter_turns(self.orientation)[1] % 2 == 1
        return (self.height, self.width) if turned else (self.width, self.height)


def quarter_turns(orientation: int) -> tuple[bool, int]:
    """Whether to mirror the stored rows left to right, and then how often to turn them by 90° counter-clockwise."""
    return _TURNS.get(orientation, _TURNS[1])


def header_or_none(data: bytes) -> PictureHeader | None:
    """What a PNG or JPEG file says about itself; None for other formats."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return PictureHeader(width, height, _png_orientation(data))
    return _jpeg_header_or_none(data) if data.startswith(b"\xff\xd8") else None


def _png_orientation(data: bytes) -> int:
    position = 8
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        if data[position + 4 : position + 8] == b"eXIf":
            return _orientation(data[position + 8 : position + 8 + length])
        position += 12 + length
    return 1


def _jpeg_header_or_none(data: bytes) -> PictureHeader | None:
    orientation = 1
    for marker, body in _jpeg_segments(data):
        if marker in _SIZED and len(body) >= 5:
            height, width = struct.unpack(">HH", body[1:5])
            return PictureHeader(width, height, orientation)
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = _orientation(body[6:])
    return None


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        yield marker, data[position + 4 : position + 2 + length]
        position += 2 + length


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
