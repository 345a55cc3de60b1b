# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations against SciPy, and what must hold of every encoding, also where encodings are singular.

Letters: B batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from igllm_addon.core import rotations
from igllm_addon.core.errors import SceneError
from igllm_addon.core.rotations import FloatArray

ANGLES = st.floats(-10.0, 10.0)
COMPONENTS = st.floats(-1.0, 1.0)
QUATERNIONS = st.tuples(COMPONENTS, COMPONENTS, COMPONENTS, COMPONENTS).filter(any)
HALF_PI = math.pi / 2.0

# Quarter turns, half turns about axes, edges and diagonals, and turns that are almost nothing or almost a half.
SINGULAR_QUATERNIONS = [
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
    (0.0, 1.0, -1.0, 0.0),
    (0.0, -1.0, 1.0, -1.0),
    (1.0, 1.0, 0.0, 0.0),
    (1.0, 0.0, 1.0, 0.0),
    (1.0, 0.0, -1.0, 0.0),
    (1.0, -1.0, 1.0, -1.0),
    (1.0, 1e-9, 0.0, 0.0),
    (1.0, 1e-30, -1e-30, 0.0),
    (1.0, 1e-200, 0.0, 0.0),
    (1e-9, 1.0, 0.0, 0.0),
    (1e-9, 0.0, -1.0, 1e-9),
    (-1e-200, 0.0, 0.0, 1.0),
    (1.0, 0.0, 1.0 + 1e-9, 0.0),
    (1e-300, 2e-300, 0.0, 0.0),
    (1e300, 0.0, 2e300, 0.0),
]


def scipy_rotation(quaternion_wxyz: FloatArray) -> Rotation:
    return Rotation.from_quat(np.roll(quaternion_wxyz, -1, axis=-1))


@pytest.fixture(scope="module")
def random_quaternions() -> FloatArray:
    """(B, 4), of any length."""
    return np.random.default_rng(7).normal(size=(2000, 4))


def test_matrix_from_quaternion_agrees_with_scipy(random_quaternions: FloatArray) -> None:
    matrices = rotations.matrix_from_quaternion_wxyz(random_quaternions)

    np.testing.assert_allclose(matrices, scipy_rotation(random_quaternions).as_matrix(), atol=1e-14)


def test_quaternion_from_matrix_agrees_with_scipy(random_quaternions: FloatArray) -> None:
    expected = scipy_rotation(random_quaternions)

    quaternions = rotations.quaternion_wxyz_from_matrix(expected.as_matrix())

    np.testing.assert_allclose(quaternions, np.roll(expected.as_quat(canonical=True), 1, axis=-1), atol=1e-14)


def test_rotation_vectors_agree_with_scipy(random_quaternions: FloatArray) -> None:
    expected = scipy_rotation(random_quaternions)
    vectors = expected.as_rotvec()

    np.testing.assert_allclose(rotations.rotation_vector_from_matrix(expected.as_matrix()), vectors, atol=1e-13)
    np.testing.assert_allclose(rotations.matrix_from_rotation_vector(vectors), expected.as_matrix(), atol=1e-14)


def test_rotation_vectors_longer_than_a_turn_agree_with_scipy() -> None:
    vectors = np.random.default_rng(8).normal(size=(500, 3)) * 20.0

    matrices = rotations.matrix_from_rotation_vector(vectors)

    np.testing.assert_allclose(matrices, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-13)


def test_extrinsic_euler_angles_agree_with_scipy(random_quaternions: FloatArray) -> None:
    expected = scipy_rotation(random_quaternions)
    euler = expected.as_euler("xyz")

    np.testing.assert_allclose(rotations.euler_extrinsic_xyz_from_matrix(expected.as_matrix()), euler, atol=1e-10)
    np.testing.assert_allclose(rotations.matrix_from_euler_extrinsic_xyz(euler), expected.as_matrix(), atol=1e-13)


def test_intrinsic_euler_angles_agree_with_scipy(random_quaternions: FloatArray) -> None:
    expected = scipy_rotation(random_quaternions)
    euler = expected.as_euler("XYZ")

    np.testing.assert_allclose(rotations.euler_intrinsic_xyz_from_matrix(expected.as_matrix()), euler, atol=1e-10)
    np.testing.assert_allclose(rotations.matrix_from_euler_intrinsic_xyz(euler), expected.as_matrix(), atol=1e-13)


def test_quaternion_product_agrees_with_scipy(random_quaternions: FloatArray) -> None:
    left, right = random_quaternions[:1000], random_quaternions[1000:]
    expected = (scipy_rotation(left) * scipy_rotation(right)).as_quat(canonical=True)

    product = rotations.canonical_quaternion_wxyz(rotations.multiply_quaternions_wxyz(left, right))

    np.testing.assert_allclose(product, np.roll(expected, 1, axis=-1), atol=1e-14)


