# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations against Blender's mathutils, which computes in single precision.

Letters: B batch.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from igllm_addon.core import rotations
from igllm_addon.core.rotations import FloatArray

mathutils = pytest.importorskip("mathutils", reason="needs the bpy wheel")

HALF_PI = math.pi / 2.0
SINGLE = 2e-6


@pytest.fixture(scope="module")
def quaternions() -> FloatArray:
    """(B, 4) random rotations, then half turns and quarter turns."""
    random = np.random.default_rng(11).normal(size=(500, 4))
    special = [(0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (0, 1, 1, 0), (1, 0, 1, 0), (1, 0, -1, 0), (1, 1, 0, 0), (1, 0, 0, 0)]
    both = np.concatenate([random, special])
    return np.asarray(both / np.linalg.norm(both, axis=1, keepdims=True))


def test_quaternions_agree(quaternions: FloatArray) -> None:
    blenders = np.array([mathutils.Quaternion(q).to_matrix() for q in quaternions])

    np.testing.assert_allclose(rotations.matrix_from_quaternion_wxyz(quaternions), blenders, atol=SINGLE)


def test_quaternions_from_matrices_agree(quaternions: FloatArray) -> None:
    matrices = rotations.matrix_from_quaternion_wxyz(quaternions)

    ours = rotations.quaternion_wxyz_from_matrix(matrices)
    blenders = np.array([mathutils.Matrix(m).to_quaternion() for m in matrices])

    np.testing.assert_allclose(np.abs(np.sum(ours * blenders, axis=1)), 1.0, atol=SINGLE)


def test_product_agrees(quaternions: FloatArray) -> None:
    left, right = quaternions[:-1], quaternions[1:]

    blenders = np.array([mathutils.Quaternion(a) @ mathutils.Quaternion(b) for a, b in zip(left, right, strict=True)])

    np.testing.assert_allclose(rotations.multiply_quaternions_wxyz(left, right), blenders, atol=SINGLE)


def test_rotation_vectors_agree(quaternions: FloatArray) -> None:
    vectors = rotations.rotation_vector_from_quaternion_wxyz(quaternions)

    blenders = np.array([mathutils.Quaternion(v / (np.linalg.norm(v) or 1.0), np.linalg.norm(v)).to_matrix() for v in vectors])

    np.testing.assert_allclose(rotations.matrix_from_rotation_vector(vectors), blenders, atol=SINGLE)
    np.testing.assert_allclose(rotations.matrix_from_quaternion_wxyz(quaternions), blenders, atol=SINGLE)


def test_extrinsic_xyz_is_blenders_order_xyz() -> None:
    angles = np.random.default_rng(12).uniform(-math.pi, math.pi, size=(500, 3))

    blenders = np.array([mathutils.Euler(e, "XYZ").to_matrix() for e in angles])

    np.testing.assert_allclose(rotations.matrix_from_euler_extrinsic_xyz(angles), blenders, atol=SINGLE)


def test_intrinsic_xyz_is_blenders_order_zyx() -> None:
    angles = np.random.default_rng(13).uniform(-math.pi, math.pi, size=(500, 3))

    blenders = np.array([mathutils.Euler(e, "ZYX").to_matrix() for e in angles])

    np.testing.assert_allclose(rotations.matrix_from_euler_intrinsic_xyz(angles), blenders, atol=SINGLE)


@pytest.mark.parametrize("order", ["XYZ", "ZYX"])
@pytest.mark.parametrize("y", [0.3, HALF_PI, -HALF_PI])
def test_euler_angles_that_we_read_mean_the_same_to_blender(order: str, y: float) -> None:
    read = {"XYZ": rotations.euler_extrinsic_xyz_from_matrix, "ZYX": rotations.euler_intrinsic_xyz_from_matrix}[order]
    matrix = np.array(mathutils.Euler((0.4, y, -1.2), order).to_matrix())

    again = np.array(mathutils.Euler(read(matrix), order).to_matrix())

    np.testing.assert_allclose(again, matrix, atol=SINGLE)


def test_yaw_is_blenders_rotation_about_z() -> None:
    blenders = np.array(mathutils.Euler((0.0, 0.0, 0.7)).to_matrix())

    np.testing.assert_allclose(rotations.matrix_from_yaw(0.7), blenders, atol=SINGLE)
    np.testing.assert_allclose(
        rotations.quaternion_wxyz_from_yaw(0.7), mathutils.Euler((0.0, 0.0, 0.7)).to_quaternion(), atol=SINGLE
    )
