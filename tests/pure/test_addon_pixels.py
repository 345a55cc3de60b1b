# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface's own arithmetic on pictures, against PIL and scikit-image, which Blender does not have."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from igllm_addon.ui.picture_headers import PictureHeader, header_or_none
from igllm_addon.ui.pixels import from_blender, rgb_png, srgb_from_linear, upright
from igllm_addon.ui.similarity import difference_rgb, psnr_db_or_none, resized, ssim_or_none

NOISE = np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8)
OTHER = np.clip(NOISE.astype(int) + np.random.default_rng(2).integers(-40, 41, NOISE.shape), 0, 255).astype(np.uint8)


def test_a_png_holds_the_very_pixels() -> None:
    with Image.open(io.BytesIO(rgb_png(NOISE))) as read:
        assert np.array_equal(np.asarray(read), NOISE)


def test_blenders_array_is_turned_upside_down_and_laid_on_white() -> None:
    values = np.array([[[1, 0, 0, 1]], [[0, 0, 1, 0.5]]], dtype=np.float32)  # the lower row comes first

    pixels = from_blender(values.ravel(), 1, 2, 4, is_linear=False)

    assert pixels.tolist() == [[[128, 128, 255]], [[255, 0, 0]]]


def test_a_grey_picture_becomes_rgb_and_a_large_one_is_thinned_out() -> None:
    pixels = from_blender(np.full(3000 * 2, 0.5, dtype=np.float32), 3000, 2, 1, is_linear=False)

    assert pixels.shape == (1, 1000, 3)
    assert set(pixels.ravel().tolist()) == {128}


def test_what_is_no_number_becomes_black_or_white_and_no_garbage() -> None:
    values = np.array([np.nan, np.inf, -1.0, 1.0], dtype=np.float32)

    pixels = from_blender(values, 4, 1, 1, is_linear=True)

    assert pixels[0, :, 0].tolist() == [0, 255, 0, 255]


def test_the_srgb_curve_meets_its_known_points() -> None:
    found = srgb_from_linear(np.array([0.0, 0.0031308, 0.18, 1.0], dtype=np.float32))

    assert found == pytest.approx([0.0, 0.04045, 0.46135613, 1.0], abs=1e-5)


def test_psnr_and_ssim_are_scikit_images() -> None:
    ssim = structural_similarity(
        NOISE, OTHER, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )

    assert psnr_db_or_none(NOISE, OTHER) == pytest.approx(peak_signal_noise_ratio(NOISE, OTHER, data_range=255))
    assert ssim_or_none(NOISE, OTHER) == pytest.approx(ssim, abs=1e-9)


def test_equal_pictures_have_no_psnr_and_no_difference() -> None:
    assert psnr_db_or_none(NOISE, NOISE) is None
    assert ssim_or_none(NOISE, NOISE) == pytest.approx(1.0)
    assert difference_rgb(NOISE, NOISE).max() == 0


def test_pictures_smaller_than_the_window_have_no_ssim() -> None:
    assert ssim_or_none(NOISE[:10], OTHER[:10]) is None


def test_a_smaller_picture_holds_the_means_of_what_its_pixels_cover() -> None:
    picture = NOISE[:36, :52]
    means = picture.reshape(9, 4, 26, 2, 3).mean(axis=(1, 3))

    assert np.abs(resized(picture, 26, 9) - means).max() <= 0.5


@pytest.mark.parametrize("size", [(7, 5), (11, 36), (80, 60)])
def test_any_size_keeps_the_pictures_mean(size: tuple[int, int]) -> None:
    found = resized(NOISE, *size)

    assert found.shape == (size[1], size[0], 3)
    assert found.mean() == pytest.approx(NOISE.mean(), abs=1.0)


def test_an_even_picture_stays_even_at_any_size() -> None:
    even = np.full((10, 12, 3), 77, dtype=np.uint8)

    assert set(resized(even, 33, 7).ravel().tolist()) == {77}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_that_exif_turns_is_shown_as_pil_shows_it(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, kind, exif=exif)
    with Image.open(buffer) as stored:
        pixels, shown = np.asarray(stored), np.asarray(ImageOps.exif_transpose(stored))

    header = header_or_none(buffer.getvalue())

    assert header is not None and header.orientation == orientation
    assert header.shown_size_px == (shown.shape[1], shown.shape[0])
    assert np.array_equal(upright(pixels, header.orientation), shown)


def test_an_orientation_that_is_none_turns_nothing() -> None:
    assert np.array_equal(upright(NOISE, 0), NOISE)


def test_a_pngs_size_is_read_and_other_bytes_have_none() -> None:
    assert header_or_none(rgb_png(NOISE)) == PictureHeader(53, 37)
    assert header_or_none(b"\xff\xd8\xff\xe1\x00\x10Exif\0\0II") is None
    assert header_or_none(b"Dear diary") is None
