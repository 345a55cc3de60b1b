# SPDX-License-Identifier: GPL-3.0-or-later
"""How alike two pictures are: PSNR and SSIM, and a page that shows both and where they differ. PIL and scikit-image; no bpy.

The second picture is resized to the first one's size, and both are reduced where the first is wider or higher than
SIDE_LIMIT_PX. PSNR and SSIM are scikit-image's, on 8-bit sRGB values; SSIM with the Gaussian window of Wang et al. 2004
("Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), section III-C), mean over channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

SIDE_LIMIT_PX = 1920
PAGE_WIDTH_PX = 1600
FULL_SCALE = 0.25  # the difference at the top of the heat map's scale, of the range from black to white

_SSIM_WINDOW_PX = 11
_MARGIN_PX, _GAP_PX = 32, 24
_PANEL_WIDTH_PX = (PAGE_WIDTH_PX - 2 * _MARGIN_PX - 2 * _GAP_PX) // 3
_PANEL_HEIGHT_LIMIT_PX = 720
_LEGEND_HEIGHT_PX = 14
_INK, _SOFT_INK, _PAPER = (25, 25, 28), (95, 95, 102), (255, 255, 255)
# No difference is black; the scale rises in brightness throughout, so that it also reads without colour.
_HEAT_RGB = np.array([(0, 0, 0), (60, 15, 110), (160, 35, 120), (235, 90, 50), (250, 180, 40), (255, 250, 190)], dtype=np.float64)


@dataclass(frozen=True)
class Titled:
    """A picture (RGB), what it is called in the page's headings, and its file's name."""

    picture: Image.Image
    title: str
    name: str


@dataclass(frozen=True)
class Comparison:
    """psnr_db is None for identical pictures, whose PSNR is infinite; ssim is None where a side has fewer than 11 pixels.

    mean_difference: of absolute differences, as a part of the range from black to white. size_px: width and height at which the
    two were compared. resized: a sentence on what was resized for it, or None. difference: (H, W) float, mean over channels.
    """

    psnr_db: float | None
    ssim: float | None
    mean_difference: float
    size_px: tuple[int, int]
    resized: str | None
    difference: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """The figures, ready for json.dumps; psnr_db is null for identical pictures."""
        return {
            "psnr_db": self.psnr_db,
            "ssim": self.ssim,
            "mean_difference": self.mean_difference,
            "identical": self.psnr_db is None,
            "size_px": list(self.size_px),
            "resized": self.resized,
        }


def compare(first: Titled, second: Titled) -> Comparison:
    """How far the second picture is from the first."""
    size = _fitting(first.picture.size, (SIDE_LIMIT_PX, SIDE_LIMIT_PX), enlarge=False)
    a, b = (np.asarray(_resized(item.picture, size)) for item in (first, second))
    difference = np.abs(a.astype(np.float64) - b.astype(np.float64)).mean(axis=2) / 255.0
    return Comparison(
        psnr_db=None if np.array_equal(a, b) else float(peak_signal_noise_ratio(a, b, data_range=255)),
        ssim=_ssim_or_none(a, b),
        mean_difference=float(difference.mean()),
        size_px=size,
        resized=_resized_sentence_or_none(first, second, size),
        difference=difference,
    )


def comparison_page(first: Titled, second: Titled, comparison: Comparison) -> Image.Image:
    """Both pictures and the map of their differences side by side, with what they are and the figures below."""
    heat = Image.fromarray(_heat_rgb(comparison.difference / FULL_SCALE))
    panels = [_panel(picture) for picture in (first.picture, second.picture, heat)]
    height = max(panel.height for panel in panels)
    page = Image.new("RGB", (PAGE_WIDTH_PX, _MARGIN_PX + height + 178), _PAPER)
    below = _MARGIN_PX + height + 14
    captions = (
        (first.title, f"{_shortened(first.name)}, {_size_text(first.picture.size)}"),
        (second.title, f"{_shortened(second.name)}, {_size_text(second.picture.size)}"),
        ("Difference", "mean over red, green and blue"),
    )
    for column, (panel, (title, detail)) in enumerate(zip(panels, captions, strict=True)):
        left = _MARGIN_PX + column * (_PANEL_WIDTH_PX + _GAP_PX)
        page.paste(panel, (left + (_PANEL_WIDTH_PX - panel.width) // 2, _MARGIN_PX + height - panel.height))
        _write(page, (left, below), title, 24, _INK)
        _write(page, (left, below + 32), detail, 18, _SOFT_INK)
    _draw_legend(page, (_MARGIN_PX + 2 * (_PANEL_WIDTH_PX + _GAP_PX), below + 68))
    _write(page, (_MARGIN_PX, below + 68), figures_text(comparison), 28, _INK)
    if comparison.resized is not None:
        _write(page, (_MARGIN_PX, below + 112), comparison.resized, 18, _SOFT_INK)
    return page


def figures_text(comparison: Comparison) -> str:
    """Such as "PSNR 31.2 dB   SSIM 0.934   mean difference 1.4 %"."""
    psnr = "identical" if comparison.psnr_db is None else f"PSNR {comparison.psnr_db:.1f} dB"
    ssim = "SSIM –" if comparison.ssim is None else f"SSIM {comparison.ssim:.3f}"
    return f"{psnr}   {ssim}   mean difference {100.0 * comparison.mean_difference:.1f} %"


def _ssim_or_none(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    if min(a.shape[:2]) < _SSIM_WINDOW_PX:
        return None
    return float(
        structural_similarity(a, b, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    )


def _resized_sentence_or_none(first: Titled, second: Titled, size: tuple[int, int]) -> str | None:
    names = [f"{item.title} ({_shortened(item.name)})" for item in (first, second) if item.picture.size != size]
    if not names:
        return None
    return f"Compared at {_size_text(size)}: {' and '.join(names)} resized for it."


def _fitting(size: tuple[int, int], box: tuple[int, int], *, enlarge: bool) -> tuple[int, int]:
    """The largest size of the same shape that fits into the box, at least one pixel each way."""
    scale = min(box[0] / size[0], box[1] / size[1])
    scale = scale if enlarge else min(scale, 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def _panel(picture: Image.Image) -> Image.Image:
    return _resized(picture, _fitting(picture.size, (_PANEL_WIDTH_PX, _PANEL_HEIGHT_LIMIT_PX), enlarge=True))


def _heat_rgb(share_of_scale: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(H, W) in [0, 1], more is cut, to (H, W, 3)."""
    positions = np.linspace(0.0, 1.0, len(_HEAT_RGB))
    channels = [np.interp(share_of_scale, positions, _HEAT_RGB[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _draw_legend(page: Image.Image, corner: tuple[int, int]) -> None:
    """The heat map's scale from none to FULL_SCALE, with its numbers below."""
    left, top = corner
    ramp = np.tile(np.linspace(0.0, 1.0, _PANEL_WIDTH_PX), (_LEGEND_HEIGHT_PX, 1))
    page.paste(Image.fromarray(_heat_rgb(ramp)), corner)
    ticks = [round(100.0 * FULL_SCALE * step / 5.0) for step in range(6)]
    for step, percent in enumerate(ticks):
        text = f"{percent} % +" if step == 5 else f"{percent} %"
        anchor = "la" if step == 0 else "ra" if step == 5 else "ma"
        _write(page, (left + round(_PANEL_WIDTH_PX * step / 5.0), top + _LEGEND_HEIGHT_PX + 6), text, 16, _SOFT_INK, anchor)


def _write(
    page: Image.Image, at: tuple[int, int], text: str, size_px: int, ink: tuple[int, int, int], anchor: str = "la"
) -> None:
    ImageDraw.Draw(page).text(at, text, font=ImageFont.load_default(size_px), fill=ink, anchor=anchor)


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"


def _shortened(name: str, limit: int = 34) -> str:
    """A long file name with its middle left out, so that the end, which tells files apart, stays."""
    return name if len(name) <= limit else f"{name[: limit // 2 - 2]}...{name[-limit // 2 + 1 :]}"
