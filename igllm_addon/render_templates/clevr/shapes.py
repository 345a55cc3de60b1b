# SPDX-License-Identifier: GPL-3.0-or-later
"""CLEVR's three shapes at half extent 1: as triangle meshes for Blender and as signed distances for visibility. No bpy.

Both describe the same surface: every shape is a core (a box, a disc's prism, a point) grown by a radius, so the outward normal
at a surface point is the direction away from the nearest core point. Meshes carry that exact normal: flat faces stay flat and
rounded edges smooth at any tessellation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .constants import CUBE_EDGE_RADIUS, CYLINDER_RIM_RADIUS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ShapeMesh:
    """vertices: (V, 3) float64; normals: (V, 3) unit outward; faces: tuples of vertex indices, counter-clockwise from outside."""

    vertices: Array
    normals: Array
    faces: tuple[tuple[int, ...], ...]


def _rounded_cube_core(points: Array) -> Array:
    inner = 1.0 - CUBE_EDGE_RADIUS
    return np.clip(points, -inner, inner)


def _rounded_cylinder_core(points: Array) -> Array:
    inner = 1.0 - CYLINDER_RIM_RADIUS
    radius = np.maximum(np.hypot(points[..., 0], points[..., 1]), 1e-12)
    shrink = np.minimum(1.0, inner / radius)
    core = points.copy(order="K")
    core[..., 0] *= shrink
    core[..., 1] *= shrink
    np.clip(points[..., 2], -inner, inner, out=core[..., 2])
    return core


def _distance_rounded_cube(points: Array) -> Array:
    return np.asarray(np.linalg.norm(points - _rounded_cube_core(points), axis=-1) - CUBE_EDGE_RADIUS)


def _distance_rounded_cylinder(points: Array) -> Array:
    return np.asarray(np.linalg.norm(points - _rounded_cylinder_core(points), axis=-1) - CYLINDER_RIM_RADIUS)


def _distance_sphere(points: Array) -> Array:
    return np.asarray(np.linalg.norm(points, axis=-1) - 1.0)


# shape -> signed distance, exact outside, of points (..., 3) in the shape's own frame at half extent 1
SIGNED_DISTANCES: dict[str, Callable[[Array], Array]] = {
    "cube": _distance_rounded_cube,
    "sphere": _distance_sphere,
    "cylinder": _distance_rounded_cylinder,
}


# shape -> the radius of a ball around the origin that holds it at half extent 1
BOUNDING_RADII = {
    "cube": math.sqrt(3.0) * (1.0 - CUBE_EDGE_RADIUS) + CUBE_EDGE_RADIUS,
    "sphere": 1.0,
    "cylinder": math.sqrt(2.0) * (1.0 - CYLINDER_RIM_RADIUS) + CYLINDER_RIM_RADIUS,
}


def _grid_faces(rows: int, columns: int, offset: int) -> list[tuple[int, ...]]:
    """Quads of a (rows, columns) vertex grid, counter-clockwise when row × column points outward."""
    return [
        (
            offset + r * columns + c,
            offset + (r + 1) * columns + c,
            offset + (r + 1) * columns + c + 1,
            offset + r * columns + c + 1,
        )
        for r in range(rows - 1)
        for c in range(columns - 1)
    ]


def rounded_cube_mesh(segments: int = 6) -> ShapeMesh:
    """A cube of half extent 1 with edges of radius CUBE_EDGE_RADIUS; `segments` per quarter turn of an edge's half."""
    inner = 1.0 - CUBE_EDGE_RADIUS
    # Equal angles, not equal lengths, between the flat part and the middle of an edge.
    bend = inner + CUBE_EDGE_RADIUS * np.tan(np.linspace(0.0, np.pi / 4.0, segments + 1))
    ticks = np.concatenate((-bend[::-1], bend))
    first, second = (grid.ravel() for grid in np.meshgrid(ticks, ticks, indexing="ij"))
    vertices: list[Array] = []
    faces: list[tuple[int, ...]] = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            points = np.empty((first.size, 3))
            points[:, axis] = sign
            points[:, (axis + 1) % 3] = first * sign  # mirrored with the face, so that the winding stays outward
            points[:, (axis + 2) % 3] = second
            faces += _grid_faces(ticks.size, ticks.size, len(vertices) * first.size)
            vertices.append(points)
    cube = np.concatenate(vertices)
    core = _rounded_cube_core(cube)
    normals = (cube - core) / np.linalg.norm(cube - core, axis=1, keepdims=True)
    return _merge_equal_vertices(ShapeMesh(core + CUBE_EDGE_RADIUS * normals, normals, tuple(faces)))


def _revolve(profile_rz: Array, profile_normals: Array, around: int) -> ShapeMesh:
    """Turn a profile (P, 2) of (radius, z), bottom to top with poles at both ends, about z."""
    angles = np.arange(around + 1) * (2.0 * np.pi / around)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]

    def turned(rz: Array) -> Array:
        stacked = np.stack(
            (cos * rz[None, :, 0], sin * rz[None, :, 0], np.broadcast_to(rz[None, :, 1], (around + 1, len(rz)))), axis=-1
        )
        return np.asarray(stacked.reshape(-1, 3))

    faces = _grid_faces(around + 1, len(profile_rz), 0)
    return _merge_equal_vertices(ShapeMesh(turned(profile_rz), turned(profile_normals), tuple(faces)))


def rounded_cylinder_mesh(around: int = 96, segments: int = 6) -> ShapeMesh:
    """A cylinder of radius 1 and half height 1 with rims of radius CYLINDER_RIM_RADIUS."""
    inner = 1.0 - CYLINDER_RIM_RADIUS
    quarter = np.linspace(0.0, np.pi / 2.0, segments + 1)
    normals = np.concatenate(
        (
            [[0.0, -1.0]],
            np.stack((np.sin(quarter), -np.cos(quarter)), axis=1),
            np.stack((np.cos(quarter), np.sin(quarter)), axis=1),
            [[0.0, 1.0]],
        )
    )
    cores = np.concatenate(
        (
            [[0.0, -inner]],
            np.tile([[inner, -inner]], (segments + 1, 1)),
            np.tile([[inner, inner]], (segments + 1, 1)),
            [[0.0, inner]],
        )
    )
    return _revolve(cores + CYLINDER_RIM_RADIUS * normals, normals, around)


def sphere_mesh(around: int = 96, rows: int = 48) -> ShapeMesh:
    """A sphere of radius 1."""
    polar = np.linspace(-np.pi / 2.0, np.pi / 2.0, rows + 1)
    profile = np.stack((np.cos(polar), np.sin(polar)), axis=1)
    profile[[0, -1], 0] = 0.0
    return _revolve(profile, profile, around)


def _merge_equal_vertices(mesh: ShapeMesh) -> ShapeMesh:
    """Join vertices that coincide and drop the corners that faces lose by it (poles become triangles)."""
    _, first, inverse = np.unique(np.round(mesh.vertices, 9) + 0.0, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    faces = []
    for face in mesh.faces:
        corners = tuple(dict.fromkeys(int(inverse[index]) for index in face))
        if len(corners) >= 3:
            faces.append(corners)
    return ShapeMesh(mesh.vertices[first], mesh.normals[first], tuple(faces))


# Each takes some tens of milliseconds, so it is computed once.
MESHES: dict[str, Callable[[], ShapeMesh]] = {
    "cube": cache(rounded_cube_mesh),
    "sphere": cache(sphere_mesh),
    "cylinder": cache(rounded_cylinder_mesh),
}
