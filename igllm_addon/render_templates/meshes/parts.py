# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipped meshes are put together from: boxes, turned, extruded and bent parts with texture coordinates. No bpy.

A part lies in the object's own axes (z up, front +y) and wears one tile of its object's texture, or several, one for each kind of
face. Letters: V vertices, F faces, N corners of a face.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.rotations import matrix_from_euler_extrinsic_xyz

Array = NDArray[np.float64]
Face = tuple[int, ...]
Point2 = tuple[float, float]

TILE_COLUMNS, TILE_ROWS = 4, 2
_TILE_MARGIN = 0.04  # of a tile, so that a renderer's filter does not reach its neighbour
_CREASE_COSINE = math.cos(math.radians(42.0))  # faces that meet more sharply do not share a normal


@dataclass(frozen=True, eq=False)
class Part:
    """vertices: (V, 3). faces: counter-clockwise from outside, F tuples of N vertex numbers. uvs: for each face (N, 2) in its
    tile, 0 … 1. tiles: for each face which tile of the texture it wears. smooth: whether gentle folds are shaded as curves."""

    vertices: Array
    faces: tuple[Face, ...]
    uvs: tuple[Array, ...]
    tiles: tuple[int, ...]
    smooth: bool = True

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Part:
        """The part elsewhere."""
        return replace(self, vertices=self.vertices + np.array([x, y, z]))

    def turned(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Part:
        """The part turned about the fixed x, y, z axes through the origin, in degrees."""
        matrix = matrix_from_euler_extrinsic_xyz(np.radians([x, y, z]))
        return replace(self, vertices=self.vertices @ matrix.T)

    def scaled(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Part:
        """The part stretched; a mirror image where an odd number of factors is negative."""
        faces, uvs = self.faces, self.uvs
        if x * y * z < 0.0:
            faces, uvs = tuple(face[::-1] for face in faces), tuple(uv[::-1] for uv in uvs)
        return replace(self, vertices=self.vertices * np.array([x, y, z]), faces=faces, uvs=uvs)

    def corner_normals(self) -> list[Array]:
        """For each face (N, 3) unit normals of its corners."""
        flat = [_face_normal(self.vertices[list(face)]) for face in self.faces]
        if not self.smooth:
            return [np.tile(_unit(normal), (len(face), 1)) for normal, face in zip(flat, self.faces, strict=True)]
        around: dict[int, list[int]] = {}
        for number, face in enumerate(self.faces):
            for vertex in face:
                around.setdefault(vertex, []).append(number)
        units = [_unit(normal) for normal in flat]
        return [
            np.stack([_shared_normal(number, around[vertex], flat, units) for vertex in face])
            for number, face in enumerate(self.faces)
        ]

    def atlas_uvs(self) -> list[Array]:
        """For each face (N, 2) in the whole texture, v upward."""
        cells = []
        for uv, tile in zip(self.uvs, self.tiles, strict=True):
            column, row = tile % TILE_COLUMNS, tile // TILE_COLUMNS
            inside = _TILE_MARGIN + (1.0 - 2.0 * _TILE_MARGIN) * np.clip(uv, 0.0, 1.0)
            corner = np.array([column, TILE_ROWS - 1 - row])
            cells.append((corner + inside) / np.array([TILE_COLUMNS, TILE_ROWS]))
        return cells


def box(size: Sequence[float], tile: int = 0, bevel: float = 0.0, top: float = 1.0, sides: dict[str, int] | None = None) -> Part:
    """A box around the origin. bevel: width of the chamfer. top: how much narrower the upper end is. sides: tiles of single
    sides, named "+x" … "-z"."""
    half = np.asarray(size, dtype=np.float64) / 2.0
    cut = min(bevel, 0.45 * float(min(size)))
    corners = {
        (sign, axis): np.array(sign) * np.where(np.arange(3) == axis, half, half - cut)
        for sign in [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
        for axis in range(3)
    }
    names = list(corners)
    vertices = np.stack([corners[name] for name in names])
    vertices[:, :2] *= np.where(vertices[:, 2:] > 0.0, top, 1.0)
    number = {name: index for index, name in enumerate(names)}
    faces: list[Face] = []
    for axis in range(3):
        for side in (-1, 1):
            faces.append(tuple(number[name] for name in names if name[1] == axis and name[0][axis] == side))
    signs = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    for axis in range(3) if cut else ():
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for a in (-1, 1):
            for b in (-1, 1):
                ends = [sign for sign in signs if sign[first] == a and sign[second] == b]
                faces.append(tuple(number[(sign, side)] for sign in ends for side in (first, second)))
    faces += [tuple(number[(sign, axis)] for axis in range(3)) for sign in signs] if cut else []
    part = _convex(vertices, faces, tile)
    if sides:
        part = replace(part, tiles=tuple(_side_tile(part, face, tile, sides) for face in part.faces))
    return part


def turned(profile: Iterable[Point2], tile: int = 0, around: int = 20, tiles: Sequence[int] | None = None) -> Part:
    """A profile of (radius, height), from below to above along the outside, turned about z. tiles: one for each of its bands;
    bands that follow each other and wear the same tile share its height."""
    points = np.array(list(profile), dtype=np.float64)
    angles = 2.0 * math.pi * np.arange(around) / around
    rings = [np.stack([r * np.cos(angles), r * np.sin(angles), np.full(around, z)], axis=1) for r, z in points]
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    bands = list(tiles) if tiles else [tile] * (len(points) - 1)
    faces, uvs, worn = [], [], []
    for band in range(len(points) - 1):
        below, above = _heights_in_run(bands, lengths, band)
        for step in range(around):
            after = (step + 1) % around
            low, high = band * around, (band + 1) * around
            quad = [(low + step, step, 0), (low + after, step + 1, 0), (high + after, step + 1, 1), (high + step, step, 1)]
            kept = [corner for corner in quad if points[band + corner[2], 0] > 0.0 or corner[0] in (low + step, high + step)]
            faces.append(tuple(corner[0] for corner in kept))
            uvs.append(np.array([[corner[1] / around, (below, above)[corner[2]]] for corner in kept]))
            worn.append(bands[band])
    for end, order in ((0, -1), (len(points) - 1, 1)):
        if points[end, 0] > 0.0:
            faces.append(tuple(end * around + step for step in range(around))[::order])
            circle = 0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            uvs.append(circle[::order])
            worn.append(bands[min(end, len(bands) - 1)])
    return Part(np.concatenate(rings), tuple(faces), tuple(uvs), tuple(worn))


def extruded(outline: Iterable[Point2], thickness: float, tile: int = 0, caps: tuple[int, int] | None = None) -> Part:
    """An outline in x, y, counter-clockwise, from z = -thickness/2 to thickness/2. caps: tiles of the lower and the upper end."""
    points = np.array(list(outline), dtype=np.float64)
    count = len(points)
    vertices = np.concatenate([np.column_stack([points, np.full(count, z)]) for z in (-thickness / 2.0, thickness / 2.0)])
    flat = (points - points.min(axis=0)) / np.maximum(np.ptp(points, axis=0), 1e-9)
    lower, upper = caps or (tile, tile)
    faces: list[Face] = [tuple(range(count))[::-1], tuple(range(count, 2 * count))]
    uvs, tiles = [flat[::-1], flat], [lower, upper]
    for step in range(count):
        after = (step + 1) % count
        faces.append((step, after, count + after, count + step))
        uvs.append(np.array([[step / count, 0.0], [(step + 1) / count, 0.0], [(step + 1) / count, 1.0], [step / count, 1.0]]))
        tiles.append(tile)
    return Part(vertices, tuple(faces), tuple(uvs), tuple(tiles))


def bent(path: ArrayLike, radius: float | Sequence[float], tile: int = 0, around: int = 10) -> Part:
    """A round bar along a path of points (P, 3); radius: one for all, or one for each point."""
    points = np.asarray(path, dtype=np.float64)
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), len(points))
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along[0], np.eye(3)[int(np.argmin(np.abs(along[0])))])
    angles = 2.0 * math.pi * np.arange(around) / around
    rings = []
    for point, way, size in zip(points, along, radii, strict=True):
        across = _unit(across - way * (across @ way))
        other = np.cross(way, across)
        rings.append(point + size * (np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * other))
    faces: list[Face] = []
    uvs: list[Array] = []
    last = len(points) - 1
    for band in range(last):
        for step in range(around):
            after, low, high = (step + 1) % around, band * around, (band + 1) * around
            faces.append((low + step, low + after, high + after, high + step))
            corners = [(step, band), (step + 1, band), (step + 1, band + 1), (step, band + 1)]
            uvs.append(np.array([[corner[0] / around, corner[1] / last] for corner in corners]))
    for end, order in ((0, -1), (last, 1)):
        faces.append(tuple(end * around + step for step in range(around))[::order])
        uvs.append((0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1))[::order])
    return Part(np.concatenate(rings), tuple(faces), tuple(uvs), (tile,) * len(faces))


