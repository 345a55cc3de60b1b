# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a predicted scene stands in Blender's world when its picture was taken from a known eye. numpy and core, no bpy.

A program puts its camera where the template's camera stands; for a picture of the viewport we know better: the eye's place and
direction in the world. The scene's frame is therefore turned about the vertical axis and moved until its camera stands above the
eye's place on the ground and looks the eye's way, and scaled by the ratio of the two heights, unless that is near one, in which
case the objects keep the size that their words say. Then every object goes along the eye's ray through the pixel where the
predicted camera sees it, to its height above the ground: it is shown at the pixel where the picture shows it, and stands upright.
An eye that does not look down on the ground as the predicted camera does tells nothing about the ground. Then the whole
scene is moved rigidly with its camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.frames import project, unproject_to_height
from ..core.rotations import matrix_from_quaternion_wxyz, matrix_from_yaw, quaternion_wxyz_from_matrix
from ..core.scene import Camera, SceneObject

Matrix4 = NDArray[np.float64]

SAME_SIZE_RATIO = 1.25
_PITCH_TOLERANCE_RADIANS = math.radians(20.0)
_STRETCH_LIMIT = 2.0  # a corrected object is at most so many times as far away as predicted, and at least as near
_PX = 1000  # any width serves, since what is projected is unprojected again


@dataclass(frozen=True)
class Placement:
    """matrix_world_from_scene (4, 4): where the scene's frame stands. camera: the eye in the scene's frame."""

    matrix_world_from_scene: Matrix4
    camera: Camera
    predicted: Camera
    on_ground: bool

    def corrected(self, item: SceneObject) -> SceneObject:
        """The object where the eye sees what the predicted camera sees, at its own height."""
        if item.location is None or not self.on_ground:
            return item
        ((u, v, depth),) = project(self.predicted, [item.location], _PX, _PX)
        if math.isnan(u):
            return item
        (there,) = unproject_to_height(self.camera, [u], [v], item.location[2], _PX, _PX)
        stretch = float(np.linalg.norm(there - self.camera.location)) / float(
            np.linalg.norm(np.subtract(item.location, self.predicted.location))
        )
        if math.isnan(stretch) or not 1.0 / _STRETCH_LIMIT <= stretch <= _STRETCH_LIMIT:
            return item
        return replace(item, location=(float(there[0]), float(there[1]), item.location[2]))


def placed(predicted: Camera, eye: Camera, *, on_ground: bool = True) -> Placement:
    """The placement for a program whose camera is `predicted`, of a picture taken from `eye`, in world coordinates and through
    the same lens. on_ground: whether the objects of such programs stand on a ground; those in the air move with the camera."""
    lens = {"focal_length_mm": predicted.focal_length_mm, "sensor_width_mm": predicted.sensor_width_mm}
    seen, guessed = _axis(eye), _axis(predicted)
    height = eye.location[2]
    looks_alike = abs(_pitch(seen) - _pitch(guessed)) < _PITCH_TOLERANCE_RADIANS
    if not on_ground or height <= 0.0 or predicted.location[2] <= 0.0 or not looks_alike:
        return Placement(_matrix(eye) @ np.linalg.inv(_matrix(predicted)), predicted, predicted, False)
    ratio = height / predicted.location[2]
    scale = 1.0 if 1.0 / SAME_SIZE_RATIO < ratio < SAME_SIZE_RATIO else ratio
    turn = matrix_from_yaw(math.atan2(seen[1], seen[0]) - math.atan2(guessed[1], guessed[0]))
    frame = np.eye(4)
    frame[:3, :3] = scale * turn
    foot = np.array([predicted.location[0], predicted.location[1], 0.0])
    frame[:3, 3] = np.array([eye.location[0], eye.location[1], 0.0]) - frame[:3, :3] @ foot
    rotation = quaternion_wxyz_from_matrix(turn.T @ matrix_from_quaternion_wxyz(eye.quaternion_wxyz)).tolist()
    there = Camera((predicted.location[0], predicted.location[1], height / scale), tuple(rotation), **lens)
    return Placement(frame, there, predicted, True)


def _axis(camera: Camera) -> NDArray[np.float64]:
    """The direction in which it looks."""
    return np.asarray(-matrix_from_quaternion_wxyz(camera.quaternion_wxyz)[:, 2])


def _pitch(direction: NDArray[np.float64]) -> float:
    return math.asin(max(-1.0, min(1.0, float(direction[2]))))


def _matrix(camera: Camera) -> Matrix4:
    matrix = np.eye(4)
    matrix[:3, :3] = matrix_from_quaternion_wxyz(camera.quaternion_wxyz)
    matrix[:3, 3] = camera.location
    return matrix
