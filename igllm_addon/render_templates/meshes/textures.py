# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures of the shipped meshes: eight tiles in one picture, each a simple pattern. No bpy.

Letters: S pixels along a tile's edge. Row 0 of a tile is its upper end. Colours are sRGB, 0 … 255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .parts import TILE_COLUMNS, TILE_ROWS

TILE_PX = 64
Rgb = tuple[int, int, int]
Image = NDArray[np.uint8]
Pattern = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]  # u, v (S, S) -> (S, S, 3)


def texture(patterns: Sequence[Pattern]) -> Image:
    """(rows · S, columns · S, 3) uint8 of up to eight patterns, one a tile; tiles without a pattern are grey."""
    v, u = np.meshgrid((np.arange(TILE_PX) + 0.5)[::-1] / TILE_PX, (np.arange(TILE_PX) + 0.5) / TILE_PX, indexing="ij")
    picture = np.full((TILE_ROWS * TILE_PX, TILE_COLUMNS * TILE_PX, 3), 128, dtype=np.uint8)
    for number, pattern in enumerate(patterns):
        row, column = number // TILE_COLUMNS * TILE_PX, number % TILE_COLUMNS * TILE_PX
        tile = np.clip(np.rint(pattern(u, v)), 0, 255).astype(np.uint8)
        picture[row : row + TILE_PX, column : column + TILE_PX] = tile
    return picture


def plain(color: Rgb) -> Pattern:
    """One colour."""
    return lambda u, v: _chosen(np.zeros_like(u), color, color)


def stripes(first: Rgb, second: Rgb, count: int, upright: bool = True) -> Pattern:
    """`count` stripes of each colour, standing or lying."""
    return lambda u, v: _chosen(np.floor((u if upright else v) * 2 * count) % 2, first, second)


def checks(first: Rgb, second: Rgb, count: int) -> Pattern:
    """A chessboard with `count` fields of each colour along an edge."""
    return lambda u, v: _chosen((np.floor(u * 2 * count) + np.floor(v * 2 * count)) % 2, first, second)


def dots(ground: Rgb, dot: Rgb, count: int, radius: float = 0.3) -> Pattern:
    """`count` by `count` round dots."""
    return lambda u, v: _chosen(np.hypot(u * count % 1.0 - 0.5, v * count % 1.0 - 0.5) < radius, ground, dot)


def band(ground: Rgb, color: Rgb, low: float, high: float, upright: bool = False) -> Pattern:
    """One band of another colour, from `low` to `high` of the tile."""
    return lambda u, v: _chosen(((u if upright else v) > low) & ((u if upright else v) < high), ground, color)


def halves(left: Rgb, right: Rgb) -> Pattern:
    """Two colours side by side."""
    return lambda u, v: _chosen(u > 0.5, left, right)


def badge(ground: Rgb, color: Rgb, u_middle: float, v_middle: float, radius: float, narrow: float = 1.0) -> Pattern:
    """One large spot of this radius along v, `narrow` times slimmer along u; around a turned part it stands on one side."""
    return lambda u, v: _chosen(np.hypot((u - u_middle) * narrow, v - v_middle) < radius, ground, color)


def wood(color: Rgb, grain: float = 0.16) -> Pattern:
    """Long fibres along u, darker and lighter by `grain`."""

    def pattern(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        bent = v + 0.03 * np.sin(5.0 * u) + 0.015 * np.sin(13.0 * u + 2.0)
        fibre = 0.6 * np.sin(55.0 * bent) + 0.4 * np.sin(23.0 * bent + 1.3)
        # Few shades keep the file small.
        shade = 1.0 + grain * np.round(2.0 * fibre) / 2.0
        return np.asarray(np.asarray(color) * shade[..., None])

    return pattern


def _chosen(second: NDArray[np.generic], first_color: Rgb, second_color: Rgb) -> NDArray[np.float64]:
    picked = np.asarray(second, dtype=bool)[..., None]
    return np.where(picked, np.asarray(second_color, dtype=np.float64), np.asarray(first_color, dtype=np.float64))
