# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pixel shows which mesh, how far away and facing where, from triangles alone. No bpy.

A depth buffer at the pixels' centres. Every pair of a triangle and a pixel centre inside its bounding rectangle is tried at once,
so that a few thousand triangles cost some milliseconds. Letters: T triangles, Q pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.frames import project
from ..core.scene import Camera
from .surfaces import Surfaces

Array = NDArray[np.float64]

_MOST_PAIRS = 4_000_000  # tried at a time, which bounds the memory


@dataclass(frozen=True)
class PosedMesh:
    """vertices: (V, 3) in the world. triangles: (T, 3) int32."""

    vertices: Array
    triangles: NDArray[np.int32]


def trace_meshes(camera: Camera, meshes: Sequence[PosedMesh], width_px: int, height_px: int) -> Surfaces:
    """What every pixel's centre shows. A triangle that reaches behind the camera is left out. Normals are flat and face it."""
    depth = np.full(height_px * width_px, np.inf)
    instances = np.zeros(height_px * width_px, dtype=np.int32)
    normals = np.zeros((height_px * width_px, 3))
    for number, mesh in enumerate(meshes, start=1):
        pixels = project(camera, mesh.vertices, width_px, height_px)
        corners = pixels[mesh.triangles]  # (T, 3, 3) of u, v, depth
        in_front = np.isfinite(corners).all(axis=(1, 2))
        corners, places = corners[in_front], mesh.vertices[mesh.triangles[in_front]]
        facing = np.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0])
        towards = np.asarray(camera.location) - places[:, 0]
        facing *= np.sign((facing * towards).sum(axis=1, keepdims=True))
        facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-30)
        for first, last in _portions(corners, width_px, height_px):
            at, found, triangle = _covered(corners[first:last], width_px, height_px)
            order = np.lexsort((found, at))
            at, found, triangle = at[order], found[order], triangle[order]
            nearest = np.flatnonzero(np.diff(at, prepend=-1))
            at, found, triangle = at[nearest], found[nearest], triangle[nearest] + first
            closer = found < depth[at]
            at, found, triangle = at[closer], found[closer], triangle[closer]
            depth[at], instances[at], normals[at] = found, number, facing[triangle]
    shape = (height_px, width_px)
    return Surfaces(instances.reshape(shape), depth.reshape(shape), normals.reshape(*shape, 3))


def _bounds(corners: Array, width_px: int, height_px: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First pixel (T, 2) and number of pixels (T, 2) along u and v whose centres may lie in each triangle."""
    size = np.array([width_px, height_px])
    first = np.clip(np.ceil(corners[:, :, :2].min(axis=1) - 0.5), 0, size).astype(np.intp)
    stop = np.clip(np.floor(corners[:, :, :2].max(axis=1) - 0.5) + 1, 0, size).astype(np.intp)
    return first, np.maximum(stop - first, 0)


def _portions(corners: Array, width_px: int, height_px: int) -> list[tuple[int, int]]:
    """Ranges of triangles with a bounded number of pairs."""
    counts = np.cumsum(_bounds(corners, width_px, height_px)[1].prod(axis=1))
    cuts = [0]
    while cuts[-1] < len(counts):
        done = counts[cuts[-1] - 1] if cuts[-1] else 0
        cuts.append(max(int(np.searchsorted(counts, done + _MOST_PAIRS, side="right")), cuts[-1] + 1))
    return list(zip(cuts, cuts[1:], strict=False))


def _covered(corners: Array, width_px: int, height_px: int) -> tuple[NDArray[np.intp], Array, NDArray[np.intp]]:
    """(Q,) flat pixel numbers whose centres triangles cover, the depth there, and which triangle it is."""
    first, size = _bounds(corners, width_px, height_px)
    counts = size.prod(axis=1)
    triangle = np.repeat(np.arange(len(corners)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    column = first[triangle, 0] + within % np.maximum(size[triangle, 0], 1)
    row = first[triangle, 1] + within // np.maximum(size[triangle, 0], 1)
    point = np.stack([column + 0.5, row + 0.5], axis=1)
    a, b, c = np.moveaxis(corners[:, :, :2], 1, 0)
    area = _cross(b - a, c - a)
    usable = area != 0.0
    per_area = np.divide(1.0, area, out=np.zeros_like(area), where=usable)
    weight_b = _cross(point - a[triangle], (c - a)[triangle]) * per_area[triangle]
    weight_c = _cross((b - a)[triangle], point - a[triangle]) * per_area[triangle]
    weight_a = 1.0 - weight_b - weight_c
    inside = usable[triangle] & (np.minimum(np.minimum(weight_a, weight_b), weight_c) >= -1e-9)
    triangle, column, row = triangle[inside], column[inside], row[inside]
    weights = np.stack([weight_a, weight_b, weight_c], axis=1)[inside]
    # One over the depth is linear in the picture.
    depth = 1.0 / (weights / corners[triangle, :, 2]).sum(axis=1)
    return row * width_px + column, depth, triangle


def _cross(first: Array, second: Array) -> Array:
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
