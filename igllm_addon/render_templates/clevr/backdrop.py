# SPDX-License-Identifier: GPL-3.0-or-later
"""The seamless sweep behind CLEVR's objects, as data: build.py makes its mesh of it and passes.py its depth and normals. No bpy.

Letters: N rays, S segments of the profile.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .constants import FRONT_XY, RIGHT_XY

Array = NDArray[np.float64]

# Flat from FRONT before the origin to FLAT behind it, then a quarter circle up; HALF_WIDTH to either side.
FRONT, FLAT, RADIUS, HALF_WIDTH = 16.0, 14.0, 23.0, 32.0
_STEPS = 24
AWAY_XY = (-FRONT_XY[0], -FRONT_XY[1])


def profile() -> list[tuple[float, float]]:
    """(distance behind the origin along CLEVR's line of sight, height) of the sweep's folds, front to back."""
    angles = [0.5 * math.pi * step / _STEPS for step in range(_STEPS + 1)]
    return [(-FRONT, 0.0)] + [(FLAT + RADIUS * math.sin(angle), RADIUS * (1.0 - math.cos(angle))) for angle in angles]


def trace(origin: Array, directions: Array) -> tuple[Array, Array]:
    """Where rays (N, 3) from `origin` (3,) meet the sweep: how many times a direction's length away (N,), infinite for a miss,
    and the surface's upward unit normal there (N, 3), zero for a miss.

    The place is the mesh's, the normal that of the smooth curve.
    """
    to_sweep = np.array([(*AWAY_XY, 0.0), (0.0, 0.0, 1.0), (*RIGHT_XY, 0.0)]).T
    start, ways = origin @ to_sweep, directions @ to_sweep  # along the profile, height, to the side
    folds = np.array(profile())
    low, edge = folds[:-1], np.diff(folds, axis=0)  # (S, 2)
    upward = np.stack((-edge[:, 1], edge[:, 0]), axis=1)
    approach = ways[:, :2] @ upward.T  # (N, S)
    height = ((low - start[:2]) * upward).sum(axis=1)  # (S,)
    reach = np.divide(height[None], approach, out=np.full_like(approach, np.inf), where=approach < 0.0)
    met = np.where(np.isfinite(reach), reach, 0.0)
    along = ((start[:2] + met[..., None] * ways[:, None, :2] - low) * edge).sum(axis=2) / (edge**2).sum(axis=1)
    sideways = start[2] + met * ways[:, 2:]
    valid = (reach > 0.0) & np.isfinite(reach) & (along >= 0.0) & (along <= 1.0) & (np.abs(sideways) <= HALF_WIDTH)
    times = np.where(valid, reach, np.inf).min(axis=1)
    return times, _normals(start, ways, times) @ to_sweep.T


def _normals(start: Array, ways: Array, times: Array) -> Array:
    """Unit normals in the sweep's own axes: up on the flat, towards the quarter circle's centre behind it, zero for a miss."""
    hit = np.isfinite(times)
    points = start + np.where(hit, times, 0.0)[:, None] * ways
    normals = np.zeros_like(points)
    normals[:, 0] = -np.maximum(points[:, 0] - FLAT, 0.0)
    normals[:, 1] = np.where(points[:, 0] > FLAT, RADIUS - points[:, 1], RADIUS)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[~hit] = 0.0
    return normals
