# SPDX-License-Identifier: GPL-3.0-or-later
"""Of all numbers that stand for rotations which look the same, those nearest to a start."""

from __future__ import annotations

import math

import numpy as np
import pytest

from igllm_addon.core.rotations import FloatArray, matrix_from_euler_extrinsic_xyz, matrix_from_quaternion_wxyz, matrix_from_yaw
from igllm_addon.core.symmetries import symmetric_geodesic_angle, symmetry_of
from igllm_addon.core.vocabulary import Vocabulary
from igllm_addon.model_runner.rotation_encodings import RotationEncoding

TOYS = Vocabulary(
    template="toys",
    words={"shape": ("plain", "square", "bottle")},
    rotation_length=3,
    symmetries={"square": ((0.0, 0.0, 1.0, 4),), "bottle": ((0.0, 0.0, 1.0, 0),)},
)
KINDS = ("euler", "euler_int", "aa", "6d", "symmetric")


def random_matrix(seed: int) -> FloatArray:
    return matrix_from_quaternion_wxyz(np.random.default_rng(seed).normal(size=4))


@pytest.mark.parametrize("shape", ["plain", "square", "bottle"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_numbers_stand_for_a_rotation_that_looks_the_same(kind: str, shape: str) -> None:
    encoding = RotationEncoding(kind, TOYS)
    truth, start = random_matrix(1), encoding.encode_matrix(random_matrix(2), "plain")

    numbers = encoding.encode_near(truth, shape, start)

    written = matrix_from_euler_extrinsic_xyz(encoding.decode(numbers, shape))
    angle = symmetric_geodesic_angle(written, truth, symmetry_of(TOYS.symmetries.get(shape, ())))
    assert float(angle) < 1e-3


@pytest.mark.parametrize("kind", ["euler", "euler_int"])
def test_angles_do_not_jump_by_a_whole_turn(kind: str) -> None:
    encoding = RotationEncoding(kind, TOYS)
    truth = matrix_from_euler_extrinsic_xyz((0.0, 0.0, -math.pi + 0.01))

    numbers = encoding.encode_near(truth, "plain", (0.0, 0.0, math.pi - 0.01))

    assert numbers == pytest.approx((0.0, 0.0, math.pi + 0.01), abs=1e-6)


@pytest.mark.parametrize("kind", ["euler", "euler_int"])
def test_the_other_three_angles_of_the_same_rotation_are_taken_where_they_are_nearer(kind: str) -> None:
    encoding = RotationEncoding(kind, TOYS)
    start = (0.3, 1.7, -0.2)  # beyond a quarter turn about y, where nobody writes it
    truth = encoding.matrix(encoding.decode(start, "plain"))

    numbers = encoding.encode_near(truth, "plain", start)

    assert numbers == pytest.approx(start, abs=1e-3)


def test_a_rotation_vector_may_be_longer_than_half_a_turn() -> None:
    encoding = RotationEncoding("aa", TOYS)

    numbers = encoding.encode_near(matrix_from_yaw(-math.pi + 0.02), "plain", (0.0, 0.0, math.pi - 0.02))

    assert numbers == pytest.approx((0.0, 0.0, math.pi + 0.02), abs=1e-6)


def test_a_square_is_taken_the_way_it_is_turned_least_from_the_start() -> None:
    encoding = RotationEncoding("euler", TOYS)

    numbers = encoding.encode_near(matrix_from_yaw(0.1 + math.pi / 2.0), "square", (0.0, 0.0, 0.0))

    assert numbers == pytest.approx((0.0, 0.0, 0.1), abs=1e-6)


def test_a_bottle_turns_about_its_axis_as_the_start_does() -> None:
    encoding = RotationEncoding("aa", TOYS)

    numbers = encoding.encode_near(matrix_from_yaw(2.0), "bottle", (0.0, 0.0, 0.7))

    assert numbers == pytest.approx((0.0, 0.0, 0.7), abs=1e-6)


def test_a_start_that_is_no_rotation_is_no_reference() -> None:
    encoding = RotationEncoding("6d", TOYS)

    numbers = encoding.encode_near(np.eye(3), "plain", (0.0,) * 6)

    assert numbers == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
