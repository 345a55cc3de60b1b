# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations in the encodings that scenes and graphics code use; the convention stands in each name. Stdlib and numpy only.

matrix            (..., 3, 3), maps column vectors from the rotated body's frame into the world: world = matrix @ local
quaternion_wxyz   (..., 4), scalar first; need not be of unit length on the way in; unit and w >= 0 on the way out
rotation_6d       (..., 6), the first two ROWS of the matrix, flattened (IG-LLM's `6d`; others take columns)
rotation_vector   (..., 3), axis times angle in radians (IG-LLM's `aa`), length in [0, π] on the way out
euler_extrinsic_xyz  (..., 3), radians: about the fixed x, then the fixed y, then the fixed z axis, matrix = Rz @ Ry @ Rx.
                  SciPy's "xyz", Blender's Euler order "XYZ" and IG-LLM's `euler`
euler_intrinsic_xyz  (..., 3), radians: about the body's x, then its new y, then its new z axis, matrix = Rx @ Ry @ Rz.
                  SciPy's "XYZ", Blender's Euler order "ZYX" and IG-LLM's `euler_int`
yaw               one float, radians about +z

Leading axes are a batch. Every function returns float64 and raises SceneError for input that stands for no rotation.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import SceneError

FloatArray = NDArray[np.float64]

# A direction shorter than this, relative to its vector's length, is rounding noise rather than a direction.
_DEGENERATE = 1e-9


def _array(values: ArrayLike, last_axes: tuple[int, ...], what: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape[-len(last_axes) :] != last_axes:
        raise SceneError(f"{what} must have the shape (..., {', '.join(map(str, last_axes))}), got {array.shape}")
    if not np.isfinite(array).all():
        raise SceneError(f"{what} must hold finite numbers only")
    return array


def _unit(vectors: FloatArray, what: str) -> FloatArray:
    """Vectors (..., N) scaled to length 1, also where squaring their components would overflow or underflow."""
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    if (largest == 0.0).any():
        raise SceneError(f"{what} must not be zero: it stands for no rotation")
    scaled = vectors / largest
    return np.asarray(scaled / np.linalg.norm(scaled, axis=-1, keepdims=True))


def _without_negative_zero(array: FloatArray) -> FloatArray:
    return array + 0.0


def _matrix_about_axis(axis: int, angle_radians: FloatArray) -> FloatArray:
    """(...) angles to (..., 3, 3) right-handed rotations about x (0), y (1) or z (2)."""
    matrix = np.zeros((*angle_radians.shape, 3, 3))
    after, last = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1.0
    matrix[..., after, after] = matrix[..., last, last] = np.cos(angle_radians)
    matrix[..., last, after] = np.sin(angle_radians)
    matrix[..., after, last] = -matrix[..., last, after]
    return matrix


def matrix_from_quaternion_wxyz(quaternion_wxyz: ArrayLike) -> FloatArray:
    """(..., 4) to (..., 3, 3)."""
    quaternion = _unit(_array(quaternion_wxyz, (4,), "a quaternion"), "a quaternion")
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    rows = (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)),
        (2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)),
        (2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_wxyz_from_matrix(matrix: ArrayLike) -> FloatArray:
    """(..., 3, 3) to (..., 4).

    Each row of 4 q qᵀ is the quaternion times one of its own components; the row with the largest component is free of
    cancellation for every rotation, half turns and tiny ones included.
    """
    m = _array(matrix, (3, 3), "a rotation matrix")
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    outer = (
        (1.0 + xx + yy + zz, wx, wy, wz),
        (wx, 1.0 + xx - yy - zz, xy, xz),
        (wy, xy, 1.0 - xx + yy - zz, yz),
        (wz, xz, yz, 1.0 - xx - yy + zz),
    )
    rows = np.stack([np.stack(row, axis=-1) for row in outer], axis=-2)  # (..., 4, 4)
    largest = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), axis=-1)[..., None, None]
    chosen = np.take_along_axis(rows, largest, axis=-2)[..., 0, :]
    return canonical_quaternion_wxyz(chosen)


