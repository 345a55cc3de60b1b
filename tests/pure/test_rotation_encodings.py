# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations as a model writes them: what is encoded comes back, and what looks the same is one thing where it should be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igllm_addon.core.rotations import (
    geodesic_angle,
    matrix_from_euler_extrinsic_xyz,
    matrix_from_rotation_6d,
    matrix_from_yaw,
    rotation_6d_from_matrix,
)
from igllm_addon.core.vocabulary import CLEVR, Vocabulary
from igllm_addon.model_runner.config import ROTATIONS
from igllm_addon.model_runner.rotation_encodings import RotationEncoding

_ANGLES = st.tuples(*[st.floats(-1.5, 1.5)] * 3)


def _in_space(length: int) -> Vocabulary:
    orders = {"box": 4, "vase": 0}
    return Vocabulary("space", {"shape": ("arrow", "box", "vase")}, rotation_length=length, yaw_symmetry_orders=orders)


@pytest.mark.parametrize("kind", ROTATIONS)
@given(yaw=st.floats(-0.78, 0.78))
def test_a_yaw_comes_back(kind: str, yaw: float) -> None:
    encoding = RotationEncoding(kind, CLEVR)

    numbers = encoding.encode((yaw,), "cube")

    assert len(numbers) == encoding.count
    assert encoding.decode(numbers, "cube") == pytest.approx((yaw,), abs=6e-5)


@given(yaw=st.floats(-3.0, 3.0), turns=st.integers(-3, 3))
def test_yaws_that_look_the_same_have_the_same_numbers(yaw: float, turns: int) -> None:
    encoding = RotationEncoding("symmetric", CLEVR)

    other = encoding.encode((yaw + turns * math.pi / 2.0,), "cube")

    assert encoding.encode((yaw,), "cube") == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("kind", ROTATIONS)
@pytest.mark.parametrize("length", [3, 6])
@given(angles=_ANGLES)
def test_a_rotation_in_space_comes_back(kind: str, length: int, angles: tuple[float, ...]) -> None:
    encoding = RotationEncoding(kind, _in_space(length))
    matrix = matrix_from_euler_extrinsic_xyz(angles)
    rotation = angles if length == 3 else tuple(rotation_6d_from_matrix(matrix))

    numbers = encoding.encode(rotation, "arrow")

    assert len(numbers) == encoding.count
    back = encoding.decode(numbers, "arrow")
    read = matrix_from_euler_extrinsic_xyz(back) if length == 3 else matrix_from_rotation_6d(back)
    assert geodesic_angle(read, matrix) == pytest.approx(0.0, abs=3e-4)


@pytest.mark.parametrize(("shape", "turn"), [("box", math.pi / 2.0), ("vase", 0.7)])
@given(angles=_ANGLES)
def test_rotations_that_look_the_same_in_space_have_the_same_numbers(shape: str, turn: float, angles: tuple[float, ...]) -> None:
    encoding = RotationEncoding("symmetric", _in_space(6))
    matrix = matrix_from_euler_extrinsic_xyz(angles)
    # Near a border two representatives are as good; there the choice may fall on either.
    traces = sorted(np.trace(matrix @ matrix_from_yaw(step * math.pi / 2.0)) for step in range(4))
    if traces[-1] - traces[-2] < 1e-6:
        return

    turned = encoding.encode(tuple(rotation_6d_from_matrix(matrix @ matrix_from_yaw(turn))), shape)

    assert encoding.encode(tuple(rotation_6d_from_matrix(matrix)), shape) == pytest.approx(turned, abs=1e-6)


@given(angles=_ANGLES)
def test_equivalents_are_all_that_look_the_same_with_the_encoding_among_them(angles: tuple[float, ...]) -> None:
    encoding = RotationEncoding("symmetric", _in_space(3))

    alike = encoding.equivalents(angles, "box")

    matrices = [matrix_from_rotation_6d(numbers) for numbers in alike]
    rotation = matrix_from_euler_extrinsic_xyz(angles)
    assert len(alike) == 4
    assert all(
        min(float(geodesic_angle(rotation @ matrix_from_yaw(k * math.pi / 2), m)) for k in range(4)) < 1e-6 for m in matrices
    )
    assert min(np.abs(np.subtract(encoding.encode(angles, "box"), numbers)).max() for numbers in alike) < 1e-9


@pytest.mark.parametrize("kind", ROTATIONS)
@pytest.mark.parametrize("vocabulary", [CLEVR, _in_space(3), _in_space(6)], ids=["yaw", "euler", "6d"])
def test_numbers_that_stand_for_no_rotation_still_become_one(kind: str, vocabulary: Vocabulary) -> None:
    encoding = RotationEncoding(kind, vocabulary)

    rotation = encoding.decode((0.0,) * encoding.count, "cube")

    assert len(rotation) == vocabulary.rotation_length
    assert all(math.isfinite(value) for value in rotation)
