# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards: bytes that follow from their content, whole files only, and pictures without a clock in them."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from igllm_addon.core.errors import RenderError, UsageError
from igllm_addon.render_templates.png import gray_png, without_metadata
from igllm_addon.render_templates.shards import (
    TAR_END,
    FileRecord,
    fragment_parts,
    read_chunks,
    sample_ends,
    sample_fragment,
    tar_member,
    write_atomically,
)

PARTS = {"png": b"picture", "json": b"{}", "code.txt": b"x" * 512, "instances.png": b""}


def test_a_shard_is_a_tar_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    path.write_bytes(sample_fragment("00000007", PARTS) + TAR_END)

    with tarfile.open(path) as archive:
        members = archive.getmembers()
        png = archive.extractfile("00000007.png")
        assert png is not None
        assert png.read() == b"picture"

    assert [member.name for member in members] == [
        "00000007.code.txt",
        "00000007.instances.png",
        "00000007.json",
        "00000007.png",
    ]
    assert {(member.mtime, member.uid, member.gid, member.mode) for member in members} == {(0, 0, 0, 0o644)}


def test_a_fragment_does_not_depend_on_the_order_of_its_parts() -> None:
    assert sample_fragment("1", dict(reversed(PARTS.items()))) == sample_fragment("1", PARTS)


def test_a_fragment_gives_its_parts_back() -> None:
    assert fragment_parts(sample_fragment("00000007", PARTS)) == PARTS


@pytest.mark.parametrize("cut", [0, 1, 511, 512, 700, 1536])
def test_a_cut_fragment_is_an_error(cut: int) -> None:
    fragment = sample_fragment("00000007", {"png": b"p" * 600, "json": b"{}"})

    with pytest.raises(tarfile.ReadError):
        fragment_parts(fragment[:cut])


def test_the_ends_of_samples_cut_a_shard_between_samples(tmp_path: Path) -> None:
    first, second = sample_fragment("00000000", PARTS), sample_fragment("00000001", PARTS)
    path = tmp_path / "shard.tar"
    path.write_bytes(first + second + TAR_END)

    assert sample_ends(path) == [len(first), len(first + second)]
    assert b"".join(read_chunks(path, len(first))) == first


def test_a_long_name_stays_one_header() -> None:
    member = tar_member("x" * 99, b"data")

    assert len(member) == 1024


def test_a_file_is_written_with_its_fingerprint(tmp_path: Path) -> None:
    record = write_atomically(tmp_path / "file", [b"ab", b"c"])

    assert (tmp_path / "file").read_bytes() == b"abc"
    assert record == FileRecord(3, hashlib.sha256(b"abc").hexdigest())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def chunks() -> object:
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match=r"Cannot write .*file: No space left on device; once that is possible"):
        write_atomically(tmp_path / "file", chunks())  # type: ignore[arg-type]

    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        write_atomically(tmp_path / "nowhere" / "file", [b""])


def png_of(pixels: np.ndarray, *texts: tuple[str, str]) -> bytes:
    notes = PngImagePlugin.PngInfo()
    for key, value in texts:
        notes.add_text(key, value)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


def test_pictures_that_differ_in_their_clock_become_equal() -> None:
    pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)

    morning = without_metadata(png_of(pixels, ("Date", "08:00"), ("RenderTime", "00:01")))
    evening = without_metadata(png_of(pixels, ("Date", "20:00"), ("RenderTime", "00:02")))

    assert morning == evening
    assert b"Date" not in morning
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(morning))), pixels)


@pytest.mark.parametrize("length", [0, 5, 20, 50, -1, -5, -13])
def test_a_cut_picture_is_an_error(length: int) -> None:
    whole = png_of(np.zeros((20, 20, 3), dtype=np.uint8))

    with pytest.raises(RenderError, match="cut or damaged"):
        without_metadata(whole[:length])


def test_a_picture_with_a_flipped_bit_is_an_error() -> None:
    whole = bytearray(png_of(np.zeros((20, 20, 3), dtype=np.uint8)))
    whole[45] ^= 1

    with pytest.raises(RenderError, match="cut or damaged"):
        without_metadata(bytes(whole))


def test_something_else_than_a_picture_is_an_error() -> None:
    with pytest.raises(RenderError, match="cut or damaged"):
        without_metadata(b"JFIF" * 100)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_grey_picture_holds_its_numbers(kind: type) -> None:
    values = np.arange(7 * 3).reshape(3, 7).astype(kind) * (kind(3) if kind is np.uint8 else kind(3000))

    read = np.asarray(Image.open(io.BytesIO(gray_png(values))))

    assert np.array_equal(read, values)


def test_a_grey_picture_has_correct_checksums() -> None:
    png = gray_png(np.zeros((2, 2), dtype=np.uint8))

    (length,) = struct.unpack_from(">I", png, 8)
    assert zlib.crc32(png[12 : 16 + length]) == struct.unpack_from(">I", png, 16 + length)[0]
