# SPDX-License-Identifier: GPL-3.0-or-later
"""CLEVR's camera and lights as they stand before jitter. No bpy."""

from __future__ import annotations

from ...core.frames import look_at_quaternion_wxyz
from ...core.scene import Light, Scene
from . import constants
from .sample import canonical_camera, sun


def empty_scene() -> Scene:
    """No objects, the unjittered camera, the unjittered lights: what a program that names neither is shown with."""
    lamps = [
        Light(name, "area", location, look_at_quaternion_wxyz(location, (0.0, 0.0, 0.0)), power, size, color)
        for name, location, power, size, color in constants.AREA_LIGHTS
    ]
    return Scene(camera=canonical_camera(), lights=(*lamps, sun()))
