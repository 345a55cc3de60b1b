# SPDX-License-Identifier: GPL-3.0-or-later
"""Which turns leave a mesh as it looks, found by turning points of its surface and comparing. No bpy.

Two sets of points are drawn from the same surface: how near the points of one lie to the other, and how often their colours
agree, is what "the same" looks like at this density. A turn that leaves both almost as they were cannot be seen.
Letters: P probes, S points that they are compared with.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...core.rotations import matrix_from_rotation_vector
from ...core.symmetries import Generator

Array = NDArray[np.float64]

_PROBES, _QUICK_PROBES = 600, 60
_ORDERS = (2, 3, 4, 5, 6, 8)
_ANY_TURN_RADIANS = (0.31, 0.83, 2.27)  # no multiples of a turn that a polygon of few corners has
_COLOR_DIFFERENCE = 0.12
_STRAY_SHARE = 0.02  # of the probes may lie further off, or wear another colour, than chance explains


def find_symmetry(points: Array, colors: Array) -> tuple[Generator, ...]:
    """Generators of the turns that cannot be seen. points: (N, 3) evenly on the surface, at least 3,000, of a mesh whose bounding
    box has the diagonal 1 and its centre in the origin; colors: (N, 3), 0 … 1."""
    judge = _Judge(points, colors)
    vertical = np.array([0.0, 0.0, 1.0])
    found: list[Generator] = []
    order = judge.order_about(vertical)
    if order != 1:
        found.append((0.0, 0.0, 1.0, order))
    for axis in _level_axes(order):
        level = judge.order_about(axis)
        if level != 1:
            found.append((*(float(round(value, 9)) for value in axis), level))  # type: ignore[arg-type]
            if order != 1:
                break  # every other level axis follows from these two
    return tuple(found)


class _Judge:
    def __init__(self, points: Array, colors: Array) -> None:
        rng = np.random.default_rng(0)
        order = rng.permutation(len(points))
        self._probes, self._probe_colors = points[order[:_PROBES]], colors[order[:_PROBES]]
        self._points, self._colors = points[order[_PROBES:]], colors[order[_PROBES:]]
        self._squares = (self._points**2).sum(axis=1)
        gaps, differences = self._compare(self._probes, self._probe_colors)
        self._far = 2.5 * float(np.quantile(gaps, 0.98))
        self._strays = float(np.mean(differences > _COLOR_DIFFERENCE))

    def order_about(self, axis: Array) -> int:
        """The largest order of the turns about an axis through the origin that cannot be seen: 0 any turn, 1 none."""
        if all(self._looks_same(axis, angle) for angle in _ANY_TURN_RADIANS):
            return 0
        return max((order for order in _ORDERS if self._looks_same(axis, 2.0 * math.pi / order)), default=1)

    def _looks_same(self, axis: Array, angle: float) -> bool:
        turn = matrix_from_rotation_vector(axis * angle)
        for count, slack in ((_QUICK_PROBES, 0.1), (_PROBES, _STRAY_SHARE)):
            gaps, differences = self._compare(self._probes[:count] @ turn.T, self._probe_colors[:count])
            away = float(np.mean(gaps > self._far))
            other = float(np.mean(differences > _COLOR_DIFFERENCE))
            if away > slack or other > 1.5 * self._strays + slack:
                return False
        return True

    def _compare(self, probes: Array, colors: Array) -> tuple[Array, Array]:
        """How far the nearest point is (P,), and how different its colour (P,)."""
        squared = (probes**2).sum(axis=1)[:, None] + self._squares - 2.0 * probes @ self._points.T
        nearest = squared.argmin(axis=1)
        gaps = np.sqrt(np.maximum(squared[np.arange(len(probes)), nearest], 0.0))
        return gaps, np.abs(colors - self._colors[nearest]).max(axis=1)


def _level_axes(order: int) -> list[Array]:
    """Where a second axis may lie: along the box's edges, and halfway between what a turn about the vertical does to them."""
    angles = [0.0, math.pi / 2.0, math.pi / 4.0]
    if order > 2:
        angles.append(math.pi / order)
    return [np.array([math.cos(angle), math.sin(angle), 0.0]).round(12) for angle in angles]
