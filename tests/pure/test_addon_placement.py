# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene predicted from a picture of a known eye stands where the eye sees it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from igllm_addon.core.frames import look_at_quaternion_wxyz, project, rotate_scene_about_z
from igllm_addon.core.scene import Camera, Scene, SceneObject
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.ui.placement import placed

EYE = Camera((4.0, 9.0, 5.0), look_at_quaternion_wxyz((4.0, 9.0, 5.0), (1.0, 1.0, 0.0)))
BALL = SceneObject("sphere", "large", "red", "rubber", (1.5, 2.0, 0.7))
CUBE = SceneObject("cube", "small", "blue", "metal", (0.0, -1.0, 0.35), (0.3,))


def world_place(matrix: np.ndarray, item: SceneObject) -> np.ndarray:
    assert item.location is not None
    return matrix[:3, :3] @ item.location + matrix[:3, 3]


def test_a_perfect_prediction_in_its_own_frame_comes_back_to_the_world() -> None:
    turned = rotate_scene_about_z(Scene((BALL, CUBE), EYE), 1.1, CLEVR)
    assert turned.camera is not None

    placement = placed(turned.camera, EYE)
    ball, cube = (placement.corrected(item) for item in turned.objects)

    assert placement.on_ground
    assert world_place(placement.matrix_world_from_scene, ball) == pytest.approx((1.5, 2.0, 0.7), abs=1e-9)
    assert world_place(placement.matrix_world_from_scene, cube) == pytest.approx((0.0, -1.0, 0.35), abs=1e-9)


def test_a_wrong_camera_is_made_good_by_the_known_eye() -> None:
    """The prediction sees every object at the right pixel, from a camera that is a little off."""
    guessed = Camera((3.8, 9.3, 5.2), look_at_quaternion_wxyz((3.8, 9.3, 5.2), (1.05, 0.95, 0.0)))
    placement = placed(guessed, EYE)
    predicted = SceneObject("sphere", "large", "red", "rubber", (1.4, 2.2, 0.7))

    corrected = placement.corrected(predicted)

    there = world_place(placement.matrix_world_from_scene, corrected)
    seen = project(EYE, [there], 640, 480)[0, :2]
    wanted = project(guessed, [predicted.location], 640, 480)[0, :2]
    assert seen == pytest.approx(wanted, abs=1e-6)
    assert there[2] == pytest.approx(0.7)


def test_a_scene_of_another_scale_is_scaled_about_the_eye() -> None:
    guessed = Camera((0.4, 0.9, 0.5), EYE.quaternion_wxyz)

    placement = placed(guessed, EYE)

    assert np.linalg.det(placement.matrix_world_from_scene[:3, :3]) == pytest.approx(1000.0)
    assert world_place(placement.matrix_world_from_scene, SceneObject(location=(0.4, 0.9, 0.5))) == pytest.approx(EYE.location)


def test_objects_keep_their_size_where_the_heights_are_alike() -> None:
    guessed = Camera((4.0, 9.0, 4.5), look_at_quaternion_wxyz((4.0, 9.0, 4.5), (1.0, 1.0, 0.0)))

    placement = placed(guessed, EYE)

    assert np.linalg.det(placement.matrix_world_from_scene[:3, :3]) == pytest.approx(1.0)


@pytest.mark.parametrize("location", [(4.0, 9.0, -5.0), (4.0, 9.0, 0.1)], ids=["from below", "along the ground"])
def test_an_eye_that_tells_nothing_of_the_ground_moves_the_scene_with_its_camera(location: tuple[float, float, float]) -> None:
    eye = Camera(location, look_at_quaternion_wxyz(location, (1.0, 1.0, 0.0)))

    placement = placed(EYE, eye)

    assert not placement.on_ground
    assert placement.corrected(BALL) == BALL
    assert world_place(placement.matrix_world_from_scene, SceneObject(location=EYE.location)) == pytest.approx(location)
    seen = project(eye, [world_place(placement.matrix_world_from_scene, BALL)], 640, 480)[0]
    assert seen == pytest.approx(project(EYE, [BALL.location], 640, 480)[0])


def test_an_object_that_the_eye_cannot_meet_on_the_ground_stays_where_it_was_predicted() -> None:
    behind = SceneObject("sphere", "large", "red", "rubber", (8.0, 20.0, 0.7))

    placement = placed(EYE, EYE)

    assert placement.corrected(behind) == behind
    assert math.isclose(placement.matrix_world_from_scene[3, 3], 1.0)


def test_what_is_in_the_air_moves_rigidly_with_its_camera() -> None:
    eye = Camera((4.0, -5.0, 3.0), EYE.quaternion_wxyz, EYE.focal_length_mm, EYE.sensor_width_mm)

    placement = placed(EYE, eye, on_ground=False)

    item = SceneObject(location=(0.0, 0.0, 2.0))
    assert placement.corrected(item) == item
    assert placement.camera == EYE
    assert placement.matrix_world_from_scene[:3, 3] == pytest.approx(np.subtract(eye.location, EYE.location))
