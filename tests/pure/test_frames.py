# SPDX-License-Identifier: GPL-3.0-or-later
"""Projection, look-at and the azimuth-canonical frame. Letters: N points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from igllm_addon.core.errors import SceneError
from igllm_addon.core.frames import (
    CLEVR_AZIMUTH_RADIANS,
    azimuth_canonical,
    azimuth_radians,
    look_at_quaternion_wxyz,
    project,
    rays,
    rotate_scene_about_z,
    unproject_to_height,
)
from igllm_addon.core.rotations import matrix_from_quaternion_wxyz
from igllm_addon.core.scene import Camera, Light, Scene, SceneObject
from igllm_addon.core.vocabulary import CLEVR, Vocabulary

CLEVR_LOCATION = (7.4811, -6.5076, 5.3437)
CLEVR_CAMERA = Camera(CLEVR_LOCATION, look_at_quaternion_wxyz(CLEVR_LOCATION, (0.0, 0.0, 0.0)))
# Straight down from a height of 10; 35 / 32 of the width of 320 px is a focal length of 350 px.
DOWN = Camera((0.0, 0.0, 10.0), (1.0, 0.0, 0.0, 0.0))
LIGHT = Light("key", "area", (6.0, -3.0, 4.0), look_at_quaternion_wxyz((6.0, -3.0, 4.0), (0.0, 0.0, 0.0)), 80.0, 0.5)
COORDINATES = st.floats(-20.0, 20.0)
PLACES = st.tuples(COORDINATES, COORDINATES, COORDINATES)


def test_what_the_camera_looks_at_is_in_the_middle() -> None:
    u, v, depth = project(CLEVR_CAMERA, [(0.0, 0.0, 0.0)], 480, 320)[0]

    assert (u, v) == pytest.approx((240.0, 160.0))
    assert depth == pytest.approx(math.dist(CLEVR_LOCATION, (0.0, 0.0, 0.0)))


def test_u_runs_right_and_v_runs_down() -> None:
    points = project(DOWN, [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 5.0)], 320, 240)

    np.testing.assert_allclose(points, [(195.0, 120.0, 10.0), (160.0, 85.0, 10.0), (160.0, 120.0, 5.0)])


def test_sensor_width_spans_the_width_of_a_tall_picture() -> None:
    points = project(DOWN, [(1.0, 1.0, 0.0)], 320, 1000)

    np.testing.assert_allclose(points, [(195.0, 465.0, 10.0)])


def test_depth_is_along_the_axis_not_the_ray() -> None:
    depth = project(DOWN, [(8.0, -6.0, 2.0)], 320, 240)[0, 2]

    assert depth == pytest.approx(8.0)


def test_points_beside_and_behind_the_camera_have_no_pixel() -> None:
    points = project(DOWN, [(1.0, 0.0, 10.0), (1.0, 0.0, 12.0)], 320, 240)

    np.testing.assert_array_equal(np.isnan(points), [(True, True, False), (True, True, False)])
    np.testing.assert_allclose(points[:, 2], (0.0, -2.0))


def test_no_points_project_to_none() -> None:
    assert project(DOWN, [], 320, 240).shape == (0, 3)


@given(st.lists(st.tuples(st.floats(0.0, 480.0), st.floats(0.0, 320.0), st.floats(0.1, 50.0)), min_size=1, max_size=5))
def test_ray_and_depth_give_the_pixel_back(pixels: list[tuple[float, float, float]]) -> None:
    u, v, depth = np.array(pixels).T

    points = np.asarray(CLEVR_LOCATION) + depth[:, None] * rays(CLEVR_CAMERA, u, v, 480, 320)

    np.testing.assert_allclose(project(CLEVR_CAMERA, points, 480, 320), pixels, atol=1e-9)


@given(st.lists(st.tuples(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(0.0, 1.0)), min_size=1, max_size=5))
def test_pixel_and_height_give_the_point_back(points: list[tuple[float, float, float]]) -> None:
    projected = project(CLEVR_CAMERA, points, 480, 320)

    again = unproject_to_height(CLEVR_CAMERA, projected[:, 0], projected[:, 1], np.array(points)[:, 2], 480, 320)

    np.testing.assert_allclose(again, points, atol=1e-11)


def test_one_pixel_and_one_height() -> None:
    points = unproject_to_height(DOWN, 195.0, 120.0, 0.0, 320, 240)

    np.testing.assert_allclose(points, [(1.0, 0.0, 0.0)], atol=1e-15)


def test_ray_that_never_reaches_a_height_gives_nan() -> None:
    level = Camera((0.0, 0.0, 1.0), look_at_quaternion_wxyz((0.0, 0.0, 1.0), (1.0, 0.0, 1.0)))

    points = unproject_to_height(level, [160.0, 160.0, 160.0], [120.0, 100.0, 140.0], 0.0, 320, 240)

    np.testing.assert_array_equal(np.isnan(points).all(axis=1), (True, True, False))


@given(PLACES, PLACES)
def test_look_at_puts_the_target_in_the_middle_and_up_upward(location: tuple[float, ...], target: tuple[float, ...]) -> None:
    direction = np.subtract(target, location)
    horizontal = float(np.linalg.norm(direction[:2]))
    assume(horizontal >= 1e-6)

    matrix = matrix_from_quaternion_wxyz(look_at_quaternion_wxyz(location, target))  # type: ignore[arg-type]

    np.testing.assert_allclose(-matrix[:, 2], direction / np.linalg.norm(direction), atol=1e-12)
    assert matrix[2, 0] == pytest.approx(0.0, abs=1e-12)
    assert matrix[2, 1] >= -1e-12


def test_camera_cannot_look_at_itself() -> None:
    with pytest.raises(SceneError, match="target away from itself"):
        look_at_quaternion_wxyz((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))


CUBE = SceneObject("cube", "large", "red", "metal", (1.0, 2.0, 0.7), (0.3,))
SPHERE = SceneObject("sphere", "small", "blue", "rubber", (-2.0, 0.5, 0.35))


def test_quarter_turn() -> None:
    scene = rotate_scene_about_z(Scene((CUBE, SPHERE), DOWN, (LIGHT,)), math.pi / 2.0, CLEVR)

    assert scene.objects[0].location == pytest.approx((-2.0, 1.0, 0.7))
    assert scene.objects[0].rotation == pytest.approx((0.3,))
    assert scene.objects[1].location == pytest.approx((-0.5, -2.0, 0.35))
    assert scene.objects[1].rotation is None
    assert scene.camera is not None
    assert scene.camera.quaternion_wxyz == pytest.approx((math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)))
    assert scene.lights[0].location == pytest.approx((3.0, 6.0, 4.0))
    assert scene.lights[0].quaternion_wxyz == pytest.approx(look_at_quaternion_wxyz((3.0, 6.0, 4.0), (0.0, 0.0, 0.0)))
    assert scene.lights[0].power == 80.0


def test_no_turn_changes_nothing() -> None:
    scene = Scene((CUBE, SPHERE), CLEVR_CAMERA, (LIGHT,))

    assert rotate_scene_about_z(scene, 0.0, CLEVR) == scene
    assert azimuth_canonical(scene, CLEVR_AZIMUTH_RADIANS, CLEVR) == scene


@given(st.floats(-7.0, 7.0))
def test_turn_does_not_change_the_picture(angle: float) -> None:
    scene = Scene((CUBE, SPHERE), CLEVR_CAMERA)

    turned = rotate_scene_about_z(scene, angle, CLEVR)

    assert turned.camera is not None
    before = project(CLEVR_CAMERA, [CUBE.location, SPHERE.location], 480, 320)
    after = project(turned.camera, [item.location for item in turned.objects], 480, 320)
    np.testing.assert_allclose(after, before, atol=1e-10)


def test_yaw_turns_with_the_scene_and_is_wrapped_by_the_symmetry_of_the_shape() -> None:
    one_sided = Vocabulary(template="one-sided", words={"shape": ("cube",)}, yaw_symmetry_orders={})
    scene = Scene((CUBE,))

    assert rotate_scene_about_z(scene, 1.0, CLEVR).objects[0].rotation == pytest.approx((1.3 - math.pi / 2.0,))
    assert rotate_scene_about_z(scene, 1.0, one_sided).objects[0].rotation == pytest.approx((1.3,))
    assert rotate_scene_about_z(scene, 3.0, one_sided).objects[0].rotation == pytest.approx((3.3 - 2.0 * math.pi,))


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_canonical_frame_has_the_camera_at_the_azimuth(dx: float, dy: float, dz: float) -> None:
    location = (CLEVR_LOCATION[0] + dx, CLEVR_LOCATION[1] + dy, CLEVR_LOCATION[2] + dz)
    camera = Camera(location, look_at_quaternion_wxyz(location, (0.0, 0.0, 0.0)))

    canonical = azimuth_canonical(Scene((CUBE,), camera), CLEVR_AZIMUTH_RADIANS, CLEVR)

    assert canonical.camera is not None
    assert azimuth_radians(canonical.camera) == pytest.approx(CLEVR_AZIMUTH_RADIANS, abs=1e-14)
    expected = look_at_quaternion_wxyz(canonical.camera.location, (0.0, 0.0, 0.0))
    assert canonical.camera.quaternion_wxyz == pytest.approx(expected, abs=1e-14)


def test_scene_without_a_camera_has_no_canonical_frame() -> None:
    with pytest.raises(SceneError, match="without a camera"):
        azimuth_canonical(Scene((CUBE,)), CLEVR_AZIMUTH_RADIANS, CLEVR)


def test_camera_above_the_origin_has_no_canonical_frame() -> None:
    with pytest.raises(SceneError, match="no azimuth"):
        azimuth_canonical(Scene((CUBE,), DOWN), CLEVR_AZIMUTH_RADIANS, CLEVR)


def test_three_rotation_numbers_cannot_be_turned_yet() -> None:
    with pytest.raises(SceneError, match="3 rotation numbers is not supported yet"):
        rotate_scene_about_z(Scene((SceneObject(shape="chair", rotation=(0.1, 0.2, 0.3)),)), 1.0, CLEVR)


def test_places_in_the_picture_cannot_be_turned() -> None:
    plane = Vocabulary(template="plane", words={}, location_length=2, rotation_length=0)

    with pytest.raises(SceneError, match="'plane' lies in the picture"):
        rotate_scene_about_z(Scene((SceneObject(location=(0.5, 0.5, 0.0)),)), 1.0, plane)