def test_geodesic_angle_agrees_with_scipy(random_quaternions: FloatArray) -> None:
    left, right = scipy_rotation(random_quaternions[:1000]), scipy_rotation(random_quaternions[1000:])

    angles = rotations.geodesic_angle(left.as_matrix(), right.as_matrix())

    np.testing.assert_allclose(angles, (left.inv() * right).magnitude(), atol=1e-13)


def test_six_numbers_are_the_first_two_rows() -> None:
    matrix = Rotation.from_euler("xyz", (0.3, -0.4, 0.5)).as_matrix()

    six = rotations.rotation_6d_from_matrix(matrix)

    np.testing.assert_array_equal(six, [*matrix[0], *matrix[1]])
    np.testing.assert_allclose(rotations.matrix_from_rotation_6d(six), matrix, atol=1e-15)


def test_six_numbers_of_any_length_and_angle_are_made_rows() -> None:
    matrix = rotations.matrix_from_rotation_6d((0.0, 3.0, 0.0, 1e-3, 0.5, 0.0))

    np.testing.assert_allclose(matrix, [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]], atol=1e-15)


@given(
    st.sampled_from(
        (
            (rotations.quaternion_wxyz_from_matrix, rotations.matrix_from_quaternion_wxyz),
            (rotations.rotation_6d_from_matrix, rotations.matrix_from_rotation_6d),
            (rotations.rotation_vector_from_matrix, rotations.matrix_from_rotation_vector),
            (rotations.euler_extrinsic_xyz_from_matrix, rotations.matrix_from_euler_extrinsic_xyz),
            (rotations.euler_intrinsic_xyz_from_matrix, rotations.matrix_from_euler_intrinsic_xyz),
        )
    ),
    QUATERNIONS | st.sampled_from(SINGULAR_QUATERNIONS),
)
def test_every_encoding_gives_the_matrix_back(
    pair: tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]], quaternion: tuple[float, ...]
) -> None:
    encode, decode = pair
    matrix = rotations.matrix_from_quaternion_wxyz(quaternion)

    again = decode(encode(matrix))

    np.testing.assert_allclose(again, matrix, atol=4e-15)
    np.testing.assert_allclose(again @ again.T, np.eye(3), atol=4e-15)
    assert np.linalg.det(again) == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("y", [HALF_PI, -HALF_PI, HALF_PI - 1e-9, -HALF_PI + 1e-12, HALF_PI + 1e-15])
@given(x=ANGLES, z=ANGLES)
def test_gimbal_lock_keeps_the_matrix(y: float, x: float, z: float) -> None:
    extrinsic = rotations.matrix_from_euler_extrinsic_xyz((x, y, z))
    intrinsic = rotations.matrix_from_euler_intrinsic_xyz((x, y, z))

    extrinsic_again = rotations.matrix_from_euler_extrinsic_xyz(rotations.euler_extrinsic_xyz_from_matrix(extrinsic))
    intrinsic_again = rotations.matrix_from_euler_intrinsic_xyz(rotations.euler_intrinsic_xyz_from_matrix(intrinsic))

    np.testing.assert_allclose(extrinsic_again, extrinsic, atol=4e-15)
    np.testing.assert_allclose(intrinsic_again, intrinsic, atol=4e-15)


