# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the world and the picture, and between one world frame and another. Standard library and numpy only.

Letters: N points. A point (N, 3) is in world coordinates. u runs right and v down, in pixels from the picture's upper left
corner, so that the centre of the first pixel is (0.5, 0.5). Depth is the distance along the view axis, not along the ray.
The sensor's width spans the picture's width whatever its height (Blender's sensor_fit 'HORIZONTAL') and pixels are square.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .errors import SceneError
from .rotations import (
    FloatArray,
    matrix_from_quaternion_wxyz,
    multiply_quaternions_wxyz,
    quaternion_wxyz_from_matrix,
    quaternion_wxyz_from_yaw,
    wrap_yaw,
)
from .scene import Camera, Light, QuaternionWxyz, Scene, SceneObject, Vector3
from .vocabulary import Vocabulary

# Where CLEVR's camera stands before jitter, seen from above: location (7.4811, -6.5076, 5.3437) of its base scene.
CLEVR_AZIMUTH_RADIANS = math.atan2(-6.5076, 7.4811)

_Posed = TypeVar("_Posed", Camera, Light)

# A direction whose horizontal part is smaller than this, relative to its length, is taken as vertical.
_VERTICAL = 1e-9


def focal_length_px(camera: Camera, width_px: int) -> float:
    """The focal length in pixels, the same along u and v."""
    return width_px * camera.focal_length_mm / camera.sensor_width_mm


def project(camera: Camera, points_xyz: ArrayLike, width_px: int, height_px: int) -> FloatArray:
    """World points (N, 3) to (N, 3) of u, v, depth; u and v are nan where a point is not in front of the camera."""
    points = np.asarray(points_xyz, dtype=np.float64).reshape(-1, 3)
    matrix_world_from_camera = matrix_from_quaternion_wxyz(camera.quaternion_wxyz)
    local = (points - np.asarray(camera.location)) @ matrix_world_from_camera
    depth = -local[:, 2]
    per_depth = np.divide(focal_length_px(camera, width_px), depth, out=np.full_like(depth, np.nan), where=depth > 0.0)
    return np.stack([width_px / 2.0 + local[:, 0] * per_depth, height_px / 2.0 - local[:, 1] * per_depth, depth], axis=1)


def rays(camera: Camera, u: ArrayLike, v: ArrayLike, width_px: int, height_px: int) -> FloatArray:
    """Pixel coordinates (N,), (N,) to world directions (N, 3), each as long as one unit of depth takes.

    The point seen at (u, v) with depth d is camera.location + d * ray.
    """
    u_px, v_px = np.broadcast_arrays(np.atleast_1d(np.asarray(u, dtype=np.float64)), np.asarray(v, dtype=np.float64))
    focal = focal_length_px(camera, width_px)
    local = np.stack([(u_px - width_px / 2.0) / focal, (height_px / 2.0 - v_px) / focal, np.full_like(u_px, -1.0)], axis=1)
    return np.asarray(local @ matrix_from_quaternion_wxyz(camera.quaternion_wxyz).T)


def unproject_to_height(camera: Camera, u: ArrayLike, v: ArrayLike, z: ArrayLike, width_px: int, height_px: int) -> FloatArray:
    """Where the rays through (u, v) meet the height z: (N, 3), z one number or (N,); nan where a ray never meets it."""
    directions = rays(camera, u, v, width_px, height_px)
    height = np.broadcast_to(np.asarray(z, dtype=np.float64), directions.shape[:1])
    climb = directions[:, 2]
    depth = np.divide(height - camera.location[2], climb, out=np.full_like(climb, np.nan), where=climb != 0.0)
    depth[~(depth > 0.0)] = np.nan
    points: FloatArray = np.asarray(camera.location) + depth[:, None] * directions
    points[:, 2] = np.where(np.isnan(depth), np.nan, height)
    return points


def look_at_quaternion_wxyz(location: Vector3, target: Vector3) -> QuaternionWxyz:
    """A camera at `location` that looks at `target` with the world's z upward in its picture.

    The same rotation as Blender's (target - location).to_track_quat('-Z', 'Y'), also for a vertical view, where the picture's
    upward direction is the world's +y.
    """
    backward = np.asarray(location, dtype=np.float64) - np.asarray(target, dtype=np.float64)
    distance = float(np.linalg.norm(backward))
    if not (math.isfinite(distance) and distance > 0.0):
        raise SceneError(f"a camera needs a target away from itself, got the location {location} and the target {target}")
    backward /= distance
    right = np.array([-backward[1], backward[0], 0.0])  # the world's z across backward
    horizontal = float(np.linalg.norm(right))
    right = right / horizontal if horizontal > _VERTICAL else np.array([math.copysign(1.0, backward[2]), 0.0, 0.0])
    matrix = np.stack([right, np.cross(backward, right), backward], axis=1)
    return _quaternion_tuple(quaternion_wxyz_from_matrix(matrix))


def rotate_scene_about_z(scene: Scene, angle_radians: float, vocabulary: Vocabulary) -> Scene:
    """The scene turned about the world's z axis: objects, camera and lights together, so that its picture stays the same."""
    if vocabulary.location_length != 3:
        raise SceneError(f"a scene of the template {vocabulary.template!r} lies in the picture; it cannot be turned about z")
    return replace(
        scene,
        objects=tuple(_rotate_object(item, angle_radians, vocabulary) for item in scene.objects),
        camera=_rotate_pose(scene.camera, angle_radians) if scene.camera is not None else None,
        lights=tuple(_rotate_pose(light, angle_radians) for light in scene.lights),
    )


def azimuth_radians(camera: Camera) -> float:
    """Where the camera stands as seen from above, counter-clockwise from +x about the origin, in [-π, π]."""
    x, y, _ = camera.location
    if x == 0.0 and y == 0.0:
        raise SceneError("a camera straight above or below the origin has no azimuth")
    return math.atan2(y, x)


def azimuth_canonical(scene: Scene, azimuth: float, vocabulary: Vocabulary) -> Scene:
    """The scene turned about the world's z axis until its camera stands at `azimuth` radians (CLEVR_AZIMUTH_RADIANS).

    A picture does not tell the camera's azimuth; in this frame a scene is what the picture determines.
    """
    if scene.camera is None:
        raise SceneError("a scene without a camera has no azimuth to be turned to")
    return rotate_scene_about_z(scene, azimuth - azimuth_radians(scene.camera), vocabulary)


def _rotate_point(point: Vector3, angle_radians: float) -> Vector3:
    x, y, z = point
    cosine, sine = math.cos(angle_radians), math.sin(angle_radians)
    return (x * cosine - y * sine, x * sine + y * cosine, z)


def _rotate_pose(posed: _Posed, angle_radians: float) -> _Posed:
    turned = multiply_quaternions_wxyz(quaternion_wxyz_from_yaw(angle_radians), posed.quaternion_wxyz)
    return replace(posed, location=_rotate_point(posed.location, angle_radians), quaternion_wxyz=_quaternion_tuple(turned))


def _rotate_object(item: SceneObject, angle_radians: float, vocabulary: Vocabulary) -> SceneObject:
    location = _rotate_point(item.location, angle_radians) if item.location is not None else None
    if item.rotation is None:
        return replace(item, location=location)
    if len(item.rotation) != 1:
        raise SceneError(f"turning a scene whose objects have {len(item.rotation)} rotation numbers is not supported yet")
    order = vocabulary.yaw_symmetry_orders.get(item.shape, 1) if item.shape is not None else 1
    return replace(item, location=location, rotation=(wrap_yaw(item.rotation[0] + angle_radians, order),))


def _quaternion_tuple(quaternion_wxyz: FloatArray) -> QuaternionWxyz:
    w, x, y, z = quaternion_wxyz.tolist()
    return (w, x, y, z)
