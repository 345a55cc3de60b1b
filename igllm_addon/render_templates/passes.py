# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance masks, depth and normals of a picture, from the scene's own geometry. No bpy.

The same for every engine, sample count and Blender version, at the very pixel centres that the label's boxes are counted on, and
without noise; tests/bpy/test_generate_passes.py holds them against Cycles' own passes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SceneError
from ..core.frames import rays
from ..core.scene import Camera, Scene
from .png import gray_png
from .surfaces import Surfaces
from .visibility import Solid, nearest_solids

if TYPE_CHECKING:
    from .template import Template

__all__ = ["Surfaces", "pass_parts", "trace_surfaces"]

Array = NDArray[np.float64]

# After a hit within visibility's tolerance: steps to the surface itself, and how near is near enough, in half extents.
_REFINING_STEPS = 32
_NEAR = 1e-7
_DIFFERENCE = 1e-4  # for the gradient


def pass_parts(template: Template, scene: Scene, names: tuple[str, ...], width_px: int, height_px: int) -> dict[str, bytes]:
    """File extension -> bytes of the passes asked for: instances.png (grey, 8 bits, 16 above 255 objects), depth.npy
    (float32) and normal.npy (float16)."""
    if not names:
        return {}
    if scene.camera is None:
        raise SceneError("a scene without a camera has no passes")
    surfaces = template.surfaces(scene, width_px, height_px)
    instances = surfaces.instances.astype(np.uint8) if len(scene.objects) < 256 else surfaces.instances.astype(np.uint16)
    parts = {
        "instances.png": gray_png(instances),
        "depth.npy": _npy(surfaces.depth.astype("<f4")),
        "normal.npy": _npy(surfaces.normals.astype("<f2")),
    }
    return {name: data for name, data in parts.items() if name.split(".")[0] in names}


def trace_surfaces(
    camera: Camera,
    solids: list[Solid],
    trace_backdrop: Callable[[Array, Array], tuple[Array, Array]],
    width_px: int,
    height_px: int,
) -> Surfaces:
    """Follow the ray through every pixel's centre to the first object, or to the backdrop."""
    instances, distance = nearest_solids(camera, solids, width_px, height_px)
    u, v = np.meshgrid(np.arange(width_px) + 0.5, np.arange(height_px) + 0.5)
    per_depth = rays(camera, u.ravel(), v.ravel(), width_px, height_px)  # as long as one unit of depth takes
    origin = np.asarray(camera.location)
    depth, normals = trace_backdrop(origin, per_depth)
    lengths = np.linalg.norm(per_depth, axis=1)
    for number, solid in enumerate(solids, start=1):
        pixels = np.flatnonzero(instances.ravel() == number)
        unit = per_depth[pixels] / lengths[pixels, None]
        reach, normals[pixels] = _meet(solid, origin, unit, distance.ravel()[pixels])
        depth[pixels] = reach / lengths[pixels]
    return Surfaces(instances, depth.reshape(height_px, width_px), normals.reshape(height_px, width_px, 3))


def _meet(solid: Solid, origin: Array, directions: Array, distance: Array) -> tuple[Array, Array]:
    """From distances (N,) that are within visibility's tolerance of the solid to the surface: exact distances and world normals.

    A ray that only grazes the surface keeps the place where it came near enough to count as a hit.
    """
    start = solid.matrix.T @ (origin - np.asarray(solid.location)) / solid.scale
    ways = directions @ solid.matrix
    reach = distance / solid.scale
    gap = solid.signed_distance(start + reach[:, None] * ways)
    for _ in range(_REFINING_STEPS):
        further = reach + gap
        nearer = solid.signed_distance(start + further[:, None] * ways)
        going = (np.abs(gap) > _NEAR) & (np.abs(nearer) < np.abs(gap))
        if not going.any():
            break
        reach, gap = np.where(going, further, reach), np.where(going, nearer, gap)
    return reach * solid.scale, _gradient(solid, start + reach[:, None] * ways) @ solid.matrix.T


def _gradient(solid: Solid, points: Array) -> Array:
    """The unit gradient of the signed distance at points (N, 3) in the solid's own frame."""
    steps = np.eye(3) * _DIFFERENCE
    gradient = np.stack([solid.signed_distance(points + step) - solid.signed_distance(points - step) for step in steps], axis=1)
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    return np.asarray(gradient / np.where(length > 0.0, length, 1.0))


def _npy(values: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()
