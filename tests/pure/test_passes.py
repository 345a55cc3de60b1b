# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth and normals where they can be worked out by hand, and the sweep behind the objects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from igllm_addon.core.frames import look_at_quaternion_wxyz
from igllm_addon.core.scene import Camera, SceneObject
from igllm_addon.render_templates.clevr.backdrop import AWAY_XY, FLAT, RADIUS, profile, trace
from igllm_addon.render_templates.clevr.sample import solid_of
from igllm_addon.render_templates.passes import Surfaces, trace_surfaces

AWAY = np.array([*AWAY_XY, 0.0])
UP = np.array([0.0, 0.0, 1.0])


def straight_down(item: SceneObject) -> Surfaces:
    camera = Camera((0.0, 0.0, 10.0), look_at_quaternion_wxyz((0.0, 0.0, 10.0), (0.0, 0.0, 0.0)))
    return trace_surfaces(camera, [solid_of(item)], trace, 101, 101)


def test_the_middle_of_a_ball_seen_from_above_is_its_top() -> None:
    seen = straight_down(SceneObject("sphere", "large", "red", "metal", (0.0, 0.0, 0.7)))

    assert seen.instances[50, 50] == 1
    assert seen.depth[50, 50] == pytest.approx(10.0 - 1.4, abs=1e-6)
    assert seen.normals[50, 50] == pytest.approx([0.0, 0.0, 1.0], abs=1e-6)


def test_every_point_of_a_ball_lies_on_it_with_its_normal_outward() -> None:
    seen = straight_down(SceneObject("sphere", "large", "red", "metal", (0.0, 0.0, 0.7)))
    rows, columns = np.nonzero(seen.instances == 1)
    focal = 101 * 35.0 / 32.0
    depth = seen.depth[rows, columns]

    # The camera's picture has +y upward and +x rightward here.
    points = np.stack([(columns - 50) / focal * depth, (50 - rows) / focal * depth, 10.0 - depth], axis=1)
    outward = points - np.array([0.0, 0.0, 0.7])

    assert np.abs(np.linalg.norm(outward, axis=1) - 0.7).max() < 2e-3
    assert (outward / 0.7 * seen.normals[rows, columns]).sum(axis=1).min() > 0.999


def test_the_top_of_a_cube_is_flat() -> None:
    seen = straight_down(SceneObject("cube", "large", "red", "metal", (0.0, 0.0, 0.7), (0.3,)))

    assert seen.depth[47:54, 47:54] == pytest.approx(np.full((7, 7), 8.6), abs=1e-6)
    assert seen.normals[47:54, 47:54, 2] == pytest.approx(np.ones((7, 7)), abs=1e-6)


def test_depth_runs_along_the_view_axis_and_not_along_the_ray() -> None:
    seen = straight_down(SceneObject("sphere", "small", "red", "metal", (0.0, 0.0, 0.35)))

    assert seen.instances[0, 0] == 0
    assert seen.depth[0, 0] == pytest.approx(10.0)
    assert seen.normals[0, 0] == pytest.approx([0.0, 0.0, 1.0])


def test_the_sweep_is_flat_around_the_origin() -> None:
    times, normals = trace(np.array([1.0, 2.0, 5.0]), np.array([[0.0, 0.0, -2.0]]))

    assert times == pytest.approx([2.5])
    assert normals[0] == pytest.approx([0.0, 0.0, 1.0])


def test_the_sweep_rises_behind_the_objects() -> None:
    height = 10.0
    (time,), (normal,) = trace(height * UP, AWAY[None])

    # Where a circle of radius 23 that starts 14 behind the origin is 10 high, give or take its polygon's sagitta.
    angle = math.acos(1.0 - height / RADIUS)
    assert time == pytest.approx(FLAT + RADIUS * math.sin(angle), abs=0.02)
    assert normal @ AWAY == pytest.approx(-math.sin(angle), abs=2e-3)
    assert normal @ UP == pytest.approx(math.cos(angle), abs=2e-3)


def test_a_ray_into_the_open_meets_nothing() -> None:
    times, normals = trace(np.array([0.0, 0.0, 5.0]), np.stack([UP, -AWAY, AWAY + 3.0 * UP]))

    assert np.isinf(times).all()
    assert np.array_equal(normals, np.zeros((3, 3)))


def test_the_sweep_ends_in_a_wall() -> None:
    assert profile()[0] == (-16.0, 0.0)
    assert profile()[-1] == pytest.approx((FLAT + RADIUS, RADIUS))
