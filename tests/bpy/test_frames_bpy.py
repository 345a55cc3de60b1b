# SPDX-License-Identifier: GPL-3.0-or-later
"""Projection and look-at against Blender's own."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from igllm_addon.core.frames import look_at_quaternion_wxyz, project
from igllm_addon.core.rotations import canonical_quaternion_wxyz
from igllm_addon.core.scene import Camera

bpy = pytest.importorskip("bpy", reason="needs the bpy wheel")
bpy_extras_object_utils = pytest.importorskip("bpy_extras.object_utils", reason="needs the bpy wheel")
mathutils = pytest.importorskip("mathutils", reason="needs the bpy wheel")


@pytest.fixture(autouse=True)
def empty_blender() -> Iterator[None]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield


def blender_pixels(camera: Camera, points: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
    """(N, 3) of u, v, depth as Blender's world_to_camera_view gives them."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_width, data.sensor_fit = camera.focal_length_mm, camera.sensor_width_mm, "HORIZONTAL"
    blender_camera = bpy.data.objects.new("camera", data)
    blender_camera.rotation_mode = "QUATERNION"
    blender_camera.location, blender_camera.rotation_quaternion = camera.location, camera.quaternion_wxyz
    scene = bpy.context.scene
    scene.collection.objects.link(blender_camera)
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width_px, height_px, 100
    bpy.context.view_layer.update()
    views = [bpy_extras_object_utils.world_to_camera_view(scene, blender_camera, mathutils.Vector(p)) for p in points]
    return np.array([(view.x * width_px, (1.0 - view.y) * height_px, view.z) for view in views])


@pytest.mark.parametrize(("width_px", "height_px"), [(480, 320), (240, 320), (336, 336)])
@pytest.mark.parametrize(("lens", "sensor"), [(35.0, 32.0), (50.0, 36.0), (18.0, 24.0)])
def test_projection_agrees_with_blender(width_px: int, height_px: int, lens: float, sensor: float) -> None:
    location = (7.4811, -6.5076, 5.3437)
    camera = Camera(location, look_at_quaternion_wxyz(location, (0.0, 0.0, 0.0)), lens, sensor)
    points = np.random.default_rng(3).uniform((-3.0, -3.0, 0.0), (3.0, 3.0, 2.0), size=(200, 3))

    pixels = project(camera, points, width_px, height_px)

    # Blender computes in single precision.
    np.testing.assert_allclose(pixels, blender_pixels(camera, points, width_px, height_px), atol=2e-3)


def test_look_at_agrees_with_blender() -> None:
    generator = np.random.default_rng(4)
    locations, targets = generator.uniform(-10.0, 10.0, size=(2, 500, 3))

    ours = [look_at_quaternion_wxyz(tuple(a), tuple(b)) for a, b in zip(locations, targets, strict=True)]
    blenders = [
        canonical_quaternion_wxyz(mathutils.Vector(b - a).to_track_quat("-Z", "Y"))
        for a, b in zip(locations, targets, strict=True)
    ]

    # q and -q are one rotation; next to a half turn rounding decides which of them is canonical.
    np.testing.assert_allclose(np.abs(np.sum(np.multiply(ours, blenders), axis=1)), 1.0, atol=1e-6)
    np.testing.assert_allclose(ours, blenders, atol=1e-4)


@pytest.mark.parametrize(
    "direction",
    [
        (0, 0, -1),
        (0, 0, 1),
        (1, 0, 0),
        (-1, 0, 0),
        (0, 1, 0),
        (0, -1, 0),
        (0.01, 0, -1),
        (0.01, 0.02, 1),
        (-7.4811, 6.5076, -5.3437),
    ],
    ids=str,
)
def test_look_at_along_an_axis_agrees_with_blender(direction: tuple[float, float, float]) -> None:
    ours = look_at_quaternion_wxyz((0.0, 0.0, 0.0), direction)

    blenders = mathutils.Vector(direction).to_track_quat("-Z", "Y").normalized()

    assert math.fabs(float(np.dot(ours, blenders))) == pytest.approx(1.0, abs=1e-6)