def canonical_quaternion_wxyz(quaternion_wxyz: ArrayLike) -> FloatArray:
    """(..., 4) to unit length with w >= 0; at w = 0 the first component that is not zero is positive."""
    quaternion = _unit(_array(quaternion_wxyz, (4,), "a quaternion"), "a quaternion")
    first = np.argmax(quaternion != 0.0, axis=-1)[..., None]
    sign = np.where(np.take_along_axis(quaternion, first, axis=-1) < 0.0, -1.0, 1.0)
    return _without_negative_zero(quaternion * sign)


def multiply_quaternions_wxyz(left: ArrayLike, right: ArrayLike) -> FloatArray:
    """The rotation `right` followed by `left`, (..., 4); neither is normalised, so that unit factors stay exact."""
    a, b, c, d = np.moveaxis(_array(left, (4,), "a quaternion"), -1, 0)
    w, x, y, z = np.moveaxis(_array(right, (4,), "a quaternion"), -1, 0)
    product = (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    )
    return _without_negative_zero(np.stack(product, axis=-1))


def rotation_6d_from_matrix(matrix: ArrayLike) -> FloatArray:
    """(..., 3, 3) to (..., 6): the first two rows, flattened."""
    rows = _array(matrix, (3, 3), "a rotation matrix")[..., :2, :]
    return rows.reshape((*rows.shape[:-2], 6)).copy()


def matrix_from_rotation_6d(rotation_6d: ArrayLike) -> FloatArray:
    """(..., 6) to (..., 3, 3); rows that are not orthonormal, as a model writes them, are made so (Gram–Schmidt)."""
    six = _array(rotation_6d, (6,), "a 6D rotation")
    first = _unit(six[..., :3], "the first row of a 6D rotation")
    second = _unit(six[..., 3:], "the second row of a 6D rotation")
    across = second - first * np.sum(first * second, axis=-1, keepdims=True)
    if (np.linalg.norm(across, axis=-1) < _DEGENERATE).any():
        raise SceneError("the two rows of a 6D rotation must not be parallel: they stand for no rotation")
    across = _unit(across, "the second row of a 6D rotation")
    return np.stack([first, across, np.cross(first, across)], axis=-2)


def quaternion_wxyz_from_rotation_vector(rotation_vector: ArrayLike) -> FloatArray:
    """(..., 3) to (..., 4)."""
    vector = _array(rotation_vector, (3,), "a rotation vector")
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    sine_over_angle = 0.5 * np.sinc(angle / (2.0 * np.pi))  # sin(angle / 2) / angle, also at zero
    return canonical_quaternion_wxyz(np.concatenate([np.cos(angle / 2.0), vector * sine_over_angle], axis=-1))


def rotation_vector_from_quaternion_wxyz(quaternion_wxyz: ArrayLike) -> FloatArray:
    """(..., 4) to (..., 3), of length at most π."""
    quaternion = canonical_quaternion_wxyz(quaternion_wxyz)
    w, vector = quaternion[..., :1], quaternion[..., 1:]
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, w)
    angle_over_sine = np.divide(angle, sine, out=np.full_like(sine, 2.0), where=sine > 0.0)
    return _without_negative_zero(vector * angle_over_sine)


def matrix_from_rotation_vector(rotation_vector: ArrayLike) -> FloatArray:
    """(..., 3) to (..., 3, 3)."""
    return matrix_from_quaternion_wxyz(quaternion_wxyz_from_rotation_vector(rotation_vector))


def rotation_vector_from_matrix(matrix: ArrayLike) -> FloatArray:
    """(..., 3, 3) to (..., 3), of length at most π."""
    return rotation_vector_from_quaternion_wxyz(quaternion_wxyz_from_matrix(matrix))


def matrix_from_euler_extrinsic_xyz(euler_radians: ArrayLike) -> FloatArray:
    """(..., 3) angles about the fixed x, y, z axes, in this order, to (..., 3, 3)."""
    x, y, z = np.moveaxis(_array(euler_radians, (3,), "Euler angles"), -1, 0)
    return _matrix_about_axis(2, z) @ _matrix_about_axis(1, y) @ _matrix_about_axis(0, x)


