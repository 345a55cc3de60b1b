# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a comparison against their definitions, and the page that shows them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs pillow")
pytest.importorskip("skimage", reason="needs scikit-image")

from PIL import Image  # noqa: E402  (PIL must be known to exist first)

from igllm_addon.comparison import SIDE_LIMIT_PX, Titled, compare, comparison_page, figures_text  # noqa: E402


def noise(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def plain(level: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def titled(picture: Image.Image, title: str = "Picture", name: str = "photo.png") -> Titled:
    return Titled(picture, title, name)


def test_identical_pictures_have_no_psnr_and_an_ssim_of_one() -> None:
    figures = compare(titled(noise(1)), titled(noise(1))).to_json()

    assert (figures["psnr_db"], figures["ssim"], figures["identical"]) == (None, 1.0, True)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_psnr_is_that_of_its_definition() -> None:
    comparison = compare(titled(plain(100)), titled(plain(110)))

    assert comparison.psnr_db == pytest.approx(10.0 * math.log10(255.0**2 / 10.0**2))
    assert comparison.mean_difference == pytest.approx(10.0 / 255.0)


def test_black_and_white_are_as_far_apart_as_can_be() -> None:
    comparison = compare(titled(plain(0)), titled(plain(255)))

    assert comparison.psnr_db == pytest.approx(0.0)
    assert comparison.ssim == pytest.approx(0.0, abs=1e-3)
    assert comparison.mean_difference == pytest.approx(1.0)


def test_unlike_noise_is_unlike() -> None:
    comparison = compare(titled(noise(1)), titled(noise(2)))

    assert comparison.ssim is not None
    assert abs(comparison.ssim) < 0.2


def test_the_second_picture_is_resized_to_the_first_and_the_figures_say_so() -> None:
    comparison = compare(titled(plain(50, (64, 48))), titled(plain(50, (32, 99)), "Render", "render.png"))

    assert comparison.size_px == (64, 48)
    assert comparison.resized == "Compared at 64 x 48 pixels: Render (render.png) resized for it."


def test_a_huge_picture_is_compared_smaller() -> None:
    comparison = compare(titled(plain(50, (6000, 3))), titled(plain(50, (6000, 3)), "Render", "render.png"))

    assert comparison.size_px == (SIDE_LIMIT_PX, 1)
    assert comparison.resized is not None
    assert "photo.png" in comparison.resized and "render.png" in comparison.resized


def test_a_picture_smaller_than_the_window_has_no_ssim() -> None:
    comparison = compare(titled(plain(50, (200, 10))), titled(plain(60, (200, 10))))

    assert comparison.ssim is None
    assert "SSIM –" in figures_text(comparison)


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (3, 4000), (4000, 3), (300, 900)])
def test_the_page_is_wide_enough_to_read_whatever_the_shape(size: tuple[int, int]) -> None:
    first, second = titled(plain(50, size)), titled(plain(60, (640, 480)), "Render", "r" * 200 + ".png")

    page = comparison_page(first, second, compare(first, second))

    assert page.width == 1600
    assert 200 < page.height < 1000


def test_the_map_is_dark_where_the_pictures_agree_and_bright_where_they_differ() -> None:
    half = plain(0)
    half.paste((200, 200, 200), (20, 0, 40, 30))
    first, second = titled(plain(0)), titled(half)

    page = comparison_page(first, second, compare(first, second))

    # The third panel starts after two panels of 496, two gaps of 24 and the margin of 32 pixels.
    assert page.getpixel((1072 + 60, 200)) == (0, 0, 0)
    assert page.getpixel((1072 + 440, 200)) == (255, 250, 190)
