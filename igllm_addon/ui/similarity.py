# SPDX-License-Identifier: GPL-3.0-or-later
"""How alike two pictures are, as comparison.py of the command line measures it, with what Blender brings: numpy only, no bpy.

Letters: H height, W width. Pictures are (H, W, 3) bytes, sRGB.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FULL_SCALE = 0.25  # the difference at the top of the heat map's scale, of the range from black to white

_SIGMA, _RADIUS = 1.5, 5  # SSIM's Gaussian window of 11 pixels
_HEAT_RGB = np.array([(0, 0, 0), (60, 15, 110), (160, 35, 120), (235, 90, 50), (250, 180, 40), (255, 250, 190)], dtype=np.float64)


def psnr_db_or_none(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """Peak signal-to-noise ratio; None for equal pictures, whose PSNR is infinite."""
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return None if error == 0.0 else 10.0 * math.log10(255.0**2 / error)


def ssim_or_none(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | None:
    """Mean SSIM over channels (Wang et al. 2004, section III-C), as scikit-image computes it with gaussian_weights=True; None
    where a side is shorter than the window."""
    if min(a.shape[:2]) < 2 * _RADIUS + 1:
        return None
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
    above = (2.0 * mean_x * mean_y + c1) * (2.0 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float(np.mean(above / below))


def difference_rgb(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where they differ, as (H, W, 3): black for not at all, bright from FULL_SCALE on."""
    share = np.abs(a.astype(np.float64) - b.astype(np.float64)).mean(axis=2) / 255.0 / FULL_SCALE
    positions = np.linspace(0.0, 1.0, len(_HEAT_RGB))
    return np.stack([np.interp(share, positions, _HEAT_RGB[:, i]) for i in range(3)], axis=-1).round().astype(np.uint8)


def resized(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """To another size: the mean of the covered area where it gets smaller, linear between pixels where it gets larger."""
    if pixels.shape[:2] == (height, width):
        return pixels
    rows = _resized_rows(pixels.astype(np.float64), height)
    columns = _resized_rows(rows.swapaxes(0, 1), width).swapaxes(0, 1)
    return (np.clip(columns, 0.0, 255.0) + 0.5).astype(np.uint8)


def _resized_rows(values: Array, count: int) -> Array:
    size = values.shape[0]
    if count >= size:
        at = np.clip((np.arange(count) + 0.5) * size / count - 0.5, 0.0, size - 1.0)
        low = np.floor(at).astype(int)
        weight = (at - low)[:, None, None]
        return np.asarray(values[low] * (1.0 - weight) + values[np.minimum(low + 1, size - 1)] * weight)
    # Sums up to fractional row numbers; their differences are the sums over what each new row covers.
    sums = np.concatenate((np.zeros_like(values[:1]), np.cumsum(values, axis=0)))
    edges = np.arange(count + 1) * size / count
    low = np.minimum(np.floor(edges).astype(int), size - 1)
    upto = sums[low] + (edges - low)[:, None, None] * values[low]
    return np.asarray(np.diff(upto, axis=0) * count / size)


def _blurred(values: Array) -> Array:
    """Weighted means of the windows that lie wholly inside: (H - 10, W - 10, 3)."""
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    kernel = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    kernel /= kernel.sum()
    height, width = values.shape[0] - 2 * _RADIUS, values.shape[1] - 2 * _RADIUS
    rows = np.sum([weight * values[i : i + height] for i, weight in enumerate(kernel)], axis=0)
    return np.asarray(np.sum([weight * rows[:, i : i + width] for i, weight in enumerate(kernel)], axis=0))
