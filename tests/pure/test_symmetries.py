# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns that cannot be seen: the groups that generators make, and angles that do not count them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from igllm_addon.core.errors import SceneError
from igllm_addon.core.rotations import geodesic_angle, matrix_from_quaternion_wxyz, matrix_from_rotation_vector, matrix_from_yaw
from igllm_addon.core.symmetries import (
    check_generators,
    equivalent_matrices,
    least_turned,
    symmetric_geodesic_angle,
    symmetry_of,
    yaw_order,
)
from igllm_addon.core.vocabulary import CLEVR, Vocabulary
from igllm_addon.core.vocabulary_json import vocabulary_from_json, vocabulary_to_json

SQUARE_TABLE = ((0.0, 0.0, 1.0, 4),)
BOX = ((0.0, 0.0, 1.0, 2), (1.0, 0.0, 0.0, 2))
CUBE = ((0.0, 0.0, 1.0, 4), (1.0, 0.0, 0.0, 4))
BOTTLE = ((0.0, 0.0, 1.0, 0),)
TUBE = ((0.0, 0.0, 1.0, 0), (1.0, 0.0, 0.0, 2))
BALL = ((0.0, 0.0, 1.0, 0), (1.0, 0.0, 0.0, 0))


def rotations(count: int) -> np.ndarray:
    return matrix_from_quaternion_wxyz(np.random.default_rng(5).normal(size=(count, 4)))


@pytest.mark.parametrize(("generators", "turns"), [((), 1), (SQUARE_TABLE, 4), (BOX, 4), (CUBE, 24), (BOTTLE, 1), (TUBE, 2)])
def test_generators_make_the_groups_that_they_are_known_for(generators: tuple, turns: int) -> None:
    assert len(symmetry_of(generators).turns) == turns


def test_two_axes_of_any_turn_make_a_ball() -> None:
    assert symmetry_of(BALL).any_turn
    assert symmetry_of(((0.0, 0.0, 1.0, 0), (1.0, 0.0, 0.0, 3))).any_turn


def test_no_generators_make_the_plain_angle() -> None:
    a, b = rotations(20), rotations(21)[1:]

    assert np.allclose(symmetric_geodesic_angle(a, b, symmetry_of(())), geodesic_angle(a, b), atol=1e-9)


@pytest.mark.parametrize("generators", [SQUARE_TABLE, BOX, CUBE, BOTTLE, TUBE])
def test_the_angle_is_the_smallest_over_everything_that_looks_the_same(generators: tuple) -> None:
    a, b = rotations(2)
    symmetry = symmetry_of(generators)

    angle = symmetric_geodesic_angle(a, b, symmetry)

    assert angle == pytest.approx(geodesic_angle(a, equivalent_matrices(b, symmetry, steps=7200)).min(), abs=1e-3)


def test_a_table_turned_by_a_quarter_looks_the_same_and_by_an_eighth_does_not() -> None:
    table = symmetry_of(SQUARE_TABLE)

    assert symmetric_geodesic_angle(np.eye(3), matrix_from_yaw(math.pi / 2), table) == pytest.approx(0.0, abs=1e-9)
    assert symmetric_geodesic_angle(np.eye(3), matrix_from_yaw(math.pi / 4), table) == pytest.approx(math.pi / 4)


def test_a_bottle_shows_only_how_its_axis_tilts() -> None:
    tilted = matrix_from_yaw(1.1) @ matrix_from_rotation_vector((0.3, 0.0, 0.0)) @ matrix_from_yaw(-2.0)

    assert symmetric_geodesic_angle(np.eye(3), tilted, symmetry_of(BOTTLE)) == pytest.approx(0.3)


def test_a_tube_turned_over_looks_the_same_and_a_bottle_does_not() -> None:
    over = matrix_from_rotation_vector((math.pi, 0.0, 0.0))

    assert symmetric_geodesic_angle(np.eye(3), over, symmetry_of(TUBE)) == pytest.approx(0.0, abs=1e-7)
    assert symmetric_geodesic_angle(np.eye(3), over, symmetry_of(BOTTLE)) == pytest.approx(math.pi)


def test_a_ball_is_never_turned() -> None:
    assert symmetric_geodesic_angle(rotations(4), rotations(8)[4:], symmetry_of(BALL)).tolist() == [0.0] * 4


@pytest.mark.parametrize("generators", [SQUARE_TABLE, CUBE, BOTTLE, TUBE])
def test_everything_that_looks_the_same_has_one_representative(generators: tuple) -> None:
    symmetry = symmetry_of(generators)
    matrix = rotations(1)[0]

    chosen = least_turned(matrix, symmetry)

    assert symmetric_geodesic_angle(chosen, matrix, symmetry) == pytest.approx(0.0, abs=1e-6)
    assert np.allclose(
        [least_turned(alike, symmetry) for alike in equivalent_matrices(matrix, symmetry, steps=5)], chosen, atol=1e-6
    )


def test_a_yaws_order_counts_turns_about_the_vertical_alone() -> None:
    assert [yaw_order(entry) for entry in ((), SQUARE_TABLE, CUBE, BOTTLE, ((1.0, 0.0, 0.0, 2),))] == [1, 4, 4, 0, 1]


@pytest.mark.parametrize(
    ("generator", "sentence"),
    [
        ((0.0, 0.0, 0.0, 2), "the symmetry of 'mug' must be lists of an axis x, y, z and an order"),
        ((0.0, 0.0, 1.0, 1), "a symmetry's order must be 0 or 2 … 120, got 1 for 'mug'"),
        ((0.0, 0.0, 1.0, -3), "a symmetry's order must be 0 or 2 … 120, got -3 for 'mug'"),
        ((0.0, 0.0, float("nan"), 2), "the symmetry of 'mug' must be lists"),
    ],
)
def test_a_symmetry_that_is_none_is_refused(generator: tuple, sentence: str) -> None:
    with pytest.raises(SceneError, match=sentence.replace("(", r"\(")):
        check_generators([generator], "'mug'")


def test_a_vocabulary_with_symmetries_comes_back_from_json_as_it_was() -> None:
    vocabulary = Vocabulary("so3", {"shape": ("mug", "table")}, rotation_length=3, symmetries={"table": SQUARE_TABLE})

    assert vocabulary_from_json(vocabulary_to_json(vocabulary)) == vocabulary
    assert vocabulary_from_json(vocabulary_to_json(CLEVR)) == CLEVR
    assert len(vocabulary.symmetry("table").turns) == 4
    assert vocabulary.symmetry("mug").is_trivial


def test_what_is_no_vocabulary_is_one_sentence() -> None:
    with pytest.raises(SceneError, match="this is no vocabulary as a data set or a checkpoint has it"):
        vocabulary_from_json({"template": "so3"})
