# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pixel shows which object, from geometry alone. No bpy.

Sphere tracing (Hart 1996, "Sphere tracing: a geometric method for the antialiased ray tracing of implicit surfaces") of each
object's signed distance inside the object's own bounding rectangle: exact at pixel centres, the same on every machine and
Blender version, and some milliseconds for a scene, so that sampling needs no renderer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.frames import project
from ..core.rotations import matrix_from_quaternion_wxyz
from ..core.scene import Camera

_STEPS = 48
_HIT = 1e-3  # of the object's half extent


@dataclass(frozen=True)
class Solid:
    """An object for visibility: p is inside where signed_distance(matrixᵀ (p - location) / scale) < 0.

    matrix: (3, 3) rotation, world from object. scale: half extent; the shape at scale 1 lies inside radius √3.
    """

    signed_distance: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    location: tuple[float, float, float]
    matrix: NDArray[np.float64]
    scale: float


def instance_map(camera: Camera, solids: Sequence[Solid], width_px: int, height_px: int) -> NDArray[np.int32]:
    """(height, width) int32: 0 for no object, i + 1 where solids[i] is the nearest surface at the pixel's centre."""
    return nearest_solids(camera, solids, width_px, height_px)[0]


def nearest_solids(
    camera: Camera, solids: Sequence[Solid], width_px: int, height_px: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The instance map, and (height, width) how far along the ray the object is, infinite where none is."""
    nearest = np.full((height_px, width_px), np.inf)
    instances = np.zeros((height_px, width_px), dtype=np.int32)
    world_from_camera = matrix_from_quaternion_wxyz(np.asarray(camera.quaternion_wxyz))
    focal_px = width_px * camera.focal_length_mm / camera.sensor_width_mm
    for index, solid in enumerate(solids):
        window = _window_or_none(camera, solid, width_px, height_px)
        if window is None:
            continue
        rows, columns = window
        u, v = np.meshgrid(np.arange(columns.start, columns.stop) + 0.5, np.arange(rows.start, rows.stop) + 0.5)
        directions = np.stack(((u - width_px / 2) / focal_px, (height_px / 2 - v) / focal_px, -np.ones_like(u)), axis=-1)
        directions = (directions / np.linalg.norm(directions, axis=-1, keepdims=True)).reshape(-1, 3) @ world_from_camera.T
        distance = _trace(solid, np.asarray(camera.location), directions).reshape(u.shape)
        closer = distance < nearest[rows, columns]
        nearest[rows, columns][closer] = distance[closer]
        instances[rows, columns][closer] = index + 1
    return instances, nearest


def _window_or_none(camera: Camera, solid: Solid, width_px: int, height_px: int) -> tuple[slice, slice] | None:
    """Rows and columns that can show the solid, from the corners of its bounding cube; None where it is out of sight."""
    corners = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    pixels = project(camera, np.asarray(solid.location) + solid.scale * corners @ solid.matrix.T, width_px, height_px)
    if (pixels[:, 2] <= 1e-6).any():
        return None
    low = np.floor(pixels[:, :2].min(axis=0)).astype(int)
    high = np.ceil(pixels[:, :2].max(axis=0)).astype(int)
    columns = slice(max(low[0], 0), min(high[0], width_px))
    rows = slice(max(low[1], 0), min(high[1], height_px))
    return (rows, columns) if columns.start < columns.stop and rows.start < rows.stop else None


def _trace(solid: Solid, origin: NDArray[np.float64], directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances (N,) along unit world `directions` (N, 3) to the surface, infinite where a ray misses."""
    local_origin = solid.matrix.T @ (origin - np.asarray(solid.location)) / solid.scale
    local_directions = directions @ solid.matrix
    result = np.full(len(directions), np.inf)
    # Start where the ray is nearest to the bounding sphere of radius √3, and give up behind it.
    middle = -(local_directions @ local_origin)
    gap = 3.0 - (local_origin @ local_origin - middle**2)
    active = np.flatnonzero(gap > 0.0)
    reach = np.sqrt(gap[active])
    travelled, end = middle[active] - reach, middle[active] + reach
    for _ in range(_STEPS):
        step = solid.signed_distance(local_origin + travelled[:, None] * local_directions[active])
        hit = step < _HIT
        result[active[hit]] = travelled[hit] * solid.scale
        going = ~hit & (travelled + step < end)
        active, travelled, end = active[going], (travelled + step)[going], end[going]
        if not active.size:
            break
    return result
