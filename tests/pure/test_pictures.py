# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files of every kind come out upright, 8 bits, RGB; what is none is refused with a sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs pillow")

from PIL import Image  # noqa: E402  (PIL must be known to exist first)

from igllm_addon.core.errors import UsageError  # noqa: E402
from igllm_addon.model_runner.pictures import picture_from_bytes  # noqa: E402


def saved(picture: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("RGB", (3, 2), (10, 20, 30)), (10, 20, 30)),
        (Image.new("L", (3, 2), 77), (77, 77, 77)),
        (Image.new("LA", (3, 2), (77, 255)), (77, 77, 77)),
        (Image.new("1", (3, 2), 1), (255, 255, 255)),
        (Image.new("RGBA", (3, 2), (10, 20, 30, 255)), (10, 20, 30)),
        (Image.new("RGBA", (3, 2), (10, 20, 30, 0)), (255, 255, 255)),
        (Image.new("I;16", (3, 2), 0x8000), (128, 128, 128)),
        (Image.new("P", (3, 2), 0), (0, 0, 0)),
    ],
    ids=["RGB", "grey", "grey and alpha", "one bit", "opaque", "transparent", "16 bits", "palette"],
)
def test_a_png_of_any_kind_becomes_rgb(picture: Image.Image, expected: tuple[int, int, int]) -> None:
    read = picture_from_bytes(saved(picture), "photo.png")

    assert (read.mode, read.size, read.getpixel((0, 0))) == ("RGB", (3, 2), expected)


def test_a_colour_png_of_16_bits_keeps_its_brightness() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">HHH", 0xFFFF, 0x8080, 0x0000)))
    png = b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")

    assert picture_from_bytes(png, "photo.png").getpixel((0, 0)) == (255, 128, 0)


def test_a_float_tiff_is_scaled_from_one() -> None:
    picture = Image.fromarray(np.full((2, 3), 0.5, dtype=np.float32))

    assert picture_from_bytes(saved(picture, "TIFF"), "photo.tif").getpixel((0, 0)) == (128, 128, 128)


def test_a_cmyk_jpeg_becomes_rgb() -> None:
    picture = picture_from_bytes(saved(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"), "photo.jpg")

    assert (picture.mode, picture.getpixel((0, 0))) == ("RGB", (255, 255, 255))


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_other_formats_are_read(file_format: str) -> None:
    picture = picture_from_bytes(saved(Image.new("RGB", (16, 8), "white"), file_format), "photo")

    assert (picture.mode, picture.size, picture.getpixel((3, 3))) == ("RGB", (16, 8), (255, 255, 255))


def test_a_format_whose_reader_would_start_a_program_is_refused() -> None:
    postscript = saved(Image.new("RGB", (16, 8)), "EPS")

    with pytest.raises(UsageError, match="not a picture"):
        picture_from_bytes(postscript, "photo.eps")


def test_a_picture_taken_on_its_side_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise is due
    lying = Image.new("RGB", (40, 20), "black")
    lying.paste((255, 255, 255), (0, 0, 20, 20))

    upright = picture_from_bytes(saved(lying, "JPEG", exif=exif), "photo.jpg")

    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5)) == (255, 255, 255)
    assert upright.getpixel((10, 35)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a picture"),
        (b"just words", "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "not a picture|damaged"),
        (saved(Image.effect_noise((300, 200), 90), "JPEG")[:3000], "damaged"),
        (saved(Image.effect_noise((300, 200), 90))[:3000], "damaged"),
        (saved(Image.new("1", (20_000, 20_000))), "at most 64 million"),
        (saved(Image.new("1", (9_500, 9_500))), "9500 x 9500 pixels, and at most 64 million"),
    ],
    ids=["empty", "words", "only a signature", "cut JPEG", "cut PNG", "20,000 x 20,000", "9,500 x 9,500"],
)
def test_what_cannot_be_used_is_refused_by_name(data: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=f"^photo.png .*({said})"):
        picture_from_bytes(data, "photo.png")


def test_a_png_with_a_broken_checksum_is_refused() -> None:
    data = bytearray(saved(Image.effect_noise((60, 40), 90)))
    data[60] ^= 0xFF

    with pytest.raises(UsageError, match="damaged"):
        picture_from_bytes(bytes(data), "photo.png")
