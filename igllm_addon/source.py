# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture file as the command line passes it on. PIL and core."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from .core.protocol import PICTURE_BYTES_LIMIT

_COPY_SIDE_PX = 2048  # far more than a model looks at


@dataclass(frozen=True)
class Source:
    """What the file is called, its bytes, and what it shows: upright, 8 bits, RGB."""

    name: str
    data: bytes
    picture: Image.Image

    def wire_bytes(self) -> bytes:
        """What goes to the model runner: the file as it is, or a smaller copy where it is too large for a message."""
        if len(self.data) <= PICTURE_BYTES_LIMIT:
            return self.data
        copy = self.picture.copy()
        copy.thumbnail((_COPY_SIDE_PX, _COPY_SIDE_PX))
        buffer = io.BytesIO()
        copy.save(buffer, "PNG")
        return buffer.getvalue()