def euler_extrinsic_xyz_from_matrix(matrix: ArrayLike) -> FloatArray:
    """(..., 3, 3) to (..., 3): x and z in [-π, π], y in [-π/2, π/2].

    The rotation about z is read first and taken off before x is read. At gimbal lock, where only one combination of the two
    is determined, whatever z came out is therefore made up for by x, and the matrix comes back without a threshold.
    """
    m = _array(matrix, (3, 3), "a rotation matrix")
    z = np.arctan2(m[..., 1, 0], m[..., 0, 0])
    cosine, sine = np.cos(z), np.sin(z)
    y = np.arctan2(-m[..., 2, 0], cosine * m[..., 0, 0] + sine * m[..., 1, 0])
    x = np.arctan2(sine * m[..., 0, 2] - cosine * m[..., 1, 2], cosine * m[..., 1, 1] - sine * m[..., 0, 1])
    return _without_negative_zero(np.stack([x, y, z], axis=-1))


def matrix_from_euler_intrinsic_xyz(euler_radians: ArrayLike) -> FloatArray:
    """(..., 3) angles about the body's own x, y, z axes, in this order, to (..., 3, 3)."""
    x, y, z = np.moveaxis(_array(euler_radians, (3,), "Euler angles"), -1, 0)
    return _matrix_about_axis(0, x) @ _matrix_about_axis(1, y) @ _matrix_about_axis(2, z)


def euler_intrinsic_xyz_from_matrix(matrix: ArrayLike) -> FloatArray:
    """(..., 3, 3) to (..., 3): x and z in [-π, π], y in [-π/2, π/2].

    Rx(a) Ry(b) Rz(c) is the inverse of Rz(-c) Ry(-b) Rx(-a), so the extrinsic reading of the inverse gives the negatives.
    """
    inverse = np.swapaxes(_array(matrix, (3, 3), "a rotation matrix"), -1, -2)
    return _without_negative_zero(-euler_extrinsic_xyz_from_matrix(inverse))


def geodesic_angle(matrix_a: ArrayLike, matrix_b: ArrayLike) -> FloatArray:
    """The angle in [0, π] of the one rotation that leads from a to b, (..., 3, 3) each to (...).

    It goes through the relative quaternion because arccos of the trace loses half of the digits at 0 and at π.
    """
    a, b = _array(matrix_a, (3, 3), "a rotation matrix"), _array(matrix_b, (3, 3), "a rotation matrix")
    quaternion = quaternion_wxyz_from_matrix(np.swapaxes(a, -1, -2) @ b)
    return np.asarray(2.0 * np.arctan2(np.linalg.norm(quaternion[..., 1:], axis=-1), quaternion[..., 0]))


def matrix_from_yaw(yaw_radians: float) -> FloatArray:
    """(3, 3), a turn about +z."""
    return _matrix_about_axis(2, _array(yaw_radians, (), "a yaw"))


def quaternion_wxyz_from_yaw(yaw_radians: float) -> FloatArray:
    """(4,), a turn about +z."""
    return canonical_quaternion_wxyz((math.cos(yaw_radians / 2.0), 0.0, 0.0, math.sin(yaw_radians / 2.0)))


def yaw_from_matrix(matrix: ArrayLike) -> float:
    """Heading of the body's x axis in the ground plane, in [-π, π); exact for a turn about +z."""
    m = _array(matrix, (3, 3), "a rotation matrix")
    return wrap_yaw(math.atan2(m[1, 0], m[0, 0]), 1)


def wrap_yaw(yaw_radians: float, symmetry_order: int) -> float:
    """The yaw that looks the same, in [-π/n, π/n), of a shape that looks the same after a turn of 2π/n.

    Order 0 says that the shape looks the same after any turn: its yaw is 0.0. A yaw inside the interval comes back unchanged.
    """
    if symmetry_order < 0:
        raise SceneError(f"a symmetry order must be 0 or more, got {symmetry_order}")
    if not math.isfinite(yaw_radians):
        raise SceneError(f"a yaw must be a finite number, got {yaw_radians}")
    if symmetry_order == 0:
        return 0.0
    half_period = math.pi / symmetry_order
    # math.remainder is exact and lies in [-half_period, half_period]; only its upper end has to move.
    wrapped = math.remainder(yaw_radians, 2.0 * half_period)
    return -half_period if wrapped >= half_period else wrapped + 0.0
