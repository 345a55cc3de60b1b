# SPDX-License-Identifier: GPL-3.0-or-later
"""Mugs of the shipped set. Each wears something that tells its front while its handle is hidden. No bpy."""

from __future__ import annotations

import math

import numpy as np

from .parts import Part, Point2, bent, turned
from .shipped_model import Model
from .textures import Pattern, badge, checks, halves, plain, stripes


def _bowl(outside: list[Point2], wall: float, inside_tile: int = 1, around: int = 28) -> Part:
    """A vessel: its outside from below to above wears tile 0, its inside another."""
    inside = [(max(radius - wall, 0.0), max(z, wall)) for radius, z in reversed(outside)]
    profile = [*outside, *inside, (0.0, wall)]
    tiles = [0] * (len(outside) - 1) + [2] + [inside_tile] * (len(profile) - len(outside) - 1)
    return turned(profile, tiles=tiles, around=around)


def _handle(x: float, low: float, high: float, reach: float, thickness: float, tile: int = 2) -> Part:
    """An ear at +x."""
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    path = [(x + reach * math.cos(a), 0.0, middle + half * math.sin(a)) for a in np.linspace(-0.5 * math.pi, 0.5 * math.pi, 11)]
    return bent(path, thickness, tile, 10)


def classic() -> Model:
    """Straight walls, one ear, a heart-red spot on the front."""
    parts = [_bowl([(0.38, 0.0), (0.42, 0.03), (0.42, 0.92), (0.41, 0.95)], 0.05), _handle(0.40, 0.2, 0.76, 0.26, 0.055)]
    return Model(
        "mug",
        "classic",
        parts,
        [badge((244, 244, 240), (214, 36, 50), 0.25, 0.52, 0.3, 2.6), plain((250, 250, 246)), plain((60, 90, 170))],
    )


def cappuccino() -> Model:
    """A wide low cup, half dark, half light."""
    parts = [
        _bowl([(0.24, 0.0), (0.26, 0.05), (0.44, 0.22), (0.52, 0.42), (0.54, 0.56)], 0.045),
        _handle(0.50, 0.2, 0.48, 0.2, 0.045),
    ]
    return Model("mug", "cappuccino", parts, [halves((220, 120, 40), (90, 46, 24)), plain((250, 236, 214)), plain((90, 46, 24))])


def stein() -> Model:
    """Tall, with rings, an angular ear and a shield."""
    rings = [(0.42, 0.0), (0.42, 0.10), (0.38, 0.12), (0.36, 0.98), (0.39, 1.0), (0.39, 1.1)]
    path = [(0.36, 0, 0.22), (0.62, 0, 0.22), (0.66, 0, 0.3), (0.66, 0, 0.78), (0.62, 0, 0.86), (0.36, 0, 0.86)]
    parts = [_bowl(rings, 0.05), bent(path, 0.05, 2, 8)]
    return Model(
        "mug",
        "stein",
        parts,
        [badge((150, 156, 164), (30, 90, 60), 0.25, 0.5, 0.3, 2.2), plain((210, 214, 220)), plain((110, 116, 126))],
    )


def enamel() -> Model:
    """A tin mug with a rim, striped on one half."""
    parts = [_bowl([(0.40, 0.0), (0.42, 0.02), (0.44, 0.7), (0.47, 0.72)], 0.03, 1), _handle(0.43, 0.16, 0.6, 0.2, 0.035, 3)]
    return Model(
        "mug",
        "enamel",
        parts,
        [_half_striped((40, 100, 180), (246, 246, 250)), plain((250, 250, 252)), plain((24, 40, 90)), plain((24, 40, 90))],
    )


def espresso() -> Model:
    """A small bell with a saucer grown to it."""
    bell = [(0.16, 0.06), (0.2, 0.1), (0.27, 0.3), (0.3, 0.52), (0.32, 0.56)]
    saucer = turned([(0.2, 0.0), (0.46, 0.06), (0.5, 0.09), (0.46, 0.09), (0.2, 0.05)], 3, 28)
    parts = [
        _bowl([(radius, z - 0.04) for radius, z in bell], 0.035).moved(z=0.04),
        saucer,
        _handle(0.27, 0.2, 0.46, 0.14, 0.032),
    ]
    return Model(
        "mug",
        "espresso",
        parts,
        [
            badge((30, 120, 96), (250, 210, 70), 0.25, 0.55, 0.3, 2.4),
            plain((240, 240, 232)),
            plain((250, 210, 70)),
            checks((240, 240, 232), (30, 120, 96), 3),
        ],
    )


def _half_striped(first: tuple[int, int, int], second: tuple[int, int, int]) -> Pattern:
    striped = stripes(first, second, 4, upright=False)
    return lambda u, v: np.where((u < 0.5)[..., None], striped(u, v), np.asarray(first, dtype=np.float64))


TABLEWARE = (classic, cappuccino, stein, enamel, espresso)
