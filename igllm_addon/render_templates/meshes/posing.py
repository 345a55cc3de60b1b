# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes of a catalogue where a scene puts them. No bpy."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ...core.errors import SceneError
from ...core.frames import project
from ...core.rotations import euler_extrinsic_xyz_from_matrix, matrix_from_euler_extrinsic_xyz, matrix_from_quaternion_wxyz
from ...core.scene import Camera, SceneObject, Vector3
from ..zbuffer import PosedMesh
from .catalogue import Catalogue

Array = NDArray[np.float64]


def random_rotation(rng: np.random.Generator) -> Array:
    """(3, 3), even over all rotations: four normal numbers point evenly over the unit quaternions."""
    return matrix_from_quaternion_wxyz(rng.normal(size=4))


def posed_object(shape: str, matrix: Array, location: Vector3, texture: str | None = None) -> SceneObject:
    """The object that graphics code would describe so."""
    x, y, z = (float(value) for value in euler_extrinsic_xyz_from_matrix(matrix))
    return SceneObject(shape=shape, location=location, rotation=(x, y, z), texture=texture)


def matrix_of(item: SceneObject) -> Array:
    """(3, 3), world axes from the object's own."""
    if item.rotation is None or len(item.rotation) != 3:
        raise SceneError(f"a mesh needs three Euler angles for its rotation, got {item.rotation}")
    return matrix_from_euler_extrinsic_xyz(item.rotation)


def posed_mesh(catalogue: Catalogue, item: SceneObject) -> PosedMesh:
    """The object's triangles in the world."""
    if item.shape is None or item.location is None:
        raise SceneError(f"a mesh needs a shape and a location, got {item}")
    geometry = catalogue.geometry(item.shape)
    return PosedMesh(geometry.vertices @ matrix_of(item).T + np.asarray(item.location), geometry.triangles)


def left_to_right(objects: Iterable[SceneObject], camera: Camera) -> tuple[SceneObject, ...]:
    """Objects by the pixel column of their origins, the order in which IG-LLM writes programs."""
    items = list(objects)
    locations = np.array([item.location for item in items]).reshape(-1, 3)
    columns = project(camera, locations, 1000, 1000)[:, 0]
    return tuple(items[index] for index in np.argsort(columns, kind="stable"))


def sphere_is_in_view(camera: Camera, center: Vector3, radius: float, aspect: float) -> bool:
    """Whether a ball lies wholly inside the picture; aspect: its height over its width."""
    x, y, z = (np.asarray(center) - np.asarray(camera.location)) @ matrix_from_quaternion_wxyz(camera.quaternion_wxyz)
    depth = -float(z)
    half = camera.sensor_width_mm / camera.focal_length_mm / 2.0
    # How far the ball's centre is inside of the plane through the eye and each edge of the picture.
    across = depth * half - abs(float(x))
    upward = depth * half * aspect - abs(float(y))
    return across > radius * math.hypot(1.0, half) and upward > radius * math.hypot(1.0, half * aspect)