def mirrored(parts: Iterable[Part]) -> list[Part]:
    """The parts and their mirror images on the other side of the plane x = 0."""
    kept = list(parts)
    return kept + [part.scaled(x=-1.0) for part in kept]


def _heights_in_run(tiles: Sequence[int], lengths: Array, band: int) -> tuple[float, float]:
    """Where a band begins and ends, 0 … 1, along the neighbouring bands that wear its tile."""
    first = last = band
    while first > 0 and tiles[first - 1] == tiles[band]:
        first -= 1
    while last + 1 < len(tiles) and tiles[last + 1] == tiles[band]:
        last += 1
    whole = max(lengths[last + 1] - lengths[first], 1e-9)
    return float((lengths[band] - lengths[first]) / whole), float((lengths[band + 1] - lengths[first]) / whole)


def _convex(vertices: Array, faces: list[Face], tile: int) -> Part:
    """Faces of a convex part, given as vertices in any order, put in order and mapped by the axis that they face."""
    low, size = vertices.min(axis=0), np.maximum(np.ptp(vertices, axis=0), 1e-9)
    ordered, uvs = [], []
    for face in faces:
        points = vertices[list(face)]
        middle = points.mean(axis=0)
        normal = np.linalg.svd(points - middle)[2][2]
        normal *= 1.0 if normal @ (middle - vertices.mean(axis=0)) > 0.0 else -1.0
        first = _unit(points[0] - middle)
        angles = np.arctan2((points - middle) @ np.cross(normal, first), (points - middle) @ first)
        order = tuple(face[index] for index in np.argsort(angles))
        ordered.append(order)
        axis = int(np.argmax(np.abs(normal)))
        across, up = {0: (1, 2), 1: (0, 2), 2: (0, 1)}[axis]
        shown = (vertices[list(order)] - low) / size
        uvs.append(shown[:, [across, up]])
    return Part(vertices, tuple(ordered), tuple(uvs), (tile,) * len(ordered), smooth=False)


def _side_tile(part: Part, face: Face, tile: int, sides: dict[str, int]) -> int:
    normal = _unit(_face_normal(part.vertices[list(face)]))
    axis = int(np.argmax(np.abs(normal)))
    name = f"{'+' if normal[axis] > 0.0 else '-'}{'xyz'[axis]}"
    return sides.get(name, tile) if abs(normal[axis]) > 0.8 else tile


def _face_normal(points: Array) -> Array:
    """Newell's normal of a polygon (N, 3); its length is twice the area."""
    return np.asarray(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0))


def _shared_normal(number: int, neighbours: list[int], flat: list[Array], units: list[Array]) -> Array:
    gentle = [flat[other] for other in neighbours if float(units[other] @ units[number]) > _CREASE_COSINE]
    return _unit(np.sum(gentle, axis=0)) if gentle else units[number]


def _unit(vector: Array) -> Array:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))
