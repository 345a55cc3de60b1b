# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pixel shows which object, from geometry alone. No bpy.

Sphere tracing (Hart 1996, "Sphere tracing: a geometric method for the antialiased ray tracing of implicit surfaces") of each
object's signed distance inside the object's own bounding rectangle: exact at pixel centres, the same on every machine and
Blender version, and some milliseconds for a scene, so that sampling needs no renderer.

Sampled scenes depend on every pixel of this: a change of its arithmetic changes data sets. Letters: N rays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.frames import project
from ..core.rotations import matrix_from_quaternion_wxyz
from ..core.scene import Camera

_STEPS = 48
_HIT = 1e-3  # of the object's half extent

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Solid:
    """An object for visibility: p is inside where signed_distance(matrixᵀ (p - location) / scale) < 0.

    matrix: (3, 3) rotation, world from object. scale: half extent; the shape at scale 1 lies inside `radius`, at most √3.
    """

    signed_distance: Callable[[Array], Array]
    location: tuple[float, float, float]
    matrix: Array
    scale: float
    radius: float = math.sqrt(3.0)


@dataclass(frozen=True)
class _Bundle:
    """The rays that may meet one solid, in the solid's own frame at scale 1.

    rows, columns: the part of the picture that can show it. pixels: (N,) which of that part's pixels, row by row.
    origin: (3, 1). ways: (3, N), unit directions. start, end: (N,) where to look for the surface along them.
    """

    rows: slice
    columns: slice
    pixels: NDArray[np.intp]
    origin: Array
    ways: Array
    start: Array
    end: Array


def instance_map(camera: Camera, solids: Sequence[Solid], width_px: int, height_px: int) -> NDArray[np.int32]:
    """(height, width) int32: 0 for no object, i + 1 where solids[i] is the nearest surface at the pixel's centre."""
    return nearest_solids(camera, solids, width_px, height_px)[0]


def nearest_solids(
    camera: Camera, solids: Sequence[Solid], width_px: int, height_px: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The instance map, and (height, width) how far along the ray the object is, infinite where none is."""
    nearest = np.full((height_px, width_px), np.inf)
    instances = np.zeros((height_px, width_px), dtype=np.int32)
    bundles = [_bundle_or_none(camera, solid, width_px, height_px) for solid in solids]
    reaches: dict[int, Array] = {}
    # A march costs by its steps more than by its rays, so solids of one shape go together.
    for signed_distance in dict.fromkeys(solid.signed_distance for solid in solids):
        alike = [index for index, solid in enumerate(solids) if solid.signed_distance is signed_distance]
        seen = {index: bundle for index in alike if (bundle := bundles[index]) is not None}
        reaches |= zip(seen, _march(signed_distance, seen.values()), strict=True)
    for index, bundle in enumerate(bundles):
        if bundle is None:
            continue
        window = nearest[bundle.rows, bundle.columns]  # a view
        distance = np.full(window.size, np.inf)
        distance[bundle.pixels] = reaches[index] * solids[index].scale
        closer = distance.reshape(window.shape) < window
        window[closer] = distance.reshape(window.shape)[closer]
        instances[bundle.rows, bundle.columns][closer] = index + 1
    return instances, nearest


def _bundle_or_none(camera: Camera, solid: Solid, width_px: int, height_px: int) -> _Bundle | None:
    """The rays through the pixel centres that may show the solid; None where it is out of sight."""
    window = _window_or_none(camera, solid, width_px, height_px)
    if window is None:
        return None
    rows, columns = window
    focal_px = width_px * camera.focal_length_mm / camera.sensor_width_mm
    u, v = np.meshgrid(np.arange(columns.start, columns.stop) + 0.5, np.arange(rows.start, rows.stop) + 0.5)
    directions = np.stack(((u - width_px / 2) / focal_px, (height_px / 2 - v) / focal_px, -np.ones_like(u)), axis=-1)
    directions = (directions / np.linalg.norm(directions, axis=-1, keepdims=True)).reshape(-1, 3)
    ways = directions @ matrix_from_quaternion_wxyz(np.asarray(camera.quaternion_wxyz)).T @ solid.matrix
    origin = solid.matrix.T @ (np.asarray(camera.location) - np.asarray(solid.location)) / solid.scale
    # Look between where the ray enters and where it leaves the sphere of radius √3. A ray that stays away from the shape's own
    # bounding sphere is left out at once, since a step there is never short enough for a hit.
    middle = -(ways @ origin)
    gap = 3.0 - (origin @ origin - middle**2)
    pixels = np.flatnonzero((gap > 0.0) & (3.0 - gap < (solid.radius + 2.0 * _HIT) ** 2))
    reach = np.sqrt(gap[pixels])
    start, end = middle[pixels] - reach, middle[pixels] + reach
    return _Bundle(rows, columns, pixels, origin[:, None], np.ascontiguousarray(ways[pixels].T), start, end)


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


def _march(signed_distance: Callable[[Array], Array], bundles: Iterable[_Bundle]) -> list[Array]:
    """For each bundle how far along each of its rays the surface is, infinite where a ray misses, in half extents."""
    bundles = list(bundles)
    if not bundles:
        return []
    # Coordinates by row, so that every operation runs over contiguous numbers.
    origins = np.concatenate([np.repeat(bundle.origin, bundle.start.size, axis=1) for bundle in bundles], axis=1)
    ways = np.concatenate([bundle.ways for bundle in bundles], axis=1)
    travelled = np.concatenate([bundle.start for bundle in bundles])
    end = np.concatenate([bundle.end for bundle in bundles])
    active = np.arange(travelled.size)
    reached = np.full(travelled.size, np.inf)
    for _ in range(_STEPS):
        step = signed_distance((origins + travelled * ways).T)
        hit = step < _HIT
        reached[active[hit]] = travelled[hit]
        travelled = travelled + step
        going = ~hit & (travelled < end)
        if not going.all():
            active, travelled, end, ways, origins = active[going], travelled[going], end[going], ways[:, going], origins[:, going]
            if not active.size:
                break
    return np.split(reached, np.cumsum([bundle.start.size for bundle in bundles])[:-1])
