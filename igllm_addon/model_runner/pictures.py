# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files of every kind to what a model sees: upright, 8 bits a channel, RGB. PIL and numpy; no torch."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..core.errors import UsageError

PIXEL_LIMIT = 64_000_000  # decoded as RGB this takes 192 MB
# Not all that PIL knows: its reader of EPS, for one, starts Ghostscript on what it is given.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")


def picture_from_bytes(data: bytes, name: str) -> Image.Image:
    """The picture in the bytes of a file, turned upright as its EXIF data says, on white where it is transparent.

    `name` is how a message calls the file. What is no picture, is damaged, or is too large raises a UsageError.
    """
    try:
        # PIL warns of large pictures and refuses larger ones; both are too large here too, but the sentence should be ours.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=_FORMATS)
            _check_size(picture.size, name)
            return _as_rgb(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError:
        raise UsageError(_too_large(name, "more than 170 million pixels")) from None
    except UnidentifiedImageError:
        raise UsageError(f"{name} is not a picture in a format that can be read here; give a PNG or JPEG file.") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # What PIL's decoders raise for files that begin well and go on badly.
        raise UsageError(f"{name} is a damaged picture ({error}); save or download it again.") from None


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > PIXEL_LIMIT:
        raise UsageError(_too_large(name, f"{width} x {height} pixels"))


def _too_large(name: str, found: str) -> str:
    return f"{name} has {found}, and at most {PIXEL_LIMIT // 1_000_000} million can be read; make it smaller first."


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        picture = _as_8_bits(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(ground, picture).convert("RGB")
    return picture.convert("RGB")


def _as_8_bits(picture: Image.Image) -> Image.Image:
    """Greyscale of 16 or 32 bits, which PIL's own conversion would clip at 255 instead of scaling."""
    values = np.array(picture, dtype=np.float32)
    top = 255.0 if values.size == 0 or values.max() <= 255.0 else 65535.0
    if picture.mode == "F" and values.size and values.max() <= 1.0:
        top = 1.0
    # In place, because a picture at the limit takes 256 MB here.
    values *= 255.0 / top
    values += 0.5
    np.clip(values, 0.0, 255.0, out=values)
    return Image.fromarray(values.astype(np.uint8))