@given(st.tuples(ANGLES, ANGLES, ANGLES))
def test_extrinsic_order_is_the_reverse_of_intrinsic(euler: tuple[float, float, float]) -> None:
    x, y, z = euler

    reverse = rotations.matrix_from_euler_intrinsic_xyz((-x, -y, -z)).T

    np.testing.assert_allclose(reverse, rotations.matrix_from_euler_extrinsic_xyz((x, y, z)), atol=1e-15)


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-100, 1e-12, 1e-8, 1e-4])
def test_tiny_rotation_vectors_keep_their_digits(size: float) -> None:
    vector = np.array([1.0, -2.0, 0.5]) * size

    again = rotations.rotation_vector_from_quaternion_wxyz(rotations.quaternion_wxyz_from_rotation_vector(vector))

    np.testing.assert_allclose(again, vector, rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("angle", [0.0, 1e-150, 1e-12, 1e-8, 1e-4, 1.0, math.pi - 1e-4, math.pi - 1e-8, math.pi])
def test_geodesic_angle_keeps_its_digits(angle: float) -> None:
    matrix = rotations.matrix_from_euler_extrinsic_xyz((0.3, -0.4, 0.5))
    turned = matrix @ rotations.matrix_from_rotation_vector(np.array([0.6, 0.0, -0.8]) * angle)

    result = rotations.geodesic_angle(matrix, turned)

    assert float(result) == pytest.approx(angle, abs=4e-16)


@given(QUATERNIONS)
def test_canonical_quaternion_is_one_of_two(quaternion: tuple[float, float, float, float]) -> None:
    w, x, y, z = quaternion

    plus, minus = rotations.canonical_quaternion_wxyz((w, x, y, z)), rotations.canonical_quaternion_wxyz((-w, -x, -y, -z))

    np.testing.assert_array_equal(plus, minus)
    assert plus[0] >= 0.0
    assert np.linalg.norm(plus) == pytest.approx(1.0, abs=1e-15)


def test_batches_of_any_shape() -> None:
    quaternions = np.random.default_rng(9).normal(size=(2, 3, 4))

    matrices = rotations.matrix_from_quaternion_wxyz(quaternions)

    assert matrices.shape == (2, 3, 3, 3)
    assert rotations.rotation_6d_from_matrix(matrices).shape == (2, 3, 6)
    assert rotations.euler_extrinsic_xyz_from_matrix(matrices).shape == (2, 3, 3)
    assert rotations.geodesic_angle(matrices, matrices[0, 0]).shape == (2, 3)
    np.testing.assert_array_equal(matrices[1, 2], rotations.matrix_from_quaternion_wxyz(quaternions[1, 2]))


@pytest.mark.parametrize(
    ("function", "values", "sentence"),
    [
        (rotations.matrix_from_quaternion_wxyz, (0.0, 0.0, 0.0, 0.0), "a quaternion must not be zero"),
        (rotations.matrix_from_quaternion_wxyz, (1.0, 0.0, 0.0), r"a quaternion must have the shape \(..., 4\), got \(3,\)"),
        (rotations.matrix_from_quaternion_wxyz, (1.0, 0.0, math.nan, 0.0), "a quaternion must hold finite numbers only"),
        (rotations.matrix_from_rotation_6d, (0.0, 0.0, 0.0, 1.0, 0.0, 0.0), "the first row of a 6D rotation must not be zero"),
        (rotations.matrix_from_rotation_6d, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0), "the second row of a 6D rotation must not be zero"),
        (rotations.matrix_from_rotation_6d, (1.0, 2.0, 3.0, -2.0, -4.0, -6.0), "must not be parallel"),
        (rotations.euler_extrinsic_xyz_from_matrix, np.eye(4), r"a rotation matrix must have the shape \(..., 3, 3\)"),
        (rotations.matrix_from_rotation_vector, (math.inf, 0.0, 0.0), "a rotation vector must hold finite numbers only"),
    ],
)
def test_numbers_that_are_no_rotation_are_refused(
    function: Callable[[object], FloatArray], values: object, sentence: str
) -> None:
    with pytest.raises(SceneError, match=sentence):
        function(values)


@given(st.floats(-1e6, 1e6), st.integers(1, 12))
def test_wrapped_yaw_looks_the_same(yaw: float, order: int) -> None:
    wrapped = rotations.wrap_yaw(yaw, order)

    turns = (yaw - wrapped) * order / (2.0 * math.pi)
    assert -math.pi / order <= wrapped < math.pi / order
    assert abs(turns - round(turns)) < 1e-8
    assert rotations.wrap_yaw(wrapped, order) == wrapped


@pytest.mark.parametrize(
    ("yaw", "order", "expected"),
    [
        (0.25, 1, 0.25),
        (math.pi, 1, -math.pi),
        (-math.pi, 1, -math.pi),
        (math.pi / 4, 4, -math.pi / 4),
        (-math.pi / 4, 4, -math.pi / 4),
        (HALF_PI + 0.25, 4, 0.25),
        (-0.0, 4, 0.0),
        (123.0, 0, 0.0),
    ],
)
def test_wrapped_yaw(yaw: float, order: int, expected: float) -> None:
    wrapped = rotations.wrap_yaw(yaw, order)

    assert wrapped == pytest.approx(expected, abs=1e-15)
    assert math.copysign(1.0, wrapped) == math.copysign(1.0, expected)


@pytest.mark.parametrize(("yaw", "order"), [(math.nan, 1), (math.inf, 4), (-math.inf, 0), (0.5, -1)])
def test_yaw_that_cannot_be_wrapped_is_refused(yaw: float, order: int) -> None:
    with pytest.raises(SceneError):
        rotations.wrap_yaw(yaw, order)


@given(st.floats(-3.1, 3.1))
def test_yaw_is_a_turn_about_z(yaw: float) -> None:
    matrix = rotations.matrix_from_yaw(yaw)

    np.testing.assert_allclose(matrix, Rotation.from_euler("z", yaw).as_matrix(), atol=1e-15)
    np.testing.assert_allclose(rotations.matrix_from_quaternion_wxyz(rotations.quaternion_wxyz_from_yaw(yaw)), matrix, atol=1e-15)
    assert rotations.yaw_from_matrix(matrix) == pytest.approx(yaw, abs=1e-15)
