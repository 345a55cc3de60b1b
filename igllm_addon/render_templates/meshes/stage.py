# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a mesh template's objects are shown: one camera, the lights, what is behind them. Data, no bpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...core.frames import look_at_quaternion_wxyz
from ...core.scene import Camera, Light, Scene, Vector3

_ORIGIN = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Stage:
    """camera, lights: the same in every scene. floor: whether a white floor lies at z = 0. air_rgb: the linear colour of what is
    seen behind everything, which also lights from all sides."""

    camera: Camera
    lights: tuple[Light, ...]
    floor: bool
    air_rgb: Vector3

    def empty_scene(self) -> Scene:
        """No objects."""
        return Scene(camera=self.camera, lights=self.lights)


def camera_at(location: Vector3, focal_length_mm: float, target: Vector3 = _ORIGIN) -> Camera:
    """A camera that looks at `target`."""
    return Camera(location, look_at_quaternion_wxyz(location, target), focal_length_mm)


def sun_from(direction: Vector3, power: float, spread_degrees: float) -> Light:
    """The light of a far lamp in this direction; the wider it is spread, the softer are its shadows."""
    return Light("Sun", "sun", direction, look_at_quaternion_wxyz(direction, _ORIGIN), power, math.radians(spread_degrees))
